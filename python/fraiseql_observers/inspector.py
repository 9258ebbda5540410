"""What an operator asks of a queue: how it is, where a job is, and to cancel one.

The command line and the dashboard show what this module answers and decide nothing themselves.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self, TypeVar
from uuid import UUID

from fraiseql_observers.erasure import Eraser, Erasure, Spool, Subject

if TYPE_CHECKING:
    from fraiseql_observers._core import JobView, Queue, QueueStats, ServerFacts
    from fraiseql_observers.config import Config

T = TypeVar("T")
D = TypeVar("D")


class JobState(StrEnum):
    """Where a job is; it is in exactly one of these at any time."""

    PENDING = "pending"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    COMPLETED = "completed"
    DEAD_LETTERED = "dead_lettered"
    CANCELLED = "cancelled"


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
class ServerView:
    """A server: its product and version, and what it keeps (``memory``, ``process`` or ``disk``)."""

    product: str
    version: str
    durability: str

    @classmethod
    def of(cls, facts: ServerFacts | None) -> Self:
        """Take it from what a queue says of its server; a queue in memory has none."""
        if facts is None:
            return cls(product="memory", version="", durability="memory")
        return cls(product=facts.product, version=facts.version, durability=facts.durability)


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
        """Read what a worker has written about itself; what is not as this version writes it is blank."""
        try:
            read = json.loads(info)
        except ValueError:
            read = None
        about = read if isinstance(read, dict) else {}
        return cls(
            host=_typed(about.get("host"), str, ""),
            pid=_typed(about.get("pid"), int, None),
            version=_typed(about.get("version"), str, ""),
            concurrency=_typed(about.get("concurrency"), int, None),
            lease_until=datetime.fromtimestamp(lease_until_ms / 1000, tz=UTC),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCounts:
    """How many jobs are where.

    Attributes:
        pending: Jobs ready to run, suspects included.
        scheduled: Jobs that wait for their time.
        running: Jobs that a worker runs.
        parked: Jobs that wait for a worker that knows their rule.
        suspects: Jobs that were running when a worker was lost twice, and run alone next.
        dead: Dead letters.
    """

    pending: int
    scheduled: int
    running: int
    parked: int
    suspects: int
    dead: int

    @classmethod
    def of(cls, shards: Sequence[QueueStats]) -> Self:
        """Add up shards."""
        return cls(**{name: sum(getattr(shard, name) for shard in shards) for name in cls.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    """How the queues of a configuration are.

    Attributes:
        server: The server that holds them.
        total: The jobs of all queues.
        queues: The jobs of each queue.
        counters: What has happened since the queues began.
        workers: The worker processes.
    """

    server: ServerView
    total: JobCounts
    queues: Mapping[str, JobCounts]
    counters: Mapping[str, int]
    workers: Sequence[WorkerView]

    def to_dict(self) -> dict[str, Any]:
        """Everything by name, as JSON values and instants; the counts of all queues at the top."""
        fields = asdict(self)
        return {**fields.pop("total"), **fields}


class Inspector:
    """Looks into a queue.

    Args:
        queue: The queue to look into.
        queue_names: Which queues it has, see `queue_names`.
    """

    def __init__(self, queue: Queue, queue_names: Sequence[str] = ("default",)) -> None:
        self._queue = queue
        self._queue_names = list(queue_names)

    async def status(self) -> QueueStatus:
        """Count the jobs by state, and name the server and the workers."""
        facts = [await self._queue.open(name) for name in self._queue_names]
        shards = {name: await self._queue.stats(name) for name in self._queue_names}
        all_shards = [shard for several in shards.values() for shard in several]
        counters: Counter[str] = Counter()
        # A worker holds one lease in each shard.
        workers: dict[str, WorkerView] = {}
        for shard in all_shards:
            counters.update(shard.counters)
            for incarnation, info, lease_until_ms in shard.workers:
                workers[incarnation] = WorkerView.read(info, lease_until_ms)
        return QueueStatus(
            server=ServerView.of(facts[0]),
            total=JobCounts.of(all_shards),
            queues={name: JobCounts.of(several) for name, several in shards.items()},
            counters=dict(sorted(counters.items())),
            workers=sorted(workers.values(), key=lambda worker: (worker.host, worker.pid or 0)),
        )

    async def job(self, job_id: UUID) -> JobView | None:
        """Return a job in whatever state it is, or ``None`` where the queue does not know it (any more)."""
        return await self._queue.find(job_id, self._queue_names)

    async def jobs(
        self,
        state: JobState,
        *,
        queue: str | None = None,
        offset: int = 0,
        limit: int = 50,
    ) -> list[JobView]:
        """Return jobs of one state, next to run first where that means something."""
        names = self._queue_names if queue is None else [queue]
        return list(await self._queue.list_jobs(state, names, offset=offset, limit=limit))

    async def cancel(self, job_ids: Sequence[UUID]) -> list[Cancellation]:
        """Keep jobs from running (again), and say for each what became of it.

        One that runs at this moment may finish its side effect; its answer says so.
        """
        answers = []
        for job_id in job_ids:
            found = await self._queue.cancel(job_id, self._queue_names)
            answers.append(Cancellation(job_id, None if found is None else JobState(found)))
        return answers

    async def erase(
        self,
        subject: Subject,
        *,
        dry_run: bool = False,
        spools: Sequence[Spool] = (),
        on_progress: Callable[[int], None] | None = None,
    ) -> Erasure:
        """Erase what the queues hold of an entity, a tenant or a user, or only say what there is.

        Jobs in every state are read page by page and judged by their event; those of the subject are ended, and all
        that is kept of them is gone. This is repeated until nothing more is found. What the subject's data was sent to,
        logs, and copies of the server's files are beyond reach.

        Args:
            subject: Whose data.
            dry_run: Change nothing.
            spools: Places outside the queue where jobs of this machine may lie.
            on_progress: Told how many jobs have been found so far.

        Returns:
            What was found, place by place, and what may be left.
        """
        eraser = Eraser(self._queue, self._queue_names, subject, dry_run, on_progress)
        return await eraser.run(spools)


def _typed(value: object, kind: type[T], default: D) -> T | D:
    return value if isinstance(value, kind) else default


def queue_names(config: Config) -> tuple[str, ...]:
    """Return every queue that a configuration works on or sends jobs to, each once."""
    sent_to = (definition.queue for definition in config.observers.values())
    return tuple(dict.fromkeys((*config.worker.queues, *sent_to)))
