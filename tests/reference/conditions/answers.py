"""What one leaf answers, with what it saw; `any` and `all` are answered where trees are."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.reference.conditions.regexes import searched
from tests.reference.conditions.tree import CannotAnswer, Leaf, Step
from tests.reference.events import Event
from tests.reference.times import instant
from tests.reference.values import equal, type_name

ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
#: A value in a tuple, because it may be None; or None where there is none.
Found = tuple[Any] | None


@dataclass(frozen=True)
class Scope:
    """What names are fields of, and the event around it."""

    data: Any
    event: Event


def walk(value: Any, steps: tuple[Step, ...]) -> Found:
    """Return the value at the end of a path."""
    for step in steps:
        match step, value:
            case str(), dict() if step in value:
                value = value[step]
            case int(), list() if step < len(value):
                value = value[step]
            case _:
                return None
    return (value,)


def _needs_changes(leaf: Leaf, function: str, event: Event) -> None:
    if event.changes is None and event.event_type == "UPDATE":
        raise CannotAnswer(
            f"Missing pre-image: {function}({leaf.path.shown}) needs the changes of this UPDATE, which are null"
        )


def find(leaf: Leaf, scope: Scope) -> Found:
    """Return what is at the path of a leaf, before or after the change where it asks for that."""
    event = scope.event
    if leaf.path.envelope:
        return (getattr(event, str(leaf.path.steps[0])),)
    if leaf.taken not in {"old", "new"}:
        return walk(scope.data, leaf.path.steps)
    _needs_changes(leaf, leaf.taken, event)
    key, *rest = leaf.path.steps
    if event.changes is not None and key in event.changes:
        return walk(event.changes[str(key)][leaf.taken], tuple(rest))
    if (leaf.taken, event.event_type) in {("old", "INSERT"), ("new", "DELETE")}:
        return None
    return walk(event.data, leaf.path.steps)


def present(leaf: Leaf, scope: Scope, seen: dict[str, Any]) -> bool:
    """Answer `has_field`."""
    found = walk(scope.data, leaf.path.steps)
    if found:
        seen.update(found=True, value=found[0])
    return found is not None


def changed(leaf: Leaf, scope: Scope, seen: dict[str, Any]) -> bool:
    """Answer `field_changed` and its two siblings."""
    event = scope.event
    _needs_changes(leaf, leaf.operator, event)
    key, *rest = leaf.path.steps
    entry = (event.changes or {}).get(str(key))
    if entry is None:
        return False
    old, new = (walk(entry[side], tuple(rest)) for side in ("old", "new"))
    sides = {"old": old, "new": new}
    seen.update(found=True, value={side: there[0] for side, there in sides.items() if there})
    if rest and (equal(old[0], new[0]) if old and new else old == new):
        return False
    if leaf.operator == "field_changed":
        return True
    side = new if leaf.operator == "field_changed_to" else old
    return side is not None and any(equal(side[0], value) for value in leaf.values)


def needs(leaf: Leaf, function: str, what: str, value: Any) -> CannotAnswer:
    """Return the error of a value whose type does not fit."""
    return CannotAnswer(f"{function}({leaf.path.shown}) needs {what}, found {type_name(value)}")


def compared(leaf: Leaf, value: Any, seen: dict[str, Any]) -> bool:
    """Answer a comparison or `in` whose path led to this value."""
    if leaf.taken == "time":
        return _time_compared(leaf, value)
    if leaf.taken == "size":
        if not isinstance(value, str | list | dict):
            raise needs(leaf, "size", "a string, an array or an object", value)
        seen["value"] = value = len(value)
    if leaf.operator in {"in", "not in"}:
        return any(equal(value, item) for item in leaf.values) is (leaf.operator == "in")
    literal = leaf.values[0]
    if leaf.operator in {"==", "!="}:
        return equal(value, literal) is (leaf.operator == "==")
    if not type_name(value) == type_name(literal) == "number":
        types = f"{type_name(value)} {leaf.operator} {type_name(literal)}"
        raise CannotAnswer(f"Cannot compare {leaf.operand}: {types}")
    return ORDERS[leaf.operator](value, literal)


def _time_compared(leaf: Leaf, value: Any) -> bool:
    if not isinstance(value, str):
        raise needs(leaf, "time", "an RFC 3339 string", value)
    at = instant(value)
    if at is None:
        raise CannotAnswer(f"time({leaf.path.shown}) needs an RFC 3339 string, found another string")
    literals = [instant(literal) for literal in leaf.values]
    if leaf.operator in {"in", "not in"}:
        return (at in literals) is (leaf.operator == "in")
    return ORDERS[leaf.operator](at, literals[0])


def like(text: str, pattern: str) -> bool:
    """Whether the whole text fits a pattern in which `*` alone is special."""
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    *middle, last = rest
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return False
    text = text[len(first) : len(text) - len(last)]
    for part in middle:
        at = text.find(part)
        if at < 0:
            return False
        text = text[at + len(part) :]
    return True


STRING_TESTS: dict[str, Callable[[str, str], bool]] = {
    "starts_with": str.startswith,
    "ends_with": str.endswith,
    "like": like,
    "ieq": lambda text, other: text.lower() == other.lower(),
}


def called(leaf: Leaf, value: Any) -> bool:
    """Answer a value function whose path led to this value."""
    function = leaf.operator
    if function == "is_null":
        return value is None
    literal = leaf.values[0]
    if function == "contains":
        if isinstance(value, list):
            return any(equal(item, literal) for item in value)
        if not isinstance(value, str):
            raise needs(leaf, function, "a string or an array", value)
        if not isinstance(literal, str):
            raise needs(leaf, function, "an array", value)
        return literal in value
    if not isinstance(value, str):
        raise needs(leaf, function, "a string", value)
    if leaf.regex:
        return searched(leaf.regex, value)
    return STRING_TESTS[function](value, literal)
