"""The queue as an object of its own, for those who enqueue by hand or write a worker of their own.

`build_with_queue` and the worker need none of this. What a lease and a token promise is in the guide on guarantees.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol, TypeAlias
from uuid import UUID, uuid4

import orjson

from fraiseql_observers._core import Job, JobView, Lane, Lease, MemoryQueue, RedisQueue, Turn
from fraiseql_observers.assembly import connect, queue_options
from fraiseql_observers.errors import CorruptJob, LeaseLost, QueueError
from fraiseql_observers.job_limits import check_jobs, check_report, due_at
from fraiseql_observers.parked import NEWER, ParkedJobs

if TYPE_CHECKING:
    from fraiseql_observers.config import Config

__all__ = ["Job", "JobLease", "JobQueue", "JobView", "MemoryJobQueue", "RedisJobQueue", "build_job_queue"]

#: What a job looked like before it was cancelled, or the state that kept it from being cancelled.
JobState: TypeAlias = str


@dataclass(frozen=True, slots=True)
class JobLease:
    """A job that this queue object holds, until it is acked, nacked or released, or the lease runs out.

    Attributes:
        job: The job.
        attempt: Number of this attempt; the first is 1.
        taken: The lease as the core knows it.
        holder: The identity that holds it.
        started_at: When it was taken, in seconds since 1970.
    """

    job: Job
    attempt: int
    taken: Lease = field(repr=False, compare=False)
    holder: Holder = field(repr=False, compare=False)
    started_at: float = field(repr=False, compare=False)


class JobQueue(Protocol):
    """What a queue of jobs does, on a server or in memory."""

    async def enqueue(
        self, job: Job, *, scheduled_at: datetime | None = None, durability: str | None = None
    ) -> bool:
        """Store a job; says whether it is new."""
        ...

    async def enqueue_many(self, jobs: Sequence[Job], *, durability: str | None = None) -> list[bool]:
        """Store jobs with one round trip per ``batch_size``; says for each whether it is new."""
        ...

    async def lease(self, limit: int = 1, *, queue: str = "default") -> list[JobLease]:
        """Take up to `limit` pending jobs, by priority and age; they run under this object's lease."""
        ...

    async def beat(self) -> bool:
        """Renew the lease; false where it was lost, and everything leased with it."""
        ...

    async def ack(self, lease: JobLease, *, status_code: int | None = None) -> None:
        """Complete a job.

        Raises:
            LeaseLost: If another worker owns it now; its result must be dropped.
        """
        ...

    async def nack(
        self,
        lease: JobLease,
        error: str,
        *,
        permanent: bool = False,
        retry_after: timedelta | None = None,
        status_code: int | None = None,
    ) -> None:
        """End an attempt that failed: another one, or the dead letters, by the job's own policy.

        Raises:
            LeaseLost: If another worker owns the job now.
        """
        ...

    async def release(self, lease: JobLease) -> None:
        """Give a job back, its attempt not counted.

        Raises:
            LeaseLost: If another worker owns it now.
        """
        ...

    async def cancel(self, job_id: UUID) -> JobState | None:
        """Cancel a job that has not ended; returns the state that it was in, or ``None`` where it is not known."""
        ...

    async def get_status(self, job_id: UUID) -> JobState | None:
        """Return a job's state, or ``None`` where it is not known."""
        ...

    async def get_job(self, job_id: UUID) -> JobView | None:
        """Return a job with all that is known of it, or ``None``."""
        ...

    async def queue_depth(self) -> int:
        """Count the pending jobs."""
        ...

    async def dlq_size(self) -> int:
        """Count the dead letters."""
        ...


#: How often a shard is rid of what has outlived its time, in seconds; a worker process does that by itself.
_TEND_SECS = 5.0
#: Why a job is a dead letter whose holders were lost too often.
_CRASHED = orjson.dumps({"reason": "crash_limit", "error": "a worker was lost each time it ran"})


