"""A place for one child: who has it, how it fares, and when the next one may start. Time is passed in."""

from __future__ import annotations

from typing import Final

from fraiseql_observers.metrics import Counters
from fraiseql_observers.worker.pipes import ExitCode
from fraiseql_observers.worker.process import ChildProcess

#: Seconds until the first restart of a child that died; each further death doubles it.
FIRST_RESTART_SECS: Final = 0.5
#: The longest wait: a program that always fails costs one start of Python in this time, and is soon tried
#: again.
MAX_RESTART_SECS: Final = 30.0
#: A child that has lived this long after it was ready has shown that it works: its deaths are forgotten.
HEALTHY_SECS: Final = 60.0
#: A child that has been silent for longer is not called healthy, though it may only be frozen. It speaks each
#: second.
SILENCE_SECS: Final = 5.0


class Slot:
    """One of the places that the supervisor keeps filled.

    Args:
        name: How log lines call the child in it.
        on_demand: Whether it is empty until somebody asks for a child (`want`).
    """

    def __init__(self, name: str, *, on_demand: bool = False) -> None:
        self.name = name
        self.on_demand = on_demand
        self.child: ChildProcess | None = None
        #: What the child has counted so far; the last report of a dead one stays until it has been added up.
        self.counters: Counters = {}
        self.is_ready = False
        #: Whether the child, or the last one where there is none, has ever leased jobs.
        self.has_worked = False
        self.sees_queue = False
        #: On the monotonic clock; `None` while a child is there or none is wanted.
        self.start_at: float | None = None if on_demand else 0.0
        self.heard_at = 0.0
        self.deaths = 0
        self._ready_at = 0.0
        self._leaving_after_jobs = 0

    def occupy(self, child: ChildProcess, now: float) -> None:
        """Put a child that has just started into the place."""
        self.child = child
        self.start_at = None
        self.is_ready = self.has_worked = self.sees_queue = False
        self.heard_at = now
        self._leaving_after_jobs = 0

    def want(self, now: float) -> None:
        """Ask for a child, if there is none and none is due."""
        if self.child is None and self.start_at is None:
            self.start_at = now

    def is_due(self, now: float) -> bool:
        """Whether a child should be started now."""
        return self.child is None and self.start_at is not None and self.start_at <= now

    def became_ready(self, now: float) -> None:
        """Note that the child leases jobs."""
        self.is_ready = self.has_worked = self.sees_queue = True
        self._ready_at = now

    def is_leaving(self, jobs: int) -> None:
        """Note that the child ends by its own wish, after it has run so many jobs."""
        self._leaving_after_jobs = jobs
        self.is_ready = False

    def is_healthy(self, now: float) -> bool:
        """Whether the child leases jobs, reaches its queue, and has said so lately."""
        return self.is_ready and self.sees_queue and now - self.heard_at <= SILENCE_SECS

    def vacate(self, code: int, now: float) -> float | None:
        """Note that the child has ended, and decide when the next one starts.

        A child that asks for it is replaced at once, if it has run a job: a limit that it exceeds from its
        start on would otherwise keep the machine busy with starts. Any other end is a death.

        Args:
            code: With what it ended; negative for a signal.
            now: The monotonic clock.

        Returns:
            Seconds until the next start, or ``None`` if no other child is needed.
        """
        was_ready, self.child, self.is_ready, self.sees_queue = self.is_ready, None, False, False
        if self.on_demand and code == ExitCode.DONE:
            self.start_at = None
            self.deaths = 0
            return None
        if code == ExitCode.REPLACE and self._leaving_after_jobs > 0:
            wait = 0.0
        elif self.on_demand:
            # Each of its deaths is the end of another poison job, so waiting longer after each would help
            # nobody.
            wait = FIRST_RESTART_SECS
        else:
            if was_ready and now - self._ready_at >= HEALTHY_SECS:
                self.deaths = 0
            self.deaths += 1
            wait = min(FIRST_RESTART_SECS * 2.0 ** min(self.deaths - 1, 16), MAX_RESTART_SECS)
        self.start_at = now + wait
        return wait
