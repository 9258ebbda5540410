"""What dispatch needs: of the core's feed, of what it is fed, and of the rules that say what to run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID


class LeasedJob(Protocol):
    """One run of one job: leased, to be reported on once."""

    @property
    def id(self) -> UUID: ...
    @property
    def observer(self) -> str | None: ...
    @property
    def action_index(self) -> int: ...
    @property
    def action_type(self) -> str: ...
    @property
    def action(self) -> dict[str, Any] | None: ...
    @property
    def attempt(self) -> int: ...
    @property
    def max_attempts(self) -> int: ...
    @property
    def event(self) -> Any: ...


class FeedBatch(Protocol):
    """What has happened since the last `take`."""

    @property
    def jobs(self) -> Sequence[LeasedJob]: ...
    @property
    def cancelled(self) -> Sequence[tuple[LeasedJob, str]]: ...
    @property
    def notices(self) -> Sequence[str]: ...


class Feed(Protocol):
    """The stream of leased jobs of one worker process, and where their outcomes go.

    Each of `succeed`, `fail`, `park` and `release` frees the job's slot. The first report decides the job;
    after the feed's own decision (a timeout, a cancelled job, a lost lease) a report does nothing but free
    the slot.
    """

    @property
    def healthy(self) -> bool: ...
    def start(self, on_wake: Callable[[], None]) -> None: ...
    def take(self) -> FeedBatch: ...
    def begin(self, job: LeasedJob, *, threaded: bool = False) -> bool: ...
    def succeed(self, job: LeasedJob, *, status_code: int | None = None) -> None: ...
    def fail(
        self,
        job: LeasedJob,
        *,
        permanent: bool,
        error: str,
        error_type: str,
        status_code: int | None = None,
        retry_after_ms: int | None = None,
        keep: bool = True,
    ) -> None: ...
    def park(self, job: LeasedJob, reason: str) -> None: ...
    def release(self, job: LeasedJob) -> None: ...
    def stop_leasing(self) -> None: ...
    def rules_changed(self) -> None: ...
    def drained(self) -> asyncio.Future[None]: ...
    def close(self, *, timeout_ms: int) -> asyncio.Future[Any]: ...


class Rule(NamedTuple):
    """What runs a job."""

    #: Runs the action for a job; returns the status of the receiver's answer, where there is one.
    run: Callable[[LeasedJob], Awaitable[int | None]]
    #: Whether a job that has failed for good becomes a dead letter; ``on_failure = "log"`` keeps nothing.
    keeps_failures: bool = True
    #: Whether the action runs in a thread, which may outlive its time.
    threaded: bool = False


class Rules(Protocol):
    """The actions of a configuration, and those that jobs bring along."""

    def find(self, job: LeasedJob) -> Rule | None:
        """Return what runs this job, or ``None`` if its observer or its action is gone."""