class Holder:
    """One incarnation on one shard: it joins when it first leases, and anew when its lease was lost."""

    def __init__(self, lane: Lane) -> None:
        """Take an identity that nobody else has."""
        self.lane = lane
        self.incarnation = uuid4().hex
        self.joined = False
        self.call = 0
        #: What it holds: member and lease call.
        self.held: set[tuple[bytes, int]] = set()
        #: Whether that is a suspect, which runs alone.
        self.suspicious = False
        self._tend_at = 0.0
        self._parked = ParkedJobs(lane)

    async def tend(self) -> None:
        """Rid the shard of what has outlived its time, every now and then; that may take a while."""
        if time.monotonic() >= self._tend_at:
            self._tend_at = time.monotonic() + _TEND_SECS
            await self.lane.rotate()
            await self.lane.trim()
            await self._parked.tend()

    async def lease(self, limit: int, source: str = "pending") -> list[Lease]:
        """Take up to `limit` jobs, under a new lease where the old one was lost; move on what other holders lost."""
        turn = await self._turn(limit, source)
        if turn.standing == "lost" or (turn.standing == "expired" and not await self.beat()):
            self.start_anew()
        lost = [name for name in turn.lost if name != self.incarnation]
        for name in lost:
            await self._reclaim(name)
        if turn.standing != "alive" or (lost and not turn.leases):
            # Under a lease that is good again: nobody else had reclaimed it, or this is a new one.
            turn = await self._turn(limit, source)
        self.held.update((lease.member, lease.call) for lease in turn.leases)
        self.suspicious = self.suspicious or (source == "suspects" and bool(turn.leases))
        return turn.leases

    def let_go(self, lease: Lease) -> None:
        """Forget a job whose end was told, or that is somebody else's by now."""
        self.held.discard((lease.member, lease.call))
        self.suspicious = self.suspicious and bool(self.held)

    async def _reclaim(self, lost: str) -> None:
        """Move on the jobs of a holder whose lease has run out, until none is left or somebody else does."""
        held, refused = 1, False
        while held and not refused:
            _, held, _, refused = await self.lane.reclaim(lost, _CRASHED)

    async def _turn(self, limit: int, source: str) -> Turn:
        if not self.joined:
            about = orjson.dumps({"host": socket.gethostname(), "pid": os.getpid()})
            await self.lane.join(self.incarnation, about.decode())
            self.joined = True
        self.call += 1
        return await self.lane.turn(self.incarnation, self.call, limit, source)

    async def beat(self) -> bool:
        """Renew the lease; false where it was lost."""
        if not self.joined:
            return True
        alive, _ = await self.lane.beat(self.incarnation)
        if not alive:
            self.start_anew()
        return alive

    def start_anew(self) -> None:
        """Give up an identity whose lease was lost."""
        self.incarnation, self.joined, self.call = uuid4().hex, False, 0
        self.held.clear()
        self.suspicious = False


