"""The core's conditions and the reference's accept the same texts and give the same answers, errors included."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from fraiseql_observers._core import Condition, EntityEvent
from fraiseql_observers.errors import ConditionEvalError, ConditionSyntaxError
from tests.property import shares
from tests.property.cases import Case, cases, mutated, pieces, soup, wire_form
from tests.reference import conditions
from tests.reference.events import Event, from_dict

KEYS = ["condition", "outcome", "error", "leaves"]
LEAF_KEYS = [
    *("text", "operand", "path", "operator", "literals", "found", "value", "outcome", "error", "reason"),
    *("elements", "elements_reached"),
]
ELEMENT_KEYS = ["index", "outcome", "error", "leaves"]
PLAIN = Event("INSERT", "Order", {"a": 1}, None)


def outcome(condition: Condition, event: EntityEvent | bytes | str | dict[str, Any]) -> str:
    """Return `true`, `false`, or the text of the error."""
    try:
        return str(condition.evaluate(event)).lower()
    except ConditionEvalError as error:
        return str(error)


def exact(value: Any) -> Any:
    """Return a value that is equal to another's only if every type is the same too, 1 and 1.0 apart."""
    match value:
        case dict():
            return {key: exact(item) for key, item in value.items()}
        case list() | tuple():
            return [type(value).__name__, *map(exact, value)]
        case _:
            return type(value).__name__, repr(value)


def is_condition(text: str) -> bool:
    """Whether the reference takes a text; what it cannot tell is no example."""
    try:
        conditions.parse(text)
    except conditions.NotACondition:
        return False
    except conditions.OutOfScope:
        assume(False)
    return True


def check_keys(explanation: dict[str, Any]) -> None:
    """The keys come in their order, in every leaf of every element."""
    assert list(explanation) == KEYS
    _check_leaf_keys(explanation["leaves"])


def _check_leaf_keys(leaves: list[dict[str, Any]]) -> None:
    for leaf in leaves:
        assert list(leaf) == LEAF_KEYS
        for element in leaf["elements"] or ():
            assert list(element) == ELEMENT_KEYS
            _check_leaf_keys(element["leaves"])


def check_agreement(case: Case) -> None:
    """Truth, error texts and explanations are the same, whatever form the event comes in."""
    condition = Condition.parse(case.text)
    fields = wire_form(case.event)
    expected = conditions.explain(case.text, from_dict(fields))
    line = json.dumps(fields, ensure_ascii=False)
    said = expected["error"] if expected["outcome"] == "error" else expected["outcome"]
    for form in (EntityEvent.from_dict(fields), line.encode(), line, fields):
        assert outcome(condition, form) == said
        explanation = condition.explain(form).to_dict()
        assert exact(explanation) == exact(expected)
        check_keys(explanation)
    shares.seen[expected["outcome"]] += 1


def check_refusal(text: str) -> None:
    """The core refuses a text, with the offset within it."""
    with pytest.raises(ConditionSyntaxError) as refused:
        Condition.parse(text)
    assert 0 <= refused.value.offset <= len(text)
    assert refused.value.source == text


@given(cases())
@example(Case("any(a, p == 1)", Event("INSERT", "Order", {"a": [{"p": 0}] * 13}, None)))
@example(Case("all(a, p == 0)", Event("INSERT", "Order", {"a": [{"p": 0}] * 11 + [{}]}, None)))
@example(Case("ieq(a, 'ß')", Event("INSERT", "Order", {"a": "SS"}, None)))
@example(Case("old(a?) == 1", Event("UPDATE", "Order", {"a": 1}, None)))
@example(
    Case(
        "field_changed(a.b)",
        Event("UPDATE", "Order", {}, {"a": {"old": {"b": {"c": 1}}, "new": {"b": {"d": 1}}}}),
    )
)
@example(Case("like(a, 'ab*ba')", Event("INSERT", "Order", {"a": "aba"}, None)))
@example(Case("a > 9007199254740992", Event("INSERT", "Order", {"a": 2**53 + 1}, None)))
def test_answers_errors_and_explanations_agree_from_every_form(case: Case) -> None:
    """Object, bytes, text and dict; every leaf says what it saw and why it was not reached."""
    check_agreement(case)


