"""Row 29, and odd values for jobs enqueued by hand: refused by name before anything is stored."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any

import pytest

from fraiseql_observers import Config, EntityEvent, Job, JobLease, MemoryJobQueue, RedisJobQueue
from fraiseql_observers.config import StorageConfig
from fraiseql_observers.errors import EventError, ObserversError, QueueError
from tests.support.configs import config_for
from tests.support.server import ServerProcess

EVENT = EntityEvent("INSERT", "Order", uuid.UUID(int=1), {})
Queue = MemoryJobQueue | RedisJobQueue
Scenario = Callable[[Queue], Awaitable[None]]


class _Broken(tzinfo):
    """A time zone that does not know."""

    def utcoffset(self, _when: datetime | None) -> timedelta:
        raise ValueError("no idea")

    def dst(self, _when: datetime | None) -> None:
        return None

    def tzname(self, _when: datetime | None) -> None:
        return None


def job(**fields: Any) -> Job:
    """Return a job enqueued by hand."""
    values: dict[str, Any] = {
        "action": {"type": "log"},
        "event": EVENT,
        "max_attempts": 2,
        "initial_delay_ms": 10,
        "max_delay_ms": 100,
        "max_age_secs": 3600,
    }
    return Job(**(values | fields))


def in_memory(scenario: Scenario, **storage: Any) -> None:
    """Run a scenario on a queue in memory."""
    asyncio.run(_awaited(scenario(MemoryJobQueue(Config(storage=StorageConfig(**storage))))))


async def _awaited(result: Awaitable[None]) -> None:
    await result


def nothing_there(url: str = "redis://127.0.0.1:1") -> RedisJobQueue:
    """Return a queue whose server nobody reaches: what is refused here has not even been tried."""
    return RedisJobQueue(config_for(url, "t", {}, storage={"enqueue_timeout_secs": 1}))


NOW = datetime.now(UTC)
#: Times that no job is due at, with what is said.
BAD_TIMES: dict[str, tuple[Any, str]] = {
    "naive": (datetime(2031, 1, 1), "without a time zone"),  # noqa: DTZ001 - naive on purpose
    "a year and a day": (NOW + timedelta(days=366), "more than 365 days ahead"),
    "ten years": (NOW + timedelta(days=3650), "more than 365 days ahead"),
    "the last year": (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), "more than 365 days ahead"),
    "year 10000": (datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))), "outside the years 1 to 9999"),
    "year 0": (datetime.min.replace(tzinfo=timezone(timedelta(hours=1))), "outside the years 1 to 9999"),
    "year 1": (datetime(1, 1, 1, tzinfo=UTC), "before 1970"),
    "negative": (datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), "before 1970"),
    "broken zone": (datetime(2031, 1, 1, tzinfo=_Broken()), "outside the years"),
    "text": ("2031-01-01T00:00:00Z", "`str`|type str"),
    "number": (1_900_000_000, "type int"),
    "float": (1.9e9, "type float"),
    "NaN": (float("nan"), "type float"),
    "truth": (True, "type bool"),
    "date": (date(2031, 1, 1), "type date"),
    "duration": (timedelta(days=1), "type timedelta"),
}


@pytest.mark.parametrize("name", BAD_TIMES)
def test_a_time_that_no_job_is_due_at_is_refused(name: str) -> None:
    """By the queue on a server and in memory alike, before the server is asked."""
    value, text = BAD_TIMES[name]

    async def scenario(queue: Queue) -> None:
        with pytest.raises(EventError, match=r"scheduled_at: ") as caught:
            await queue.enqueue(job(), scheduled_at=value)
        assert any(word in str(caught.value) for word in text.split("|"))
        assert "allowed: an aware datetime" in str(caught.value)
        assert caught.value.code == "OB020"

    async def stored_nothing(queue: Queue) -> None:
        await scenario(queue)
        assert await queue.queue_depth() == 0

    in_memory(stored_nothing)
    asyncio.run(_awaited(scenario(nothing_there())))


@pytest.mark.parametrize("name", ["a year and a day", "the last year", "year 1", "negative"])
def test_a_job_that_was_made_for_such_a_time_is_refused_when_it_is_enqueued(name: str) -> None:
    """With its place among the others, none of which is stored."""
    value, text = BAD_TIMES[name]

    async def scenario(queue: Queue) -> None:
        with pytest.raises(EventError, match=rf"jobs\[1\]\.scheduled_at: .*{text}"):
            await queue.enqueue_many([job(), job(scheduled_at=value), job()])
        assert await queue.queue_depth() == 0

    in_memory(scenario)


@pytest.mark.parametrize(
    "back", [timedelta(0), timedelta(seconds=1), timedelta(days=400), NOW - datetime(1970, 1, 1, tzinfo=UTC)]
)
def test_a_job_that_was_due_in_the_past_runs_now(back: timedelta) -> None:
    """And lives as long as any other: it would else be expired before it has run."""

    async def scenario(queue: Queue) -> None:
        given, made = job(), job(scheduled_at=NOW - back)
        assert made.expires_at >= NOW + timedelta(seconds=3599)
        assert await queue.enqueue(given, scheduled_at=NOW - back)
        assert await queue.enqueue(made)
        assert await queue.queue_depth() == 2
        leased = await queue.lease(2)
        assert [lease.job.id for lease in leased] == [given.id, made.id]
        assert all(lease.job.expires_at >= NOW + timedelta(seconds=3599) for lease in leased)

    in_memory(scenario)


def test_a_job_is_due_a_year_ahead_at_most() -> None:
    """By the clock of the queue, in any zone."""

    async def scenario(queue: Queue) -> None:
        assert isinstance(queue, MemoryJobQueue)
        due = (NOW + timedelta(days=365)).astimezone(timezone(timedelta(hours=-9, minutes=-30)))
        assert await queue.enqueue(job(), scheduled_at=due)
        later = MemoryJobQueue(Config(), now=NOW + timedelta(days=300))
        assert await later.enqueue(job(), scheduled_at=NOW + timedelta(days=600))
        later.set_clock(NOW)
        with pytest.raises(EventError, match="365 days"):
            await later.enqueue(job(), scheduled_at=NOW + timedelta(days=600))

    in_memory(scenario)


@pytest.mark.parametrize(
    "value", [None, {}, b"{}", "job", 5, EVENT, object()], ids=lambda v: type(v).__name__
)
def test_what_is_no_job_is_not_enqueued(value: Any) -> None:
    """With its place, before anything of the others is stored."""

    async def scenario(queue: Queue) -> None:
        with pytest.raises(EventError, match=r"jobs\[1\]: a value of type \w+ is no Job"):
            await queue.enqueue_many([job(), value])
        assert await queue.queue_depth() == 0

    in_memory(scenario)


def test_a_job_that_is_too_large_is_refused_before_it_is_sent(server: ServerProcess, prefix: str) -> None:
    """Its event and the action that it brings along are each held to the limit of the configuration."""
    large = EntityEvent("INSERT", "Order", uuid.UUID(int=1), {"text": "x" * 2000})
    action = {"type": "log", "message_template": "x" * 2000}

    async def scenario(queue: Queue) -> None:
        with pytest.raises(EventError, match=r"jobs\[0\]\.event: more than 1024 bytes of JSON"):
            await queue.enqueue(job(event=large))
        with pytest.raises(EventError, match=r"jobs\[1\]\.action: more than 1024 bytes of JSON"):
            await queue.enqueue_many([job(), job(action=action)])

    in_memory(scenario, max_payload_bytes=1024)
    config = config_for(server.url, prefix, {}, storage={"max_payload_bytes": 1024})
    asyncio.run(_awaited(scenario(RedisJobQueue(config))))
    assert server.client().keys(f"*{prefix}*") == []


#: Values that a report of an attempt cannot hold.
BAD_REPORTS: dict[str, dict[str, Any]] = {
    "status of a text": {"status_code": "200"},
    "status of a truth": {"status_code": True},
    "status of a float": {"status_code": 200.0},
    "status below zero": {"status_code": -1},
    "status of 1000": {"status_code": 1000},
    "status of 2^16": {"status_code": 2**16},
    "status of 2^64": {"status_code": 2**64},
    "status of 10^5000": {"status_code": 10**5000},
    "no error": {"error": None},
    "error of bytes": {"error": b"x"},
    "error of an exception": {"error": ValueError("x")},
    "delay of a number": {"retry_after": 5},
    "delay of a text": {"retry_after": "5"},
    "delay of NaN": {"retry_after": float("nan")},
    "delay below zero": {"retry_after": timedelta(seconds=-1)},
    "least delay": {"retry_after": timedelta.min},
}


@pytest.mark.parametrize("name", BAD_REPORTS)
def test_a_report_that_cannot_be_kept_is_refused_and_the_job_is_held_as_before(name: str) -> None:
    """By one of our errors, whose text names the value; a right report is taken afterwards."""
    values: dict[str, Any] = {"error": "failed", **BAD_REPORTS[name]}

    async def scenario(queue: Queue) -> None:
        await queue.enqueue(job())
        (lease,) = await queue.lease()
        with pytest.raises(QueueError, match="allowed: "):
            await queue.nack(lease, **values)
        if "status_code" in values:
            with pytest.raises(QueueError, match="status_code: "):
                await queue.ack(lease, status_code=values["status_code"])
        assert await queue.get_status(lease.job.id) == "running"
        await queue.ack(lease, status_code=200)
        assert await queue.get_status(lease.job.id) == "completed"

    in_memory(scenario)


@pytest.mark.parametrize("value", [None, "job", b"", 5, {}, EVENT, object()], ids=lambda v: type(v).__name__)
def test_what_is_no_lease_is_refused(value: Any) -> None:
    """By one of our errors, in each of the three."""

    async def scenario(queue: Queue) -> None:
        calls: list[Callable[[], Awaitable[None]]] = [
            lambda: queue.ack(value),
            lambda: queue.nack(value, "failed"),
            lambda: queue.release(value),
        ]
        for call in calls:
            with pytest.raises(QueueError, match="is no JobLease"):
                await call()

    in_memory(scenario)


@pytest.mark.parametrize(
    "error", ["", "\ud800", "\x00\x1b[31m\r\n", "é" * 100_000, "{{7*7}} %s {}"], ids=lambda e: ascii(e[:8])
)
@pytest.mark.parametrize("delay", [timedelta(0), timedelta(microseconds=1), timedelta.max, None], ids=str)
def test_an_odd_error_is_kept_as_far_as_it_is_text(error: str, delay: timedelta | None) -> None:
    """An attempt that failed must be able to end, whatever was raised in it."""

    async def scenario(queue: Queue) -> None:
        await queue.enqueue(job())
        (lease,) = await queue.lease()
        await queue.nack(lease, error, retry_after=delay)
        view = await queue.get_job(lease.job.id)
        assert view is not None
        assert view.state == "scheduled"
        assert len(view.last_error or "") < 10_000

    in_memory(scenario)


def test_a_lease_is_used_once() -> None:
    """A second report is lost, whatever it says."""

    async def scenario(queue: Queue) -> None:
        await queue.enqueue(job(max_attempts=1))
        (lease,) = await queue.lease()
        assert isinstance(lease, JobLease)
        await queue.nack(lease, "failed")
        for call in (queue.ack(lease), queue.nack(lease, "again"), queue.release(lease)):
            with pytest.raises(ObserversError):
                await call

    in_memory(scenario)
