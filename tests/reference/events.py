"""Events: the envelope, and how its wire form is read."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from tests.reference.times import instant
from tests.reference.values import Refused, check, read

MAX_BYTES = 1 << 20
KINDS = ("INSERT", "UPDATE", "DELETE", "CUSTOM")
TEXTS = ("user_id", "tenant_id", "actor_type", "acting_for", "schema_version", "cdc_source")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
INTEGERS = {"duration_ms": 31, "seq": 63}


class NotAnEvent(ValueError):
    """The text or object is no event; `path` is the place, empty where it is no JSON object at all."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path


@dataclass(frozen=True)
class Event:
    """What happened to an entity; the UUIDs in small letters, the time as nanoseconds since year 1 or None."""

    event_type: str
    entity_type: str
    data: Any
    changes: dict[str, dict[str, Any]] | None
    entity_id: str = "00000000-0000-0000-0000-000000000001"
    id: str | None = None
    user_id: str | None = None
    tenant_id: str | None = None
    actor_type: str | None = None
    acting_for: str | None = None
    schema_version: str | None = None
    cdc_source: str | None = None
    timestamp: int | None = None
    duration_ms: int | None = None
    seq: int | None = None


def _uuid(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not UUID.fullmatch(value):
        raise NotAnEvent(name, "not a UUID")
    return value.lower()


def _text(fields: dict[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise NotAnEvent(name, "neither text nor null")
    return value


def _integer(fields: dict[str, Any], name: str) -> int | None:
    value = fields.get(name)
    limit = 1 << INTEGERS[name]
    if value is not None and not (type(value) is int and -limit <= value < limit):
        raise NotAnEvent(name, f"no integer of {INTEGERS[name] + 1} bits")
    return value


def _changes(fields: dict[str, Any]) -> dict[str, dict[str, Any]] | None:
    changes = fields.get("changes")
    if changes is None:
        return None
    if not isinstance(changes, dict):
        raise NotAnEvent("changes", "no object")
    for field, change in changes.items():
        if not isinstance(change, dict):
            raise NotAnEvent(f"changes.{field}", "no object")
        for side in ("old", "new"):
            if side not in change:
                raise NotAnEvent(f"changes.{field}.{side}", "missing")
    return {field: {"old": change["old"], "new": change["new"]} for field, change in changes.items()}


def _timestamp(fields: dict[str, Any]) -> int | None:
    value = fields.get("timestamp")
    if value is None:
        return None
    at = instant(value) if isinstance(value, str) else None
    if at is None:
        raise NotAnEvent("timestamp", "no RFC 3339 time")
    return at[0]


def from_dict(fields: dict[str, Any]) -> Event:
    """Return the event that an object is, whose values are JSON as Python has it.

    Raises:
        NotAnEvent: If it is none, with the path of one of its mistakes.
    """
    try:
        fields = check(fields)
    except Refused as error:
        raise NotAnEvent("", str(error)) from error
    for name in ("event_type", "entity_type", "entity_id", "data"):
        if name not in fields:
            raise NotAnEvent(name, "missing")
    if fields["event_type"] not in KINDS:
        raise NotAnEvent("event_type", "no kind")
    if not isinstance(fields["entity_type"], str) or not fields["entity_type"]:
        raise NotAnEvent("entity_type", "no text, or empty")
    return Event(
        event_type=fields["event_type"],
        entity_type=fields["entity_type"],
        data=fields["data"],
        changes=_changes(fields),
        entity_id=_uuid(fields, "entity_id"),
        id=None if fields.get("id") is None else _uuid(fields, "id"),
        timestamp=_timestamp(fields),
        duration_ms=_integer(fields, "duration_ms"),
        seq=_integer(fields, "seq"),
        **{name: _text(fields, name) for name in TEXTS},
    )


def from_json(line: bytes | str) -> Event:
    """Return the event that a text is.

    Raises:
        NotAnEvent: If it is none.
    """
    try:
        text = line.decode() if isinstance(line, bytes) else line
        size = len(text.encode())
    except UnicodeError as error:
        raise NotAnEvent("", "no UTF-8") from error
    if size > MAX_BYTES:
        raise NotAnEvent("", "too large")
    try:
        fields = read(text)
    except Refused as error:
        raise NotAnEvent("", str(error)) from error
    if not isinstance(fields, dict):
        raise NotAnEvent("", "no object")
    names = [name for name, _ in json.loads(text, object_pairs_hook=list, parse_int=str)]
    for name in names:
        if names.count(name) > 1:
            raise NotAnEvent(name, "twice")
    return from_dict(fields)
