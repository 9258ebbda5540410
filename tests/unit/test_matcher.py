"""The index of rules as Python sees it; `test_matching` tests the observers' face of it."""

from __future__ import annotations

from typing import Any

import pytest

from fraiseql_observers._core import Condition, EntityEvent, RuleMatcher
from fraiseql_observers.errors import ConditionSyntaxError, EventError

ENTITY_ID = "6f9619ff-8b86-d011-b42d-00c04fc964ff"


def event(kind: str = "UPDATE", entity: str = "Order", **data: Any) -> EntityEvent:
    """Return something that happened to an entity."""
    return EntityEvent(kind, entity, ENTITY_ID, data)


def test_kinds_are_taken_in_any_case_and_a_star_is_every_kind() -> None:
    """As configuration files have them."""
    matcher = RuleMatcher()
    matcher.add("lower", event_type="update", entity="Order")
    matcher.add("star", event_type="*", entity="*")
    matcher.add("none", entity="Order")
    matcher.add("other", event_type="Delete", entity="Order")
    assert matcher.find(event()) == (["lower", "star", "none"], [])
    assert matcher.find(event("DELETE")) == (["star", "none", "other"], [])
    assert matcher.find(event(entity="order")) == (["star"], [])


def test_conditions_are_taken_as_objects_or_text() -> None:
    """A text is compiled when the rule is added, so a bad one is refused there."""
    matcher = RuleMatcher()
    matcher.add("object", entity="*", condition=Condition.parse("a == 1"))
    matcher.add("text", entity="*", condition="a == 2")
    assert matcher.find(event(a=2)) == (["text"], [])
    with pytest.raises(ConditionSyntaxError):
        matcher.add("bad", entity="*", condition="a = 1")
    with pytest.raises(TypeError, match="condition: expected a Condition, str or None"):
        matcher.add("bad", entity="*", condition=5)  # type: ignore[arg-type]
    assert matcher.find(event(a=1)) == (["object"], [])


def test_errors_are_counted_by_text() -> None:
    """An event that cannot answer leaves the rule out and says why."""
    matcher = RuleMatcher()
    for name, condition in (("a", "x == 1"), ("b", "x == 2"), ("c", "y == 1"), ("d", "z? == 1")):
        matcher.add(name, entity="Order", condition=condition)
    assert matcher.find(event()) == ([], [("Field not found: x", 2), ("Field not found: y", 1)])


def test_a_rule_that_is_replaced_keeps_its_place() -> None:
    """One that is removed and added again does not."""
    matcher = RuleMatcher()
    for name in ("a", "b", "c"):
        matcher.add(name, entity="*")
    matcher.add("a", entity="Order")
    assert matcher.find(event()) == (["a", "b", "c"], [])
    matcher.remove("a")
    matcher.add("a", entity="*")
    matcher.add("b", entity="*", enabled=False)
    assert matcher.find(event()) == (["c", "a"], [])


def test_removing_an_unknown_rule_is_a_key_error() -> None:
    """As for a dict."""
    with pytest.raises(KeyError, match="unknown"):
        RuleMatcher().remove("unknown")


def test_bad_rules_are_refused() -> None:
    """An unknown kind names the known ones."""
    matcher = RuleMatcher()
    with pytest.raises(
        ValueError, match='event_type: "created" is not one of INSERT, UPDATE, DELETE, CUSTOM or'
    ):
        matcher.add("a", event_type="created", entity="Order")
    with pytest.raises(ValueError, match="entity: must not be empty"):
        matcher.add("a", entity="")
    with pytest.raises(EventError):
        matcher.find(b"{}")
