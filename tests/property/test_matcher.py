"""The index finds what looking at every rule finds, in the same order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fraiseql_observers._core import RuleMatcher
from tests.property.strategies import ENTITIES, KINDS, events, wire_form
from tests.reference import matcher
from tests.reference.events import Event

CONDITIONS = (
    None,
    "has_field(a)",
    "a? == 1 || b? != null",
    "total > 1",
    "status == shipped",
    "field_changed(status)",
    "a.b == 1",
    "not total < 100 and status? != 'x'",
)
names = st.sampled_from(["r0", "r1", "r2", "r3", "r4", "r5"])
rules = st.builds(
    matcher.Rule,
    event_type=st.sampled_from([*KINDS, "*"]),
    entity=st.sampled_from(ENTITIES),
    condition=st.sampled_from(CONDITIONS),
    enabled=st.sampled_from([True, True, True, False]),
)
#: A rule of that name is added, or removed where it is `None`.
steps = st.lists(st.tuples(names, st.none() | rules | rules | rules), max_size=25)


@given(steps, st.lists(events, min_size=1, max_size=3))
def test_index_and_plain_search_agree(
    steps: list[tuple[str, matcher.Rule | None]], seen: list[Event]
) -> None:
    """After any sequence of additions, replacements and removals, also asked in between."""
    index = RuleMatcher()
    model: dict[str, matcher.Rule] = {}
    for name, rule in steps:
        if rule is not None:
            index.add(
                name,
                event_type=rule.event_type,
                entity=rule.entity,
                condition=rule.condition,
                enabled=rule.enabled,
            )
            model[name] = rule
        elif name in model:
            index.remove(name)
            del model[name]
        assert index.find(wire_form(seen[0])) == matcher.find(model, seen[0])
    for event in seen:
        assert index.find(wire_form(event)) == matcher.find(model, event)
