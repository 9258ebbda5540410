"""Jobs: how their bytes are read and written, keys that we do not know included."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from typing import Any

from tests.reference.times import instant, written
from tests.reference.values import Refused, read

SCHEMA = 1
PRIORITIES = ("critical", "high", "default", "low")
STRATEGIES = ("exponential", "linear", "fixed")
JITTERS = ("full", "none")
TIMES = ("created_at", "scheduled_at", "expires_at")
KEYS = (
    *("id", "observer", "action_index", "action", "event", "queue", "priority", *TIMES),
    *(
        "max_attempts",
        "backoff_strategy",
        "initial_delay_ms",
        "max_delay_ms",
        "jitter",
        "traceparent",
        "schema",
    ),
)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
#: The numbers, with their least value and their bits.
NUMBERS = {
    "action_index": (0, 32),
    "max_attempts": (1, 32),
    "initial_delay_ms": (0, 64),
    "max_delay_ms": (0, 64),
}


class NotAJob(ValueError):
    """The bytes are no job of any version."""


class NewerJob(ValueError):
    """A job that a newer version wrote: it has to wait for one."""


@dataclass(frozen=True)
class Job:
    """A job: the fields that we know, times in nanoseconds, and whatever else was there, in its order."""

    fields: dict[str, Any]
    more: dict[str, Any]


def observer_job_id(event_id: str, action_index: int, observer: str) -> str:
    """Return the id of an observer's job: the same event makes the same job."""
    return str(uuid.uuid5(uuid.UUID(event_id), f"{action_index}:{observer}"))


def _need(holds: bool, key: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        raise NotAJob(key)


def from_json(data: bytes) -> Job:
    """Read a job.

    Raises:
        NotAJob: If it is none.
        NewerJob: If a newer version wrote it: by its schema, or by a kind that we do not know.
    """
    try:
        found = read(data.decode())
    except (Refused, UnicodeError) as error:
        raise NotAJob(str(error)) from error
    _need(isinstance(found, dict), "no object")
    schema = found.get("schema")
    _need(type(schema) is int and schema >= 1, "schema")
    if schema > SCHEMA:
        raise NewerJob(f"schema {schema}")
    fields = {key: found.get(key) for key in KEYS}
    _need(isinstance(fields["id"], str) and bool(UUID.fullmatch(fields["id"])), "id")
    action = fields["action"]
    _need(isinstance(action, dict) and isinstance(action.get("type"), str), "action")
    _need(isinstance(fields["event"], dict), "event")
    for key in ("queue", "priority", "backoff_strategy", "jitter", *TIMES):
        _need(isinstance(fields[key], str), key)
    for key in ("observer", "traceparent"):
        _need(fields[key] is None or isinstance(fields[key], str), key)
    for key, (least, bits) in NUMBERS.items():
        _need(type(fields[key]) is int and least <= fields[key] < 2**bits, key)
    for key, kinds in (("priority", PRIORITIES), ("backoff_strategy", STRATEGIES), ("jitter", JITTERS)):
        if fields[key] not in kinds:
            raise NewerJob(f"{key} {fields[key]}")
    for key in TIMES:
        at = instant(fields[key])
        fields[key] = at[0] if at else None
        _need(at is not None, key)
    fields["id"] = fields["id"].lower()
    return Job(fields, {key: value for key, value in found.items() if key not in KEYS})


def to_json(job: Job) -> bytes:
    """Write a job: every key in its order, `null` included, then the keys that we do not know."""
    fields = job.fields | {key: written(job.fields[key]) for key in TIMES}
    return json.dumps(fields | job.more, ensure_ascii=False, separators=(",", ":")).encode()
