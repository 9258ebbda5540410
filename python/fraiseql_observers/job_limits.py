"""What a job that is enqueued by hand must keep to, checked before any part of it is sent to a server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson

from fraiseql_observers._core import Job
from fraiseql_observers.definition import LONGEST_DELAY_SECS
from fraiseql_observers.errors import EventError, QueueError
from fraiseql_observers.settings import found_text

__all__ = ["LONGEST_DELAY", "check_jobs", "check_report", "due_at"]

#: How far ahead a job may be due, which is as far as an observer may delay its own.
LONGEST_DELAY: Final = timedelta(seconds=LONGEST_DELAY_SECS)

#: HTTP and SMTP have three digits.
_LARGEST_STATUS: Final = 999
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ALLOWED: Final = (
    f"allowed: an aware datetime from 1970 to {LONGEST_DELAY.days} days ahead, one in the past is now"
)


def due_at(job: Job, scheduled_at: datetime, now: datetime) -> Job:
    """Return the same job, due at another time; it may live as long from then.

    Args:
        job: The job.
        scheduled_at: When it is due; a time in the past is now.
        now: The clock of the queue.

    Raises:
        EventError: If that is no time, naive, before 1970, or more than a year ahead.
    """
    asked = _instant(scheduled_at, now)
    # A job that is not due after it was made is pending at once.
    due = asked if asked > now else job.created_at
    age = job.expires_at - max(job.scheduled_at, job.created_at)
    fields = orjson.loads(job.to_json())
    fields["scheduled_at"] = due.isoformat()
    fields["expires_at"] = (max(due, now) + age).isoformat()
    return Job.from_json(orjson.dumps(fields))


def check_jobs(jobs: Sequence[Job], *, now: datetime, max_payload_bytes: int) -> None:
    """Refuse jobs of which one is due at no allowed time, or is too large; nothing of any is stored then.

    Args:
        jobs: The jobs.
        now: The clock of the queue.
        max_payload_bytes: The longest JSON of an event, and of an action that a job brings along.

    Raises:
        EventError: With the place of the job among the others, and what is allowed.
    """
    for place, job in enumerate(jobs):
        if not isinstance(job, Job):
            raise EventError(f"jobs[{place}]: a value of type {type(job).__name__} is no Job")
        try:
            _instant(job.scheduled_at, now)
            # Together they are longer than each of them: most jobs are short, and are looked at no closer.
            if len(job.to_json()) > max_payload_bytes:
                _check_length("event", len(job.event.to_json()), max_payload_bytes)
                _check_length("action", len(orjson.dumps(job.action)), max_payload_bytes)
        except EventError as error:
            raise EventError(f"jobs[{place}].{error}") from None


def check_report(
    error: str = "", *, status_code: int | None = None, retry_after: timedelta | None = None
) -> str:
    """Refuse what cannot be kept of an attempt, and return its error as text that can be stored.

    Args:
        error: What went wrong.
        status_code: The status of the receiver's answer.
        retry_after: The least delay before the next attempt.

    Raises:
        QueueError: With the name of the value and what is allowed; the job is held as before.
    """
    if not isinstance(error, str):
        raise QueueError(f"error: a value of type {type(error).__name__}; allowed: a text")
    is_status = (
        isinstance(status_code, int)
        and not isinstance(status_code, bool)
        and 0 <= status_code <= _LARGEST_STATUS
    )
    if status_code is not None and not is_status:
        raise QueueError(
            f"status_code: {found_text(status_code)}; allowed: an integer from 0 to {_LARGEST_STATUS}, or None"
        )
    if retry_after is not None and not isinstance(retry_after, timedelta):
        raise QueueError(
            f"retry_after: a value of type {type(retry_after).__name__}; allowed: a timedelta, or None"
        )
    if retry_after is not None and retry_after < timedelta(0):
        raise QueueError("retry_after: is negative; allowed: a timedelta from zero on, or None")
    # A lone surrogate is no text, and must not keep an attempt from ending.
    return error.encode("utf-8", "backslashreplace").decode()


def _check_length(name: str, length: int, most: int) -> None:
    if length > most:
        raise EventError(f"{name}: more than {most} bytes of JSON")


def _instant(value: datetime, now: datetime) -> datetime:
    """Return a due time in UTC."""
    if not isinstance(value, datetime):
        raise EventError(f"scheduled_at: a value of type {type(value).__name__} is no datetime; {_ALLOWED}")
    try:
        offset = value.utcoffset()
        instant = value.astimezone(UTC)
    except (OverflowError, ValueError):
        raise EventError(f"scheduled_at: a time outside the years 1 to 9999 in UTC; {_ALLOWED}") from None
    if offset is None:
        raise EventError(f"scheduled_at: a datetime without a time zone; {_ALLOWED}")
    if instant < _EPOCH:
        raise EventError(f"scheduled_at: {instant.isoformat()} is before 1970; {_ALLOWED}")
    if instant - now > LONGEST_DELAY:
        raise EventError(
            f"scheduled_at: {instant.isoformat()} is more than {LONGEST_DELAY.days} days ahead; {_ALLOWED}"
        )
    return instant
