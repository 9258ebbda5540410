"""The contract of `JobQueue`: one suite, run against the queue on a server and the queue in memory alike."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from fraiseql_observers import (
    Config,
    EntityEvent,
    Job,
    JobQueue,
    LeaseLost,
    MemoryJobQueue,
    RedisJobQueue,
    ServerUnsuitable,
)
from fraiseql_observers.parked import ParkedJobs
from tests.support.configs import config_for
from tests.support.lanes import tag_of
from tests.support.server import ServerProcess

#: Makes one test on a queue.
Scenario = Callable[[JobQueue], Awaitable[None]]
#: Runs a scenario on a fresh queue.
Run = Callable[[Scenario], None]


@pytest.fixture(params=["redis", "memory"])
def run(request: pytest.FixtureRequest, server: ServerProcess, prefix: str) -> Run:
    """Run a scenario on each kind of queue."""
    kind = request.param

    def on_queue(scenario: Scenario) -> None:
        async def in_loop() -> None:
            if kind == "memory":
                await scenario(MemoryJobQueue(Config()))
                return
            queue = RedisJobQueue(config_for(server.url, prefix, {}))
            await scenario(queue)
            await queue.aclose()

        asyncio.run(in_loop())

    return on_queue


def job(**fields: object) -> Job:
    """Return a job enqueued by hand."""
    values: dict[str, object] = {
        "action": {"type": "log"},
        "event": EntityEvent("INSERT", "Order", uuid.uuid4(), {}),
        "max_attempts": 2,
        "initial_delay_ms": 10,
        "max_delay_ms": 100,
        "max_age_secs": 3600,
        "jitter": "none",
    }
    return Job(**(values | fields))  # type: ignore[arg-type]


def test_a_job_is_stored_once(run: Run) -> None:
    """The second enqueue of the same id says that it is known."""

    async def scenario(queue: JobQueue) -> None:
        order = job()
        assert await queue.enqueue(order)
        assert not await queue.enqueue(order)
        assert await queue.enqueue_many([order, job()]) == [False, True]
        assert await queue.queue_depth() == 2
        assert await queue.get_status(order.id) == "pending"

    run(scenario)


def test_a_level_is_taken_or_refused_by_each_queue(run: Run) -> None:
    """Both give ``memory``; what a queue cannot give is refused, and nothing is stored."""

    async def scenario(queue: JobQueue) -> None:
        assert await queue.enqueue(job(), durability="memory")
        assert await queue.enqueue_many([job()], durability="auto") == [True]
        with pytest.raises(ServerUnsuitable, match="durability is replica:1, but"):
            await queue.enqueue(job(), durability="replica:1")
        with pytest.raises(ValueError, match="none of auto, memory"):
            await queue.enqueue_many([job()], durability="paper")
        assert await queue.queue_depth() == 2

    run(scenario)


def test_an_acked_job_is_completed_and_stays_known(run: Run) -> None:
    """Its id is remembered, so that it cannot be enqueued again."""

    async def scenario(queue: JobQueue) -> None:
        order = job()
        await queue.enqueue(order)
        (lease,) = await queue.lease()
        assert (lease.job, lease.attempt) == (order, 1)
        assert await queue.get_status(order.id) == "running"
        assert await queue.lease() == []
        await queue.ack(lease)
        assert await queue.get_status(order.id) == "completed"
        assert not await queue.enqueue(order)
        view = await queue.get_job(order.id)
        assert view is not None
        assert view.state == "completed"

    run(scenario)


def test_a_failed_attempt_is_tried_again_until_the_budget_is_spent(run: Run) -> None:
    """The second failure of a job with two attempts sends it to the dead letters, with both attempts told."""

    async def scenario(queue: JobQueue) -> None:
        order = job()
        await queue.enqueue(order)
        (lease,) = await queue.lease()
        await queue.nack(lease, "first")
        assert await queue.get_status(order.id) == "scheduled"
        async with asyncio.timeout(60):
            while not (again := await queue.lease()):
                await asyncio.sleep(0.01)
        assert again[0].attempt == 2
        await queue.nack(again[0], "second")
        view = await queue.get_job(order.id)
        assert view is not None
        assert (view.state, view.reason) == ("dead_lettered", "retries_exhausted")
        assert [attempt.error for attempt in view.attempts] == ["first", "second"]
        assert await queue.dlq_size() == 1

    run(scenario)


def test_a_permanent_failure_is_not_tried_again(run: Run) -> None:
    """It goes to the dead letters at once."""

    async def scenario(queue: JobQueue) -> None:
        order = job()
        await queue.enqueue(order)
        (lease,) = await queue.lease()
        await queue.nack(lease, "never", permanent=True)
        view = await queue.get_job(order.id)
        assert view is not None
        assert (view.state, view.reason) == ("dead_lettered", "permanent_error")

    run(scenario)


def test_what_the_receiver_asked_for_is_the_least_wait(run: Run) -> None:
    """A retry is not due before ``retry_after``."""

    async def scenario(queue: JobQueue) -> None:
        order = job()
        await queue.enqueue(order)
        (lease,) = await queue.lease()
        before = datetime.now(UTC)
        await queue.nack(lease, "later", retry_after=timedelta(minutes=5))
        view = await queue.get_job(order.id)
        assert view is not None
        assert view.retry_at is not None
        assert view.retry_at >= int((before + timedelta(minutes=5)).timestamp() * 1000) - 1000

    run(scenario)


def test_a_released_job_comes_out_first_and_its_attempt_is_not_counted(run: Run) -> None:
    """It goes back to the head of its list."""

    async def scenario(queue: JobQueue) -> None:
        first, second = job(), job()
        await queue.enqueue_many([first, second])
        (lease,) = await queue.lease()
        await queue.release(lease)
        (again,) = await queue.lease()
        assert (again.job.id, again.attempt) == (first.id, 1)

    run(scenario)


def test_a_token_is_good_once(run: Run) -> None:
    """A report under a lease that has passed on changes nothing and says so."""

    async def scenario(queue: JobQueue) -> None:
        await queue.enqueue(job())
        (old,) = await queue.lease()
        await queue.release(old)
        (new,) = await queue.lease()
        with pytest.raises(LeaseLost):
            await queue.ack(old)
        with pytest.raises(LeaseLost):
            await queue.nack(old, "late")
        with pytest.raises(LeaseLost):
            await queue.release(old)
        await queue.ack(new)

    run(scenario)


def test_a_job_waits_for_its_time(run: Run) -> None:
    """It is scheduled, and not leased before."""

    async def scenario(queue: JobQueue) -> None:
        order = job()
        due = datetime.now(UTC) + timedelta(hours=1)
        await queue.enqueue(order, scheduled_at=due)
        assert await queue.get_status(order.id) == "scheduled"
        assert await queue.lease() == []
        view = await queue.get_job(order.id)
        assert view is not None
        assert view.job is not None
        assert abs(view.job.scheduled_at - due) < timedelta(milliseconds=1)
        assert view.job.expires_at - view.job.scheduled_at == timedelta(hours=1)

    run(scenario)


def test_urgent_jobs_come_first(run: Run) -> None:
    """A lease takes the most urgent of what waits."""

    async def scenario(queue: JobQueue) -> None:
        for priority in ("low", "default", "high", "critical"):
            await queue.enqueue(job(priority=priority))
        leases = await queue.lease(4)
        assert [lease.job.priority for lease in leases] == ["critical", "high", "default", "low"]

    run(scenario)


@pytest.mark.parametrize("state", ["pending", "scheduled", "running"])
def test_a_cancelled_job_does_not_run(run: Run, state: str) -> None:
    """Cancelling says what the job was; a result that comes later is refused."""

    async def scenario(queue: JobQueue) -> None:
        order = job()
        due = datetime.now(UTC) + timedelta(hours=1) if state == "scheduled" else None
        await queue.enqueue(order, scheduled_at=due)
        leases = await queue.lease() if state == "running" else []
        assert await queue.cancel(order.id) == state
        assert await queue.get_status(order.id) == "cancelled"
        assert await queue.lease() == []
        for lease in leases:
            with pytest.raises(LeaseLost):
                await queue.ack(lease)
        assert await queue.queue_depth() == 0
        assert await queue.cancel(order.id) == "cancelled"

    run(scenario)


def test_an_id_that_nobody_knows_has_no_state(run: Run) -> None:
    """There is nothing to cancel or to show."""

    async def scenario(queue: JobQueue) -> None:
        unknown = uuid.uuid4()
        assert await queue.get_status(unknown) is None
        assert await queue.get_job(unknown) is None
        assert await queue.cancel(unknown) is None

    run(scenario)


def test_a_beat_keeps_the_lease(run: Run) -> None:
    """It succeeds before and after something was leased."""

    async def scenario(queue: JobQueue) -> None:
        assert await queue.beat()
        await queue.enqueue(job())
        (lease,) = await queue.lease()
        assert await queue.beat()
        await queue.ack(lease)

    run(scenario)


@pytest.mark.parametrize("by_a_process", [False, True])
def test_a_job_of_a_newer_version_runs_once_it_can_be_read(
    server: ServerProcess, prefix: str, *, by_a_process: bool
) -> None:
    """Without any worker process, whoever parked it; what waits for a rule is left to those who know the rules."""
    config, redis, tag = config_for(server.url, prefix, {}), server.client(), tag_of(prefix)
    order, other = job(), job()

    async def scenario() -> None:
        old = RedisJobQueue(config)
        await old.enqueue_many([order, other])
        redis.hset(f"{tag}:jobs", order.id.bytes, order.to_json().replace(b'"schema":1', b'"schema":2'))
        (held,) = await old.lease(5)
        assert held.job == other
        view = await old.get_job(order.id)
        assert view is not None
        assert (view.parked or "").startswith("newer worker needed: ")
        if by_a_process:
            redis.hset(f"{tag}:failures", order.id.bytes, b'{"reason":"newer worker needed: schema 2"}')
        park = (other.id.bytes + b"d", held.taken.call, ("park", 2**42), b"", b'{"reason":"rule_gone"}', b"")
        assert await held.holder.lane.nack(held.holder.incarnation, [park]) == [True]
        assert await RedisJobQueue(config).lease(5) == []
        # Its version is known after an upgrade.
        redis.hset(f"{tag}:jobs", order.id.bytes, order.to_json())
        new = RedisJobQueue(config)
        (lease,) = await new.lease(5)
        assert lease.job == order
        await new.ack(lease)
        assert await new.get_status(other.id) == "scheduled"

    asyncio.run(scenario())


def test_a_parked_job_that_nobody_could_run_in_time_is_buried(run: Run) -> None:
    """Without any worker process; nothing is parked for ever."""

    async def scenario(queue: JobQueue) -> None:
        order, waits = job(), job()
        await queue.enqueue_many([order, waits])
        first, second = await queue.lease(2)
        for held, until_ms in (first, 1), (second, 2**42):
            member = held.job.id.bytes + b"d"
            park = (member, held.taken.call, ("park", until_ms), b"", b'{"reason":"rule_gone"}', b"")
            await held.holder.lane.nack(held.holder.incarnation, [park])
        await ParkedJobs(first.holder.lane).tend()
        assert await queue.get_status(order.id) == "dead_lettered"
        assert await queue.get_status(waits.id) == "scheduled"
        view = await queue.get_job(order.id)
        assert view is not None
        assert view.reason == "expired"

    run(scenario)


def test_parked_jobs_are_looked_at_page_by_page(server: ServerProcess, prefix: str) -> None:
    """One that can be read comes back although more than a page of others is before it."""
    config, redis, tag = config_for(server.url, prefix, {}), server.client(), tag_of(prefix)
    order = job()

    async def scenario() -> None:
        queue = RedisJobQueue(config)
        await queue.enqueue(order)
        (held,) = await queue.lease()
        park = (
            order.id.bytes + b"d",
            held.taken.call,
            ("park", 2**42),
            b"",
            b'{"reason":"newer worker needed"}',
            b"",
        )
        await held.holder.lane.nack(held.holder.incarnation, [park])
        others = [job() for _ in range(50)]
        for other in others:
            redis.hset(f"{tag}:jobs", other.id.bytes, other.to_json())
        redis.zadd(f"{tag}:parked", {other.id.bytes + b"d": 2**41 + n for n, other in enumerate(others)})
        parked = ParkedJobs(held.holder.lane)
        for _ in range(2):
            await parked.tend()
            assert await queue.lease() == []
        await parked.tend()
        assert [lease.job for lease in await queue.lease()] == [order]
        assert redis.zcard(f"{tag}:parked") == 50

    asyncio.run(scenario())


def test_jobs_of_a_holder_that_is_gone_are_moved_on(server: ServerProcess, prefix: str) -> None:
    """Without any worker process: another queue object has them, a suspect alone, and in the end they are buried."""
    config = config_for(server.url, prefix, {})
    redis = server.client()
    innocent, poison = job(priority="low"), job()

    async def lose(expected: list[uuid.UUID], *, acked: int = 0) -> None:
        """Lease from a new queue object, ack the last so many, and let the lease run out with the others held."""
        queue = RedisJobQueue(config)
        leases = await queue.lease(5)
        assert [lease.job.id for lease in leases] == expected
        assert acked or await queue.lease() == []
        for lease in leases[len(leases) - acked :]:
            await queue.ack(lease)
        await queue.aclose()
        key = f"{tag_of(prefix)}:leases"
        redis.zinterstore(key, {key: 0})

    async def scenario() -> None:
        queue = RedisJobQueue(config)
        await queue.enqueue_many([poison, innocent])
        await lose([poison.id, innocent.id], acked=1)
        await lose([poison.id])
        # A suspect by now: it waits until nothing else is pending or held.
        other = job()
        await queue.enqueue(other)
        (held,) = await queue.lease(5)
        assert held.job.id == other.id
        assert await queue.lease(5) == []
        await queue.ack(held)
        await lose([poison.id])
        assert await queue.lease(5) == []
        assert await queue.get_status(poison.id) == "dead_lettered"
        assert await queue.get_status(innocent.id) == await queue.get_status(other.id) == "completed"
        view = await queue.get_job(poison.id)
        assert view is not None
        assert view.reason == "crash_limit"
        await queue.aclose()

    asyncio.run(scenario())
