"""How a job looks in a table and by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from fraiseql_observers.cli.output import Output, instant

if TYPE_CHECKING:
    from fraiseql_observers._core import Attempt, JobView

#: Characters of an error text in a table; the whole is in ``show``.
ERROR_CHARACTERS = 60

ATTEMPT_COLUMNS = ("attempt", "started", "took", "result", "status", "worker")


def job_row(view: JobView) -> tuple[object, ...]:
    """One job in the table of `jobs list`."""
    job = view.job
    return (
        view.id,
        view.observer,
        job and job.action_type,
        view.queue if job is None or job.priority == "default" else f"{view.queue} ({job.priority})",
        attempts_text(view),
        instant(view.retry_at) or (job and job.scheduled_at),
        f"parked: {view.parked}" if view.parked else shortened(view.last_error),
    )


def attempts_text(view: JobView) -> str:
    """How many attempts a job has had, of how many."""
    return f"{view.attempt}/{view.job.max_attempts}" if view.job is not None else str(view.attempt)


def shortened(text: str | None) -> str | None:
    """Cut a text to what a table has room for."""
    return text if text is None or len(text) <= ERROR_CHARACTERS else text[: ERROR_CHARACTERS - 1] + "…"


def print_job(output: Output, view: JobView) -> None:
    """Print all that is known about a job."""
    job = view.job
    rows: list[tuple[str, object]] = [("id", view.id), ("state", view.state)]
    rows += _present(
        ("observer", view.observer if job is None else None),
        ("started", instant(view.started_at)),
        ("finished", instant(view.finished_at)),
        ("ended", view.ended),
        ("reason", view.reason),
        ("died", instant(view.died_at)),
        ("parked", view.parked),
        ("next attempt", instant(view.retry_at)),
        ("last error", view.last_error),
        ("crashes", view.crashes),
    )
    if job is not None:
        rows += [
            ("observer", job.observer or "(enqueued by hand)"),
            ("action", f"{job.action_type} (number {job.action_index})"),
            ("queue", f"{view.queue}, priority {job.priority}"),
            ("attempt", f"{view.attempt} of at most {job.max_attempts}"),
            ("created", job.created_at),
            ("due", job.scheduled_at),
            ("expires", job.expires_at),
        ]
    output.pairs(rows)
    if view.attempts:
        output.table(
            ATTEMPT_COLUMNS,
            [_attempt_row(attempt) for attempt in view.attempts],
            title="Attempts",
        )
    if job is not None:
        output.heading("Event")
        output.lines(_pretty(job.event.to_json()))
    elif view.raw is not None:
        output.heading("Stored bytes, which are no job")
        output.text(repr(view.raw))


def _present(*rows: tuple[str, object]) -> list[tuple[str, object]]:
    return [row for row in rows if row[1]]


def _attempt_row(attempt: Attempt) -> tuple[object, ...]:
    return (
        attempt.attempt,
        instant(attempt.started_at),
        f"{attempt.duration_ms} ms",
        "succeeded" if attempt.success else attempt.error,
        attempt.status_code,
        attempt.worker,
    )


def _pretty(document: bytes) -> str:
    value: Any = orjson.loads(document)
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()