class _CoreJobQueue:
    """What both queues have in common."""

    def __init__(self, core: RedisQueue | MemoryQueue, config: Config) -> None:
        self._core = core
        self._config = config
        self._holders: dict[tuple[str, int], Holder] = {}
        self._worker = f"{socket.gethostname()}:{os.getpid()}"

    @property
    def core(self) -> RedisQueue | MemoryQueue:
        """The core's queue, for what takes one."""
        return self._core

    @property
    def queues(self) -> list[str]:
        """The names of all queues that the configuration knows."""
        named = [observer.queue for observer in self._config.observers.values()]
        return list(dict.fromkeys(["default", *self._config.worker.queues, *named]))

    async def enqueue(
        self, job: Job, *, scheduled_at: datetime | None = None, durability: str | None = None
    ) -> bool:
        """Store a job, to run at once or from `scheduled_at` on; says whether it is new.

        Args:
            job: The job.
            scheduled_at: When it may start; without, at once.
            durability: What it shall outlive, ``memory`` to ``replica:n``, instead of ``[storage] durability``.

        Raises:
            DurabilityNotConfirmed: If it may be stored, but that or its durability was not confirmed in time. To
                enqueue the same job again is safe.
            ServerUnsuitable: If the server cannot keep it as durably as asked; nothing is stored.
            EventError: If it is due at no allowed time, or too large; nothing is sent then.
            QueueError: If nothing was stored for another reason.
        """
        if scheduled_at is not None:
            job = due_at(job, scheduled_at, self._now())
        return (await self.enqueue_many([job], durability=durability))[0]

    async def enqueue_many(self, jobs: Sequence[Job], *, durability: str | None = None) -> list[bool]:
        """Store jobs with one round trip per ``batch_size``; says for each whether it is new."""
        storage = self._config.storage
        check_jobs(jobs, now=self._now(), max_payload_bytes=storage.max_payload_bytes)
        return await self._core.enqueue(
            jobs,
            enqueue_timeout_secs=storage.enqueue_timeout_secs,
            durability=storage.durability if durability is None else durability,
        )

    async def lease(self, limit: int = 1, *, queue: str = "default") -> list[JobLease]:
        """Take up to `limit` pending jobs; call `beat` every third of ``lease_duration_secs`` while they run.

        Jobs of holders that are gone, killed or silent, are moved on first. One that ran at the end of two of them
        comes alone, when nothing else is pending or held, and nothing else comes while it is held. What turns out to be
        no job goes to the dead letters, and what a newer version has written is parked until it can be read.
        """
        if limit < 1 or any(holder.suspicious for holder in self._holders.values()):
            return []
        leased = await self._leased(limit, queue, "pending")
        if not leased and not any(holder.held for holder in self._holders.values()):
            leased = await self._leased(1, queue, "suspects")
        return leased

    async def _leased(self, limit: int, queue: str, source: str) -> list[JobLease]:
        holders = [self._holder(queue, shard) for shard in range(self._core.shards)]
        # Before any job is leased, whose time runs from then on.
        for holder in holders:
            await holder.tend()
        leased: list[JobLease] = []
        for holder in holders:
            while len(leased) < limit:
                leases = await holder.lease(limit - len(leased), source)
                if not leases:
                    break
                opened = [await self._opened(holder, lease) for lease in leases]
                leased += [lease for lease in opened if lease is not None]
        return leased

    async def beat(self) -> bool:
        """Renew the lease; false where it was lost, and everything leased with it."""
        return all([await holder.beat() for holder in self._holders.values()])

    async def ack(self, lease: JobLease, *, status_code: int | None = None) -> None:
        """Complete a job."""
        _check_lease(lease)
        check_report(status_code=status_code)
        ack = lease.taken.succeeded(
            started_at_ms=int(lease.started_at * 1000),
            duration_ms=self._took_ms(lease),
            worker=self._worker,
            status_code=status_code,
        )
        outcome = (await lease.holder.lane.ack(lease.holder.incarnation, [ack]))[0]
        lease.holder.let_go(lease.taken)
        if outcome == "lost":
            raise LeaseLost(f"job {lease.job.id} is not held under this lease any more")

    async def nack(
        self,
        lease: JobLease,
        error: str,
        *,
        permanent: bool = False,
        retry_after: timedelta | None = None,
        status_code: int | None = None,
    ) -> None:
        """End an attempt that failed: another one, or the dead letters, by the job's own policy."""
        _check_lease(lease)
        error = check_report(error, status_code=status_code, retry_after=retry_after)
        nack = lease.taken.failed(
            started_at_ms=int(lease.started_at * 1000),
            duration_ms=self._took_ms(lease),
            worker=self._worker,
            error=error,
            permanent=bool(permanent),
            status_code=status_code,
            retry_after_ms=None if retry_after is None else retry_after // timedelta(milliseconds=1),
        )
        done = (await lease.holder.lane.nack(lease.holder.incarnation, [nack]))[0]
        lease.holder.let_go(lease.taken)
        if not done:
            raise LeaseLost(f"job {lease.job.id} is not held under this lease any more")

    async def release(self, lease: JobLease) -> None:
        """Give a job back, its attempt not counted."""
        _check_lease(lease)
        token = (lease.taken.member, lease.taken.call)
        done = (await lease.holder.lane.release(lease.holder.incarnation, [token]))[0]
        lease.holder.let_go(lease.taken)
        if not done:
            raise LeaseLost(f"job {lease.job.id} is not held under this lease any more")

    async def cancel(self, job_id: UUID) -> JobState | None:
        """Cancel a job that has not ended; returns the state that it was in, or ``None`` where it is not known."""
        return await self._core.cancel(job_id, self.queues)

    async def get_status(self, job_id: UUID) -> JobState | None:
        """Return a job's state, or ``None`` where it is not known."""
        return await self._core.state(job_id, self.queues)

    async def get_job(self, job_id: UUID) -> JobView | None:
        """Return a job with all that is known of it, or ``None``."""
        return await self._core.find(job_id, self.queues)

    async def queue_depth(self) -> int:
        """Count the pending jobs."""
        return sum([shard.pending for name in self.queues for shard in await self._core.stats(name)])

    async def dlq_size(self) -> int:
        """Count the dead letters."""
        return await self._core.dead_count(self.queues)

    def _holder(self, queue: str, shard: int) -> Holder:
        key = (queue, shard)
        if key not in self._holders:
            self._holders[key] = Holder(self._core.lane(queue, shard))
        return self._holders[key]

    async def _opened(self, holder: Holder, lease: Lease) -> JobLease | None:
        try:
            job = Job.from_json(lease.bytes)
        except CorruptJob as error:
            verdict, failure = ("dead", 0), {"reason": "corrupt", "error": str(error)}
        except QueueError as error:
            until = time.time() + self._config.storage.max_age_secs
            verdict, failure = ("park", int(until * 1000)), {"reason": f"{NEWER}: {error}"}
        else:
            return JobLease(job, lease.attempt, lease, holder, time.time())
        nack = (lease.member, lease.call, verdict, b"", orjson.dumps(failure), b"")
        await holder.lane.nack(holder.incarnation, [nack])
        holder.let_go(lease)
        return None

    def _now(self) -> datetime:
        """The time that a job's due time is held against."""
        return datetime.now(UTC)

    @staticmethod
    def _took_ms(lease: JobLease) -> int:
        return int(max(time.time() - lease.started_at, 0.0) * 1000)


