"""Templates: what may be written in them, and what becomes of it."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from fraiseql_observers.actions.templates import (
    LONGEST_RESULT,
    LONGEST_SOURCE,
    Scope,
    compile_json,
    compile_text,
)
from fraiseql_observers.errors import TemplateError
from fraiseql_observers.events import EntityEvent

JOB_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
ENTITY_ID = "6f9619ff-8b86-d011-b42d-00c04fc964ff"

DATA = {
    "name": 'Ann "the\nman"',
    "total": 12.5,
    "count": 2**63,
    "paid": True,
    "note": None,
    "tags": ["a", {"b": "c"}],
    "nested": {"deep": {"x": "y"}, "items": "dict key", "a b": 1},
    "tricky": "{{ event.id }} {% x %}",
    "event": "shadowed",
}


@pytest.fixture
def scope() -> Scope:
    """Return the scope of one order event."""
    event = EntityEvent(
        "UPDATE",
        "Order",
        ENTITY_ID,
        DATA,
        changes={"name": {"old": "a", "new": "b"}},
        timestamp="2026-01-02T03:04:05Z",
    )
    return Scope(event, job_id=JOB_ID, attempt=3)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("plain", "plain"),
        ("", ""),
        ("line\n", "line\n"),
        ("{{ data.total }}", "12.5"),
        ("{{data.total}}/{{ total }}", "12.5/12.5"),
        ("{{ count }}", str(2**63)),
        ("{{ paid }}", "true"),
        ("{{ nested.deep.x | upper }}", "Y"),
        ("{{ data['nested']['a b'] }}", "1"),
        ("{{ nested.items }}", "dict key"),
        ("{{ tags[0] }}{{ tags.1.b }}", "ac"),
        ("{{ data.event }}", "shadowed"),
        (
            "{{ event.event_type | lower }} {{ event.entity_type }} {{ event.entity_id }}",
            f"update Order {ENTITY_ID}",
        ),
        ("{{ event.timestamp }}", "2026-01-02T03:04:05Z"),
        ("{{ event.changes.name.old }}", "a"),
        ("{{ event.data.paid }}", "true"),
        ("{{ job.id }} {{ job.attempt }}", f"{JOB_ID} 3"),
        ("{{ missing | default('none') }}", "none"),
        ("{{ note | default('none') }}", "none"),
        ("{{ missing | default('none') | upper }}", "NONE"),
        ("{{ tags | json }}", '["a",{"b":"c"}]'),
        ("{{ note | json }}", "null"),
        ("{{ name | json }}", json.dumps(DATA["name"])),
        ("{{ tricky }}", "{{ event.id }} {% x %}"),
    ],
)
def test_placeholder_is_filled_in(scope: Scope, source: str, expected: str) -> None:
    """Paths and filters do what the documentation says, and values are never expanded again."""
    assert compile_text(source).render(scope) == expected


@pytest.mark.parametrize(
    "source",
    [
        "{{ 7*7 }}",
        "{{ 'x' }}",
        "{{ 5 }}",
        "{{ a + b }}",
        "{{ -a }}",
        "{{ a ~ b }}",
        "{{ a == b }}",
        "{{ not a }}",
        "{{ a if b }}",
        "{{ a is defined }}",
        "{{ [a] }}",
        "{{ {'a': 1} }}",
        "{{ a() }}",
        "{{ a.b() }}",
        "{{ a[b] }}",
        "{{ a[1:2] }}",
        "{{ a[-1] }}",
        "{{ a[1.5] }}",
        "{{ a[true] }}",
        "{{ a.__class__ }}",
        "{{ a['__class__'] }}",
        "{{ __builtins__ }}",
        "{{ a.__class__.__init__.__globals__ }}",
        "{{ a | safe }}",
        "{{ a | attr('x') }}",
        "{{ a | upper('x') }}",
        "{{ a | default }}",
        "{{ a | default(b) }}",
        "{{ a | default('x', true) }}",
        "{{ a | default(value='x') }}",
        "{{ a | upper | default('x') }}",
        "{{ a | json | upper }}",
        "{{ event }}",
        "{{ event.secret }}",
        "{{ job.queue }}",
        "{{ job }}",
        "{{ }}",
        "{{ a",
        "{{ a }",
        "{% if a %}x{% endif %}",
        "{% raw %}{{ a }}{% endraw %}",
        "{# comment #}",
        "{{ a }}{% set b = 1 %}",
        "x" * (LONGEST_SOURCE + 1),
        "{{ " + "(" * 500 + "a" + ")" * 500 + " }}",
        "{{ " + "-" * 5000 + "a }}",
    ],
)
def test_anything_but_paths_and_four_filters_is_refused(source: str) -> None:
    """A template is no program."""
    for compile_one in (compile_text, compile_json):
        with pytest.raises(TemplateError) as caught:
            compile_one(source)
        assert (caught.value.code, len(str(caught.value)) < 500) == ("OB008", True)


@pytest.mark.parametrize("source", ["{a.__class__.__init__.__globals__}", "%(x)s", "$x", "${x}", "{0}", "}}"])
def test_placeholders_of_other_languages_are_plain_text(scope: Scope, source: str) -> None:
    """They are not formatted by anything."""
    assert compile_text(source).render(scope) == source


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ missing }}", "missing is missing"),
        ("{{ data.nested.no.deeper }}", "data.nested.no.deeper is missing"),
        ("{{ tags[9] }}", "tags[9] is missing"),
        ("{{ name.x }}", "name.x is missing"),
        ("{{ missing | upper }}", "missing is no text"),
        ("{{ missing | json }}", "missing is missing"),
        ("{{ note }}", "note is null"),
        ("{{ nested }}", "nested is an object or a list"),
        ("{{ tags }}", "tags is an object or a list"),
        ("{{ total | upper }}", "total is no text"),
        ("{{ event.user_id }}", "event.user_id is null"),
    ],
)
def test_value_that_is_missing_or_no_text_is_an_error(scope: Scope, source: str, reason: str) -> None:
    """The path is named; the value is not, since it may be anything."""
    with pytest.raises(TemplateError) as caught:
        compile_text(source).render(scope)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('{"a": "{{ name }}"}', {"a": DATA["name"]}),
        ('{"a": {{ name }}}', {"a": DATA["name"]}),
        ('{"a": {{ name | json }}}', {"a": DATA["name"]}),
        ('{"a": "{{ name | json }}"}', {"a": json.dumps(DATA["name"])}),
        ('{"a": "\\"{{ total }}\\\\"}', {"a": '"12.5\\'}),
        ('{"{{ paid }}": {{ paid }}}', {"true": True}),
        ("[{{ total }}, {{ tags }}, {{ note }}, {{ nested.deep }}]", [12.5, DATA["tags"], None, {"x": "y"}]),
        ("{{ data }}", DATA),
        ('"{{ tricky }}"', DATA["tricky"]),
        ('{"a": {{ missing | default(0) }}, "b": "{{ missing | default(\'-\') }}"}', {"a": 0, "b": "-"}),
    ],
)
def test_json_body_encodes_values_for_their_place(scope: Scope, source: str, expected: object) -> None:
    """A value can change what a body says, never how it is built."""
    assert json.loads(compile_json(source).render(scope)) == expected


@pytest.mark.parametrize(
    "source",
    [
        "",
        "{",
        '{"a": }',
        "{'a': 1}",
        '{"a": {{ x }}{{ y }}}',
        '{"a": -{{ x }}}',
        '{"a": 1{{ x }}}',
        '"{{ x }}',
        "{{ x }} y",
    ],
)
def test_body_that_is_no_json_is_refused_when_it_is_compiled(source: str) -> None:
    """A body is tried with sample values."""
    with pytest.raises(TemplateError, match="no JSON"):
        compile_json(source)


def test_result_is_bounded() -> None:
    """A template that repeats a large value cannot fill the memory."""
    event = EntityEvent("INSERT", "Order", ENTITY_ID, {"x": "y" * 500_000})
    scope = Scope(event, job_id=JOB_ID, attempt=1)
    with pytest.raises(TemplateError, match=str(LONGEST_RESULT)):
        compile_text("{{ x }}" * 3).render(scope)


def test_data_that_is_no_object_has_no_fields() -> None:
    """An event's data may be any JSON value."""
    scope = Scope(EntityEvent("INSERT", "Order", ENTITY_ID, [1, 2]), job_id=JOB_ID, attempt=1)
    assert compile_text("{{ data[1] }} {{ x | default('-') }}").render(scope) == "2 -"