@given(mutated())
@example(Case("a == or", PLAIN))
@example(Case("a == 1or b", PLAIN))
@example(Case("not not in (1)", PLAIN))
@example(Case("a in ()", PLAIN))
def test_spoilt_texts_are_refused_or_answered_alike(case: Case) -> None:
    """What the reference refuses the core refuses with its offset within the text, and nothing else."""
    if is_condition(case.text):
        check_agreement(case)
    else:
        check_refusal(case.text)
        shares.seen["syntax error"] += 1


@given(soup | st.text(max_size=20) | st.lists(st.characters() | pieces, max_size=6).map("".join))
@example("not")
@example("a==1or b")
@example("a < 1 " + "&& a < 1 " * 400)
@example("!" * 64 + "a < 1")
@example("!" * 65 + "a < 1")
@example("(" * 63 + "any(a, b < 1)" + ")" * 63)
@example("(" * 64 + "any(a, b < 1)" + ")" * 64)
@example("a<||" * 1023 + "a<")
@example("!" + "a<||" * 1023 + "a<")
@example("!!" + "a<||" * 1023 + "a<")
@example("a in (" + "," * 999 + ")")
@example("a in (" + "," * 1000 + ")")
@example("a" + ".b" * 15 + " == 1")
@example("a" + ".b" * 16 + " == 1")
@example("a == '" + "é" * 2044 + "'")
@example("a == '" + "é" * 2045 + "'")
@example("matches(a, '" + "x" * 513 + "')")
@example("a == '\ud800'")
@example("a == ᱀1or b")
def test_the_same_texts_are_conditions(text: str) -> None:
    """Pieces in any order, characters in any order, and the limits."""
    if is_condition(text):
        assert str(Condition.parse(text)) == text.strip(conditions.SPACES)
    else:
        check_refusal(text)


@given(cases(), cases())
def test_conditions_are_equal_when_their_trees_are(one: Case, other: Case) -> None:
    """Equality and hash follow the tree, not the text; parsing what is printed gives an equal one."""
    left, right = Condition.parse(one.text), Condition.parse(other.text)
    same = conditions.parse(one.text) == conditions.parse(other.text)
    assert (left == right) == same
    for again in (Condition.parse(str(left)), Condition.parse(f" ( {one.text} ) ")):
        assert again == left
        assert hash(again) == hash(left)
    assert Condition.parse(f"!({one.text})") != left


@st.composite
def respelt(draw: st.DrawFn) -> tuple[str, str]:
    """Draw two short conditions from few pieces, so that they are often the same one."""
    names = st.sampled_from(
        ["a", "a ?", "a.b", 'a["b"]', "( a", "size(a)", "time(a)", "@user_id", "a[0]", "a[00]"]
    )
    rights = st.sampled_from(
        [
            "== 1",
            "==1",
            "== 1.0",
            "== 1e0",
            "== x",
            "== 'x'",
            '== "\\u0078"',
            "in (1)",
            "in (1, 1)",
            "not in (1)",
        ]
    )
    calls = st.sampled_from(
        ["has_field(a)", "has_field('a')", "is_null(a)", "field_changed_to(a, '1')", "field_changed_to(a, 1)"]
    )
    leaf = st.tuples(names, rights).map(lambda two: " ".join(two) + ")" * (two[0][0] == "(")) | calls
    pair = st.tuples(leaf, st.sampled_from(["&&", " and ", "||", " or "]), leaf).map("".join)
    chains = st.tuples(pair.map("({})".format) | pair, st.sampled_from(["&&", "and ", "or "]), leaf).map(
        " ".join
    )
    texts = leaf | leaf.map("!{}".format) | leaf.map("not ({})".format) | pair | chains
    return draw(texts), draw(texts)


@given(respelt())
@example(("a == 1 && b == 1 && c == 1", "(a == 1 && b == 1) && c == 1"))
@example(("a == 1 && b == 1 && c == 1", "a == 1 && (b == 1 && c == 1)"))
def test_spelling_does_not_count_for_equality(texts: tuple[str, str]) -> None:
    """Short conditions that are often the same, written differently."""
    one, other = texts
    assume(is_condition(one) and is_condition(other))
    left, right = Condition.parse(one), Condition.parse(other)
    same = conditions.parse(one) == conditions.parse(other)
    assert (left == right) == same
    assert not same or hash(left) == hash(right)
