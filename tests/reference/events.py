"""The part of an event that conditions and matching look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Event:
    """What happened to an entity."""

    event_type: str
    entity_type: str
    data: Any
    changes: dict[str, dict[str, Any]] | None
