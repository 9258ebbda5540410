"""Finding observers: kind, entity, switch and condition, in order of definition."""

from __future__ import annotations

from typing import Any

import pytest

from fraiseql_observers.actions import LogAction
from fraiseql_observers.errors import ConfigError
from fraiseql_observers.events import EntityEvent
from fraiseql_observers.observers import EventMatcher, Match, ObserverDefinition
from fraiseql_observers.problems import ProblemKind

ENTITY_ID = "6f9619ff-8b86-d011-b42d-00c04fc964ff"


def rule(
    event_type: str = "UPDATE", entity: str = "Order", condition: str | None = None, **more: Any
) -> ObserverDefinition:
    """Return a rule that writes a log line."""
    return ObserverDefinition(event_type, entity, [LogAction()], condition, **more)


def event(entity: str = "Order", **data: object) -> EntityEvent:
    """Return an update of an entity."""
    return EntityEvent("UPDATE", entity, ENTITY_ID, data)


def names(matcher: EventMatcher, event: EntityEvent) -> list[str]:
    """Return the names of the observers found."""
    return [match.name for match in matcher.find_matches(event)]


def test_matches_are_a_sequence_in_order_of_definition() -> None:
    """Whoever is defined first comes first, wildcards among the others."""
    rules = {
        "z": rule(),
        "any": rule("*", "*"),
        "other": rule("DELETE"),
        "a": rule(),
        "off": rule(enabled=False),
    }
    matches = EventMatcher.build(rules).find_matches(event())
    assert [match.name for match in matches] == ["z", "any", "a"]
    assert matches[0] == Match("z", rules["z"])
    assert matches[-2:] == (Match("any", rules["any"]), Match("a", rules["a"]))
    assert (len(matches), matches.errors) == (3, ())
    assert list(EventMatcher.build(rules).definitions) == list(rules)


def test_condition_decides_and_an_error_leaves_its_observer_out() -> None:
    """An event that cannot answer is counted, and fails nothing."""
    matcher = EventMatcher.build(
        {
            "large": rule(condition="total > 100"),
            "small": rule(condition="total < 10"),
            "broken": rule(condition="absent == 1"),
            "broken_too": rule(condition="absent == 1"),
        }
    )
    matches = matcher.find_matches(event(total=500))
    assert [match.name for match in matches] == ["large"]
    ((text, count),) = matches.errors
    assert ("absent" in text, count) == (True, 2)


def test_event_may_be_given_as_text_or_dict() -> None:
    """A producer need not build an object first."""
    matcher = EventMatcher.build({"a": rule()})
    fields = {"event_type": "UPDATE", "entity_type": "Order", "entity_id": ENTITY_ID, "data": {}}
    assert len(matcher.find_matches(fields)) == 1
    assert len(matcher.find_matches(event().to_json())) == 1


def test_entity_named_like_the_wildcard_matches_wildcards_once() -> None:
    """An entity that is literally ``*`` is an entity like any other."""
    assert names(EventMatcher.build({"any": rule("*", "*"), "order": rule()}), event("*")) == ["any"]


def test_observer_added_again_keeps_its_place() -> None:
    """A rule that is read again does not change the order of the others."""
    matcher = EventMatcher.build({"a": rule(), "b": rule()})
    matcher.add("a", rule(entity="Invoice"))
    matcher.add("c", rule())
    assert names(matcher, event()) == ["b", "c"]
    matcher.add("a", rule())
    assert names(matcher, event()) == ["a", "b", "c"]


def test_observer_that_is_removed_matches_nothing_and_cannot_be_removed_twice() -> None:
    """An unknown name is an error of the caller."""
    matcher = EventMatcher.build({"a": rule()})
    matcher.remove("a")
    assert names(matcher, event()) == []
    for name in ("a", "never"):
        with pytest.raises(KeyError):
            matcher.remove(name)


def test_build_reports_every_bad_name_and_condition_at_once() -> None:
    """A definition that was made past the checks is still refused, and nothing is half built."""
    good = rule()
    bad = good.model_copy(update={"condition": "a = = 1"})
    with pytest.raises(ConfigError) as caught:
        EventMatcher.build({"fine": good, "one": bad, "two": bad, " ": good})
    assert [(problem.path, problem.kind) for problem in caught.value.problems] == [
        (("observers", "one", "condition"), ProblemKind.CONDITION),
        (("observers", "two", "condition"), ProblemKind.CONDITION),
        (("observers", " "), ProblemKind.NAME),
    ]


def test_every_rule_is_explained_in_order_of_definition() -> None:
    """Those that are not asked say so, the others show what their condition saw."""
    matcher = EventMatcher.build(
        {
            "yes": rule(condition="total > 1"),
            "no": rule(condition="total > 9"),
            "error": rule(condition="gone == 1"),
            "plain": rule("*", "*"),
            "kind": rule("DELETE"),
            "entity": rule(entity="User"),
            "off": rule(enabled=False),
        }
    )
    matcher.add("yes", rule(condition="total > 2"))
    explained = matcher.explain(event(total=5))
    assert [(e.name, e.verdict, e.reason) for e in explained] == [
        ("yes", "matched", "matches"),
        ("no", "condition_false", "does not match: its condition is false"),
        ("error", "condition_error", "is left out: its condition cannot be answered"),
        ("plain", "matched", "matches"),
        ("kind", "other_kind", "wants DELETE"),
        ("entity", "other_entity", "wants the entity User"),
        ("off", "disabled", "is disabled"),
    ]
    assert [e.name for e in explained if e.matched] == names(matcher, event(total=5))
    assert [e.condition is not None for e in explained] == [True, True, True, False, False, False, False]
    first = explained[0]
    assert first.condition is not None
    assert first.to_dict()["condition"] == first.condition.to_dict()
    assert str(first) == "yes matches\n  total > 2\n  is true\n    true   total > 2  # total is 5"