class RedisJobQueue(_CoreJobQueue):
    """The queue on a Redis or Valkey server."""

    def __init__(self, config: Config) -> None:
        """Prepare a queue; it connects when it is first used. An ``embedded://`` server is started here."""
        core, self._close = connect(config)
        super().__init__(core, config)

    async def aclose(self) -> None:
        """Let go of what was opened for this queue; jobs that it holds come back when its lease has run out."""
        await asyncio.to_thread(self._close)


class MemoryJobQueue(_CoreJobQueue):
    """The queue in this process, gone with it: the same contract without a server, for tests and scripts."""

    def __init__(self, config: Config, *, now: datetime | None = None) -> None:
        """Prepare an empty queue.

        Args:
            config: The bounds that it keeps.
            now: Stops its clock at a time that `set_clock` moves.
        """
        now_ms = None if now is None else _ms(now)
        self._memory = MemoryQueue(queue_options(config), now_ms=now_ms)
        self._stopped_at = now
        super().__init__(self._memory, config)

    def set_clock(self, now: datetime) -> None:
        """Move a clock that was stopped.

        Raises:
            ValueError: If it runs by itself.
        """
        self._memory.set_clock(_ms(now))
        self._stopped_at = now

    def _now(self) -> datetime:
        """The time of its own clock."""
        return super()._now() if self._stopped_at is None else self._stopped_at


def build_job_queue(config: Config) -> RedisJobQueue:
    """Return the queue that a configuration names.

    Raises:
        ConfigError: If an embedded server cannot be started.
    """
    return RedisJobQueue(config)


def _check_lease(lease: JobLease) -> None:
    if not isinstance(lease, JobLease):
        raise QueueError(
            f"a value of type {type(lease).__name__} is no JobLease; allowed: what lease() returned"
        )


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
