"""What dispatch asks of the rules that say what a job runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from fraiseql_observers._core import LeasedJob


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
        ...

    def find(self, job: LeasedJob) -> Rule | None:
        """Return what runs this job, or ``None`` if its observer or its action is gone."""
        ...
