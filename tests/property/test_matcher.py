"""The index finds what looking at every rule finds, in the same order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fraiseql_observers._core import RuleMatcher
from tests.property.cases import KINDS, Case, cases, wire_form
from tests.property.strategies import ENTITIES, events
from tests.reference import matcher
from tests.reference.events import Event, from_dict

names = st.sampled_from(["r0", "r1", "r2", "r3", "r4", "r5"])


def rules(texts: list[str]) -> st.SearchStrategy[matcher.Rule]:
    """Return rules with one of these conditions, or none."""
    return st.builds(
        matcher.Rule,
        event_type=st.sampled_from([*KINDS, "*", "*"]),
        entity=st.sampled_from(ENTITIES),
        condition=st.sampled_from([None, "has_field(a)", "a? == 1 || b? != null", "total > 1", *texts]),
        enabled=st.sampled_from([True, True, True, False]),
    )


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[tuple[str, matcher.Rule | None]], list[Event]]:
    """Draw additions, replacements and, where the rule is `None`, removals; and events that fit the conditions."""
    drawn = draw(st.lists(cases(), min_size=1, max_size=2))
    rule = rules([case.text for case in drawn])
    steps = draw(st.lists(st.tuples(names, st.none() | rule | rule | rule), max_size=25))
    return steps, [*(case.event for case in drawn), draw(events)]


def add(index: RuleMatcher, name: str, rule: matcher.Rule) -> None:
    """Add a rule of the reference to the core's index."""
    index.add(
        name, event_type=rule.event_type, entity=rule.entity, condition=rule.condition, enabled=rule.enabled
    )


@given(histories())
def test_index_and_plain_search_agree(
    history: tuple[list[tuple[str, matcher.Rule | None]], list[Event]],
) -> None:
    """After any sequence of additions, replacements and removals, also asked in between."""
    steps, seen = history
    index = RuleMatcher()
    model: dict[str, matcher.Rule] = {}
    for name, rule in steps:
        if rule is not None:
            add(index, name, rule)
            model[name] = rule
        elif name in model:
            index.remove(name)
            del model[name]
        assert index.find(wire_form(seen[0])) == matcher.find(model, from_dict(wire_form(seen[0])))
    for event in seen:
        assert index.find(wire_form(event)) == matcher.find(model, from_dict(wire_form(event)))


@given(st.lists(cases(), min_size=1, max_size=4), st.data())
def test_an_unrelated_rule_changes_nothing(drawn: list[Case], data: st.DataObject) -> None:
    """A rule for another entity, another kind, or one that is not enabled is as if it were not there."""
    index = RuleMatcher()
    rule = rules([case.text for case in drawn])
    for number in range(len(drawn)):
        add(index, f"r{number}", data.draw(rule))
    event = drawn[0].event
    before = index.find(wire_form(event))
    other = data.draw(rule)
    other_kind = next(kind for kind in KINDS if kind != event.event_type)
    unrelated = data.draw(
        st.sampled_from(
            [
                matcher.Rule(other.event_type, "Elsewhere", other.condition, enabled=True),
                matcher.Rule(other_kind, event.entity_type, other.condition, enabled=True),
                matcher.Rule(other.event_type, other.entity, other.condition, enabled=False),
            ]
        )
    )
    add(index, "unrelated", unrelated)
    assert index.find(wire_form(event)) == before
    index.remove("unrelated")
    assert index.find(wire_form(event)) == before
