"""Entity events: what happened to an entity, by kind, entity, data and changes."""

from __future__ import annotations

from enum import StrEnum

from fraiseql_observers._core import EntityEvent

__all__ = ["EntityEvent", "EventKind"]


class EventKind(StrEnum):
    """What happened to an entity; the value is the word on the wire, in exactly this case."""

    Created = "INSERT"
    Updated = "UPDATE"
    Deleted = "DELETE"
    Custom = "CUSTOM"
