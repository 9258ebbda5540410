"""What an operator asks of a queue: how it is, where a job is, and to cancel one.

The command line and the dashboard show what this module answers and decide nothing themselves.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, Self
from uuid import UUID

if TYPE_CHECKING:
    from fraiseql_observers._core import JobView, QueueStats, ServerFacts


class JobState(StrEnum):
    """Where a job is; it is in exactly one of these at any time."""

    PENDING = "pending"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    COMPLETED = "completed"
    DEAD_LETTERED = "dead_lettered"
    CANCELLED = "cancelled"


class InspectedQueue(Protocol):
    """The part of a job queue that the inspector needs; both queues fulfil it."""

    def open(self) -> Awaitable[ServerFacts]:
        """Connect and check the server."""

    def find(self, job_id: UUID, /) -> Awaitable[JobView | None]:
        """Return one job in any state."""

    def cancel(self, job_id: UUID, /) -> Awaitable[str]:
        """Cancel a job and answer the state that it had, or ``missing``."""

    def stats(self) -> Awaitable[Sequence[QueueStats]]:
        """Count what is in each shard of each queue."""

    def list_jobs(
        self, state: str, *, queue: str | None, offset: int, limit: int
    ) -> Awaitable[Sequence[JobView]]:
        """Return the jobs of one state."""


@dataclass(frozen=True, slots=True)
class Cancellation:
    """What became of the wish to cancel a job.

    Attributes:
        job_id: The job.
        found_state: The state it had, or ``None`` where no such job is known.
    """

    job_id: UUID
    found_state: JobState | None

    @property
    def is_cancelled(self) -> bool:
        """Whether the job was still going to run, or ran, and now will not be tried again."""
        return self.found_state in {
            JobState.PENDING,
            JobState.SCHEDULED,
            JobState.RUNNING,
        }

    @property
    def may_have_acted(self) -> bool:
        """Whether the side effect may have happened: the job was running and its worker hears of it late."""
        return self.found_state is JobState.RUNNING

    def __str__(self) -> str:
        match self.found_state:
            case None:
                return "not known"
            case JobState.RUNNING:
                return "cancelled while it ran; its action may have happened"
            case JobState.CANCELLED:
                return "was cancelled before"
            case state if self.is_cancelled:
                return f"cancelled; it was {state}"
            case state:
                return f"not cancelled, since it is {state}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerView:
    """One worker process that holds a lease.

    Attributes:
        host: The machine it runs on.
        pid: Its process id there.
        version: The version of this package that it runs.
        concurrency: Actions that it runs at a time.
        lease_until: When its jobs go to others, unless it gives a sign of life before.
    """

    host: str
    pid: int | None
    version: str
    concurrency: int | None
    lease_until: datetime

    @classmethod
    def read(cls, info: str, lease_until_ms: int) -> Self:
        """Read what a worker has written about itself; what another version has left out is blank."""
        try:
            about = json.loads(info)
        except ValueError:
            about = {}
        return cls(
            host=str(about.get("host", "")),
            pid=about.get("pid"),
            version=str(about.get("version", "")),
            concurrency=about.get("concurrency"),
            lease_until=datetime.fromtimestamp(lease_until_ms / 1000, tz=UTC),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    """How a queue is, all its shards together.

    Attributes:
        product, version: The server.
        durability: What it keeps: ``memory``, ``process`` or ``disk``.
        pending: Jobs ready to run, suspects included.
        scheduled: Jobs that wait for their time.
        running: Jobs that a worker runs.
        parked: Jobs that wait for a worker that knows their rule.
        suspects: Jobs that were running when a worker was lost twice, and run alone next.
        dead: Dead letters.
        counters: What has happened since the queue began.
        workers: The worker processes.
    """

    product: str
    version: str
    durability: str
    pending: int
    scheduled: int
    running: int
    parked: int
    suspects: int
    dead: int
    counters: Mapping[str, int]
    workers: Sequence[WorkerView]

    def to_dict(self) -> dict[str, Any]:
        """Everything by name, as JSON values and instants."""
        return asdict(self)


class Inspector:
    """Looks into one queue.

    Args:
        queue: The queue to look into.
    """

    def __init__(self, queue: InspectedQueue) -> None:
        self._queue = queue

    async def status(self) -> QueueStatus:
        """Count the jobs by state, name the workers and the server."""
        facts = await self._queue.open()
        shards = await self._queue.stats()
        counters: Counter[str] = Counter()
        # A worker holds one lease in each shard.
        workers: dict[str, WorkerView] = {}
        for shard in shards:
            counters.update(shard.counters)
            for incarnation, info, lease_until_ms in shard.workers:
                workers[incarnation] = WorkerView.read(info, lease_until_ms)
        return QueueStatus(
            product=facts.product,
            version=facts.version,
            durability=facts.durability,
            pending=sum(shard.pending for shard in shards),
            scheduled=sum(shard.scheduled for shard in shards),
            running=sum(shard.running for shard in shards),
            parked=sum(shard.parked for shard in shards),
            suspects=sum(shard.suspects for shard in shards),
            dead=sum(shard.dead for shard in shards),
            counters=dict(sorted(counters.items())),
            workers=sorted(workers.values(), key=lambda worker: (worker.host, worker.pid or 0)),
        )

    async def job(self, job_id: UUID) -> JobView | None:
        """Return a job in whatever state it is, or ``None`` where the queue does not know it (any more)."""
        return await self._queue.find(job_id)

    async def jobs(
        self,
        state: JobState,
        *,
        queue: str | None = None,
        offset: int = 0,
        limit: int = 50,
    ) -> list[JobView]:
        """Return jobs of one state, next to run first where that means something."""
        return list(await self._queue.list_jobs(state, queue=queue, offset=offset, limit=limit))

    async def cancel(self, job_ids: Sequence[UUID]) -> list[Cancellation]:
        """Keep jobs from running (again), and say for each what became of it.

        One that runs at this moment may finish its side effect; its answer says so.
        """
        answers = []
        for job_id in job_ids:
            found = await self._queue.cancel(job_id)
            answers.append(Cancellation(job_id, None if found == "missing" else JobState(found)))
        return answers
