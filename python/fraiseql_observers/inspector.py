"""What an operator asks of a queue: how it is, where a job is, and to cancel one.

The command line and the dashboard show what this module answers and decide nothing themselves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol
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

    def stats(self) -> Awaitable[QueueStats]:
        """Count what is in the queue."""

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


class Inspector:
    """Looks into one queue.

    Args:
        queue: The queue to look into.
    """

    def __init__(self, queue: InspectedQueue) -> None:
        self._queue = queue

    async def server(self) -> ServerFacts:
        """Connect, check the server and say which it is and what it keeps."""
        return await self._queue.open()

    async def stats(self) -> QueueStats:
        """Count the jobs by state, with the workers and the counters."""
        return await self._queue.stats()

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
