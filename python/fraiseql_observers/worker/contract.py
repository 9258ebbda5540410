"""What dispatch needs: of the core's feed, of what it is fed, and of the rules that say what to run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from uuid import UUID

    from fraiseql_observers._core import EntityEvent


class LeasedJob(Protocol):
    """One run of one job: leased, to be reported on once."""

    @property
    def id(self) -> UUID:
        """The job."""

    @property
    def key(self) -> bytes:
        """The same for every object that stands for this lease, and for no other lease."""

    @property
    def observer(self) -> str | None:
        """The observer, or ``None`` for a job that was enqueued by hand."""

    @property
    def action_index(self) -> int:
        """Which of the observer's actions."""

    @property
    def action_type(self) -> str:
        """Of which type the action is."""

    @property
    def action(self) -> bytes:
        """The action as JSON; its type alone where the observer's configuration holds the rest."""

    @property
    def attempt(self) -> int:
        """Which attempt this is; the first is 1."""

    @property
    def max_attempts(self) -> int:
        """How many there may be."""

    @property
    def event(self) -> EntityEvent:
        """What the action reacts to; read when it is first asked for."""


class Feed(Protocol):
    """The stream of leased jobs of one worker process, and where their outcomes go.

    Each of `succeed`, `fail`, `park` and `release` frees the job's slot. The first report decides the job; after
    the feed's own decision (a timeout, a cancelled job, a lost lease) a report does nothing but free the slot.
    """

    @property
    def healthy(self) -> bool:
        """Whether the queue answered when it was last asked."""

    def start(self, on_wake: Callable[[], None]) -> None:
        """Start leasing, and call this on the running loop whenever there is something to take."""

    def take(self) -> tuple[Sequence[LeasedJob], Sequence[tuple[LeasedJob, str]], Sequence[str]]:
        """Return jobs to run, jobs to stop with the reason of each, and notices."""

    def begin(self, job: LeasedJob, *, threaded: bool = False) -> bool:
        """Say whether the job's side effect may start now."""

    def succeed(self, job: LeasedJob, *, status_code: int | None = None) -> None:
        """Report a success."""

    def fail(  # noqa: PLR0913 - each a column of the attempt
        self,
        job: LeasedJob,
        *,
        permanent: bool,
        error: str,
        status_code: int | None = None,
        retry_after_ms: int | None = None,
        keep: bool = True,
    ) -> None:
        """Report a failed attempt; the job's policy decides what becomes of it."""

    def park(self, job: LeasedJob, reason: str) -> None:
        """Put the job aside until a worker can run it."""

    def release(self, job: LeasedJob) -> None:
        """Give the job back, its attempt not counted."""

    def set_rules(self, rules: set[tuple[str, int]]) -> None:
        """Name the rules that there are, as observer and action index; parked jobs of theirs come back."""

    def stop_leasing(self) -> None:
        """Lease nothing more."""

    def drained(self) -> Awaitable[None]:
        """Wait until no slot is taken and every outcome is written."""

    def close(self, *, timeout_ms: int) -> Awaitable[tuple[int, int]]:
        """Give back what has not ended, write outcomes and leave; returns numbers of released and unwritten."""

    def detach(self) -> None:
        """Take the feed off its loop, after `close`."""


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

    @property
    def names(self) -> set[tuple[str, int]]:
        """Every rule of an observer, as observer and action index."""

    def find(self, job: LeasedJob) -> Rule | None:
        """Return what runs this job, or ``None`` if its observer or its action is gone."""
