"""Every table that a configuration file may hold, with a right example of each to be made wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fraiseql_observers.actions.models import ACTION_MODELS
from fraiseql_observers.config.sections import SECTIONS
from fraiseql_observers.definition import ObserverDefinition
from fraiseql_observers.retry import RetryConfig
from fraiseql_observers.settings import Settings

_OBSERVER = '[observers.paid]\nevent_type = "UPDATE"\nentity = "Order"\n'
_LOG = '[[observers.paid.actions]]\ntype = "log"\n'
#: What each type of action must say to be right.
_REQUIRED = {
    "webhook": {"url": '"https://example.com/hook"'},
    "function": {"handler": '"package.module:callable"'},
    "log": {},
}


@dataclass(frozen=True)
class Table:
    """One table of a file.

    Attributes:
        name: For the ids of tests.
        model: What it is read into.
        path: Where it stands in the file.
        before: Text that comes before its keys: its header, with what it must hold to be right.
        after: Text that comes after its keys.
        given: The keys that `before` gives already, each with its text.
    """

    name: str
    model: type[Settings]
    path: tuple[str | int, ...]
    before: str
    after: str = ""
    given: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return self.name

    def with_key(self, key: str, literal: str) -> str:
        """Return a file in which this table holds one more key, or another value of one it needs."""
        before = self.before
        for name, text in self.given:
            if name == key:
                before = before.replace(f"{name} = {text}\n", "")
        # The actions of an observer stand in tables of their own, where they are not what is tried.
        after = "" if key == "actions" else self.after
        return f"{before}{key} = {literal}\n{after}"

    def without_key(self, key: str) -> str:
        """Return a file in which this table lacks a key that it needs."""
        for name, text in self.given:
            if name == key:
                return self.before.replace(f"{name} = {text}\n", "") + self.after
        raise AssertionError(f"{self.name} needs no {key}")


def _action(kind: str) -> Table:
    given = {"type": f'"{kind}"', **_REQUIRED[kind]}
    keys = "".join(f"{key} = {text}\n" for key, text in given.items())
    before = f"{_OBSERVER}[[observers.paid.actions]]\n{keys}"
    path = ("observers", "paid", "actions", 0)
    return Table(f"{kind} action", ACTION_MODELS[kind], path, before, given=tuple(given.items()))


TABLES = (
    *(Table(name, model, (name,), f"[{name}]\n") for name, model in SECTIONS.items()),
    Table(
        "observer",
        ObserverDefinition,
        ("observers", "paid"),
        _OBSERVER,
        _LOG,
        (("event_type", '"UPDATE"'), ("entity", '"Order"')),
    ),
    Table("retry", RetryConfig, ("observers", "paid", "retry"), f"{_OBSERVER}{_LOG}[observers.paid.retry]\n"),
    *(_action(kind) for kind in ACTION_MODELS),
)

#: A file that is right and has every table.
RIGHT = (
    "".join(table.before for table in TABLES[: len(SECTIONS)]) + f"{_OBSERVER}{_LOG}[observers.paid.retry]\n"
)


@dataclass(frozen=True)
class Number:
    """A setting that is a number.

    Attributes:
        table: Where it stands.
        name: Its key.
        low: The least value that is allowed.
        high: The greatest.
    """

    table: Table
    name: str
    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.table.name}.{self.name}"


def fields_of(table: Table) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the keys of a table with the schema of each, whatever stands beside ``null`` left out."""
    properties: dict[str, dict[str, Any]] = table.model.model_json_schema()["properties"]
    for name, schema in properties.items():
        options = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
        yield name, options[0]


NUMBERS = tuple(
    Number(table, name, schema["minimum"], schema["maximum"])
    for table in TABLES
    for name, schema in fields_of(table)
    if schema.get("type") == "integer"
)
FIELDS = tuple((table, name, schema) for table in TABLES for name, schema in fields_of(table))
