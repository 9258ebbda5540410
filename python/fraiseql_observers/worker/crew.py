"""The children of a supervisor, all of them: started when due, listened to, watched, buried."""

from __future__ import annotations

import logging
import selectors
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from fraiseql_observers.metrics import Counters, add_counters
from fraiseql_observers.worker.pipes import ExitCode, Order, Report, ReportKind, decode_report
from fraiseql_observers.worker.process import ChildProcess
from fraiseql_observers.worker.slot import Slot

logger = logging.getLogger(__name__)

#: Seconds beyond `job_timeout_secs` until a silent child is taken for dead. At the timeout the core has
#: reported the attempt that blocks the child's loop, so nothing but the next jobs waits for it.
STALL_SECS: Final = 10.0
#: If the supervisor itself has not looked for so long (it was stopped, or the machine slept), silence means
#: nothing.
AWAY_SECS: Final = 5.0


class Crew:
    """Keeps the slots filled.

    Args:
        selector: The supervisor's loop, which calls the callback registered as each key's data.
        command: Starts a child; more arguments are added.
        on_report: Called with each report and its slot, after the crew has taken its share of it.
        on_end: Called when a child has ended, with its slot and its exit code.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        command: Sequence[str],
        *,
        on_report: Callable[[Slot, Report], None],
        on_end: Callable[[Slot, int], None],
    ) -> None:
        self._selector = selector
        self._command = [*command]
        self._on_report = on_report
        self._on_end = on_end
        self.slots: list[Slot] = []
        self.suspects = Slot("suspects", on_demand=True)
        #: Of the children that have ended; together with the living ones it never goes back.
        self._past: Counters = {}
        self._looked_at = time.monotonic()
        #: Whether children are started when they are due.
        self.may_start = False

    def __iter__(self) -> Iterator[Slot]:
        """Every slot, that of the suspects last."""
        yield from self.slots
        yield self.suspects

    def grow(self, size: int) -> None:
        """Have this many slots for ordinary children."""
        for number in range(len(self.slots) + 1, size + 1):
            self.slots.append(Slot(f"child {number}"))

    def living(self) -> list[tuple[Slot, ChildProcess]]:
        """Every slot with a child in it."""
        return [(slot, slot.child) for slot in self if slot.child is not None]

    def start_due(self, now: float) -> None:
        """Start a child in every slot that is due, if that is allowed now."""
        for slot in self:
            if self.may_start and slot.is_due(now):
                try:
                    self.start(slot, now, ["--suspects"] if slot is self.suspects else [])
                except OSError as error:  # No process or no pipe is to be had now; later there may be.
                    logger.error("%s: cannot be started: %s", slot.name, error)
                    slot.vacate(ExitCode.PARTIAL, now)

    def start(self, slot: Slot, now: float, arguments: Sequence[str]) -> None:
        """Start a child in a slot.

        Raises:
            OSError: If the system gives no process or no pipe.
        """
        child = ChildProcess([*self._command, *arguments], slot.name)
        slot.occupy(child, now)
        self._selector.register(child.status_fd, selectors.EVENT_READ, lambda: self._listen(slot))
        logger.debug("%s: started with pid %d", slot.name, child.pid)

    def next_start(self) -> float | None:
        """When the next child is due, on the monotonic clock."""
        due = (slot.start_at for slot in self if slot.start_at is not None)
        return min(due, default=None) if self.may_start else None

    def order(self, order: Order) -> None:
        """Give an order to every child."""
        for _, child in self.living():
            child.send(order)

    def kill(self) -> None:
        """End every child with SIGKILL."""
        for _, child in self.living():
            child.kill()

    def counters(self) -> Counters:
        """Add up what all children have counted, the dead ones included."""
        total: Counters = {}
        for counters in (self._past, *(slot.counters for slot in self)):
            add_counters(total, counters)
        return total

    def bury(self, now: float) -> None:
        """Look for children that have ended, and hear their last words."""
        for slot, child in self.living():
            code = child.exit_code()
            if code is None:
                continue
            self._listen(slot)
            if child.status_fd in self._selector.get_map():
                self._selector.unregister(child.status_fd)
            child.close()
            add_counters(self._past, slot.counters)
            slot.counters = {}
            wait = slot.vacate(code, now)
            if self.may_start and wait is not None:
                level = logging.INFO if code == ExitCode.REPLACE else logging.ERROR
                logger.log(level, "%s: %s; the next starts in %.1f s", slot.name, _how_it_ended(code), wait)
            self._on_end(slot, code)

    def end_stalled(self, now: float, job_timeout_secs: float) -> None:
        """Kill children that have said nothing for longer than any job may run."""
        was_away = now - self._looked_at > AWAY_SECS
        self._looked_at = now
        for slot, child in self.living():
            if was_away:
                slot.heard_at = now
            elif slot.is_ready and now - slot.heard_at > job_timeout_secs + STALL_SECS:
                logger.error(
                    "%s: silent for %.0f s; it is killed and replaced", slot.name, now - slot.heard_at
                )
                slot.heard_at = now
                child.kill()

    def _listen(self, slot: Slot) -> None:
        child = slot.child
        if child is None or child.status_fd not in self._selector.get_map():
            return
        try:
            lines, is_open = child.read_lines()
            if not is_open:
                self._selector.unregister(child.status_fd)
            for line in lines:
                report = decode_report(line)
                self._take(slot, report, time.monotonic())
                self._on_report(slot, report)
        except ValueError:
            logger.error(
                "%s: what it writes to its status pipe is no report; it is killed and replaced", slot.name
            )
            child.kill()

    def _take(self, slot: Slot, report: Report, now: float) -> None:
        slot.heard_at = now
        match report["kind"]:
            case ReportKind.READY:
                slot.became_ready(now)
            case ReportKind.PULSE:
                slot.counters = report["counters"]
                slot.sees_queue = report["reachable"]
            case ReportKind.SUSPECTS:
                self.suspects.want(now)
            case ReportKind.LEAVING:
                logger.info("%s: wants to be replaced: %s", slot.name, report["reason"])
                slot.is_leaving(report["jobs"])


def _how_it_ended(code: int) -> str:
    if code == ExitCode.REPLACE:
        return "has ended to be replaced"
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended by itself with code {code}"
