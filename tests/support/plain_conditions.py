"""What rules over real events need to be told in ordinary Python: lookups, types, times, and what cannot be answered.

A rule is a condition's text beside a function of the raw event that answers the same, or raises `Unanswerable`. Nothing
here knows the language of conditions: the texts of errors are spelled out from its specification.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.support.github_events import MISSING, Event

Plain = Callable[[Event], bool]

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class Unanswerable(Exception):
    """The event cannot answer; the text is the one that the package must give."""


class Missing(Unanswerable):
    """A field that must be there is not."""


class WrongType(Unanswerable):
    """A value is of a type that the question does not make sense for."""


class NoPreImage(Unanswerable):
    """The changes of an update were not tracked."""


@dataclass(frozen=True)
class Rule:
    """One rule, told twice.

    Attributes:
        condition: As an observer has it.
        plain: The same in Python.
        event_type: The kind of the events that it hears of, in any case, or `*`.
        entity: Their entity, or `*`.
    """

    condition: str
    plain: Plain
    event_type: str
    entity: str

    def hears(self, event: Event) -> bool:
        """Whether an event is of the rule's kind and entity."""
        return self.event_type.upper() in ("*", event["event_type"]) and self.entity in (
            "*",
            event["entity_type"],
        )


class RuleBook:
    """Rules of one theme by name, in the order in which they are written."""

    def __init__(self) -> None:
        self.rules: dict[str, Rule] = {}

    def rule(self, condition: str, *, event_type: str = "*", entity: str = "*") -> Callable[[Plain], Plain]:
        """Write the decorated function down as what a condition means; the function's name is the rule's."""

        def write(plain: Plain) -> Plain:
            name = plain.__name__
            assert name not in self.rules, name
            self.rules[name] = Rule(condition, plain, event_type, entity)
            return plain

        return write


def look(value: Any, *path: str | int) -> Any:
    """Walk into a JSON value by keys of objects and places in arrays; `MISSING` where the way ends."""
    for step in path:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step, MISSING)
        elif isinstance(value, list) and isinstance(step, int):
            value = value[step] if step < len(value) else MISSING
        else:
            return MISSING
    return value


def at(event: Event, *path: str | int) -> Any:
    """Walk into the data of an event."""
    return look(event["data"], *path)


def written(path: tuple[str | int, ...]) -> str:
    """Write a path of plain names and indexes as a condition does."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def need(event: Event, *path: str | int) -> Any:
    """Walk into the data of an event, to something that must be there."""
    value = at(event, *path)
    if value is MISSING:
        raise Missing(f"Field not found: {written(path)}")
    return value


def type_of(value: Any) -> str:
    """Name the JSON type of a value."""
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def is_number(value: Any) -> bool:
    """Whether a value is a JSON number, which Python's truth values are not."""
    return type_of(value) == "number"


def ordered(value: Any, comparison: str, other: str = "number") -> Any:
    """Return a value that has an order: a number, against a number.

    Args:
        value: What stands on the left.
        comparison: The operand and the operator, such as `a.b >`.
        other: The type of what stands on the right.
    """
    if not is_number(value) or other != "number":
        operand, operator = comparison.rsplit(" ", 1)
        raise WrongType(f"Cannot compare {operand}: {type_of(value)} {operator} {other}")
    return value


def needs(call: str, what: str, value: Any) -> WrongType:
    """Return the error of a function that does not take such a value."""
    return WrongType(f"{call} needs {what}, found {type_of(value)}")


def text(value: Any, call: str) -> str:
    """Return the string that a function needs."""
    if not isinstance(value, str):
        raise needs(call, "a string", value)
    return value


def has(value: Any, sought: str, call: str) -> bool:
    """Whether a string has a part, or an array an item."""
    if not isinstance(value, (str, list)):
        raise needs(call, "a string or an array", value)
    return sought in value


def length(value: Any, call: str) -> int:
    """Count characters, items or fields."""
    if not isinstance(value, (str, list, dict)):
        raise needs(call, "a string, an array or an object", value)
    return len(value)


def elements(value: Any, call: str) -> list[Any]:
    """Return the array that a question about elements needs."""
    if not isinstance(value, list):
        raise needs(call, "an array", value)
    return value


def instant(value: Any, call: str) -> datetime:
    """Return the instant that a string stands for."""
    if isinstance(value, str) and not _RFC_3339.fullmatch(value):
        raise WrongType(f"{call} needs an RFC 3339 string, found another string")
    if not isinstance(value, str):
        raise needs(call, "an RFC 3339 string", value)
    return datetime.fromisoformat(value.upper()).astimezone(UTC)


def utc(*parts: int) -> datetime:
    """Return an instant by year, month, day and so on."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc, unused-ignore] # no zone is among the parts


class Elements:
    """The elements of an array one after another, so that an error can tell where it arose."""

    def __init__(self, event: Event, *path: str | int) -> None:
        self._event = event
        self._path = path

    def some(self, test: Plain) -> bool:
        """Whether one passes; those after it are not looked at. A test sees an element as the event's data."""
        return any(self._passes(test, at_place) for at_place in self._places("any"))

    def every(self, test: Plain) -> bool:
        """Whether all pass; those after the first that fails are not looked at."""
        return all(self._passes(test, at_place) for at_place in self._places("all"))

    def _places(self, function: str) -> range:
        items = need(self._event, *self._path)
        return range(len(elements(items, f"{function}({written(self._path)})")))

    def _passes(self, test: Plain, place: int) -> bool:
        element = at(self._event, *self._path, place)
        try:
            return test({**self._event, "data": element})
        except Unanswerable as error:
            raise type(error)(f"{error} (in {written(self._path)}[{place}])") from error


def tracked(event: Event, call: str) -> dict[str, Any]:
    """Return the changes by field, which an update must have; nothing changes in what is no update."""
    changes = event["changes"]
    if changes is None and event["event_type"] == "UPDATE":
        raise NoPreImage(f"Missing pre-image: {call} needs the changes of this UPDATE, which are null")
    return changes or {}


def before(event: Event, *path: str | int) -> Any:
    """Look up what a path led to before the event; `MISSING` where it led nowhere."""
    change = tracked(event, f"old({written(path)})").get(str(path[0]))
    if change is not None:
        return look(change["old"], *path[1:])
    return MISSING if event["event_type"] == "INSERT" else at(event, *path)


def after(event: Event, *path: str | int) -> Any:
    """Look up what a path led to after the event; `MISSING` where it led nowhere."""
    change = tracked(event, f"new({written(path)})").get(str(path[0]))
    if change is not None:
        return look(change["new"], *path[1:])
    return MISSING if event["event_type"] == "DELETE" else at(event, *path)


def need_side(side: str, value: Any, *path: str) -> Any:
    """Return what was there before (`old`) or after (`new`), which must be something."""
    if value is MISSING:
        raise Missing(f"Field not found: {written(path)} (in {side}({written(path)}))")
    return value
