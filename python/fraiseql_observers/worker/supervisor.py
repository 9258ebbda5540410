"""The parent of a worker: reads signals, keeps its children alive, shows their metrics.

It imports neither configuration nor core, so that it stays small; its first child reads the file, reports the
plan and opens the queue, and only then the others start.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import time
from collections.abc import Sequence
from enum import Enum
from typing import Final

from fraiseql_observers import logs
from fraiseql_observers.worker.crew import Crew
from fraiseql_observers.worker.endpoint import HttpServer
from fraiseql_observers.worker.health import Health
from fraiseql_observers.worker.pipes import ExitCode, Order, Plan, Report, ReportKind
from fraiseql_observers.worker.slot import Slot

logger = logging.getLogger(__name__)

#: Seconds between two looks at what has no event of its own: silent children, expired connections.
TICK_SECS: Final = 1.0
#: Seconds beyond `shutdown_timeout_secs` that a child gets to release its jobs and to end.
STOP_GRACE_SECS: Final = 10.0
#: Seconds that a child gets to end after the second signal.
LEAVE_GRACE_SECS: Final = 5.0


class Phase(Enum):
    """How far the supervisor is. It only ever moves down this list."""

    STARTING = 1
    RUNNING = 2
    STOPPING = 3
    LEAVING = 4


class Supervisor:
    """Runs the children of one worker until a signal ends it.

    Args:
        child_command: Starts a child; the numbers of its pipes are added.
        processes: How many children; where it is ``None`` the configuration says so.
    """

    def __init__(self, child_command: Sequence[str], *, processes: int | None = None) -> None:
        self._processes = processes
        self._selector = selectors.DefaultSelector()
        self._crew = Crew(self._selector, child_command, on_report=self._hear, on_end=self._child_ended)
        self._phase = Phase.STARTING
        self._plan: Plan | None = None
        self._server: HttpServer | None = None
        self._health: Health | None = None
        self._exit_code = ExitCode.DONE
        self._kill_at: float | None = None
        self._said_about_reload: set[str] = set()

    def run(self) -> ExitCode:
        """Run until the last child has ended; call it from the main thread, once.

        Returns:
            With what the process should end.
        """
        signals_read = _take_signals()
        self._selector.register(signals_read, selectors.EVENT_READ, lambda: self._read_signals(signals_read))
        self._crew.grow(1)
        try:
            self._crew.start(self._crew.slots[0], time.monotonic(), ["--first"])
            while self._crew.living() or self._phase is Phase.RUNNING:
                self._turn()
        finally:
            # Without a fault nobody is left here; after one, nobody may stay.
            self._crew.kill()
            if self._server is not None:
                self._server.close()
            self._selector.close()
        return self._exit_code

    def _turn(self) -> None:
        now = time.monotonic()
        due = [now + TICK_SECS, self._crew.next_start(), self._kill_at]
        if self._health is not None:
            due.append(self._health.tick(now))
        timeout = min(at for at in due if at is not None) - now
        for key, _ in self._selector.select(max(timeout, 0.0)):
            key.data()
        now = time.monotonic()
        self._crew.bury(now)
        self._crew.start_due(now)
        if self._phase is Phase.RUNNING and self._plan is not None:
            self._crew.end_stalled(now, self._plan.job_timeout_secs)
        if self._server is not None:
            self._server.expire(now)
        if self._kill_at is not None and now >= self._kill_at:
            self._kill_at = None
            self._exit_code = max(self._exit_code, ExitCode.PARTIAL)
            names = ", ".join(slot.name for slot, _ in self._crew.living())
            logger.error(
                "%s did not end in time and is killed; its jobs come back when its lease runs out", names
            )
            self._crew.kill()

    def _hear(self, slot: Slot, report: Report) -> None:
        match report["kind"]:
            case ReportKind.PLAN:
                self._take_plan(slot, Plan.from_report(report))
            case ReportKind.QUEUE if self._phase is Phase.STARTING:
                self._start_others(report)
            case ReportKind.REFUSED if self._phase is Phase.RUNNING:
                # It is so for the other children too. A handler may end its process with any code, so that a
                # code alone says nothing.
                self._exit_code = ExitCode.UNREACHABLE
                self._enter(Phase.STOPPING)
            case ReportKind.GAUGES if self._health is not None:
                self._health.hear(report)
            case ReportKind.RELOADED:
                self._hear_of_reload(report)

    def _take_plan(self, slot: Slot, plan: Plan) -> None:
        if self._plan is None:
            self._plan = plan
            logs.setup(plan.log_level, plan.log_format)
            if not self._open_endpoint(plan):
                self._exit_code = ExitCode.CONFIGURATION
                self._enter(Phase.LEAVING)
                return
        if slot.child is not None:
            slot.child.send(Order.GO)

    def _open_endpoint(self, plan: Plan) -> bool:
        if not plan.metrics_enabled:
            return True
        self._health = Health(self._crew, plan.duration_bounds)
        host, port = plan.metrics_host, plan.metrics_port
        try:
            self._server = HttpServer(self._selector, host, port, self._health.handle)
        except OSError as error:
            logger.error(
                "cannot listen on %s port %d for metrics: %s; set [metrics] port to another one, to 0 for any "
                "that is free, or enabled = false",
                host,
                port,
                error.strerror or error,
            )
            return False
        return True

    def _start_others(self, facts: Report) -> None:
        assert self._plan is not None, "the queue is opened after the plan was accepted"
        self._phase = Phase.RUNNING
        self._crew.may_start = True
        processes = self._processes or self._plan.processes
        logger.info("%s", self._what_it_will_do(self._plan, processes, facts))
        self._crew.grow(processes)

    def _what_it_will_do(self, plan: Plan, processes: int, facts: Report) -> str:
        metrics = "off" if self._server is None else f"http://{self._server.address}/metrics"
        return (
            f"fraiseql_observers {plan.version}, pid {os.getpid()}: "
            f"{processes} x {plan.concurrency} jobs at a time "
            f"from {', '.join(plan.queues)} for {plan.observers} {_plural(plan.observers, 'observer')}; "
            f"{facts['product']} {facts['version']}, durability {facts['durability']}; metrics {metrics}"
        )

    def _hear_of_reload(self, report: Report) -> None:
        error = report.get("error")
        text = error or f"observers read again: {report['observers']}"
        if text in self._said_about_reload:  # Another child has said the same.
            return
        self._said_about_reload.add(text)
        if error:
            logger.error("the observers stay as they are, since the file cannot be used:\n%s", text)
        else:
            logger.info("%s", text)

    def _child_ended(self, slot: Slot, code: int) -> None:
        if self._phase is Phase.STARTING:
            # It has said on standard error why it cannot start.
            known = code in (ExitCode.CONFIGURATION, ExitCode.UNREACHABLE)
            self._exit_code = ExitCode(code) if known else ExitCode.PARTIAL
            if not known:
                logger.error("the first child did not get as far as to work: it ended with %d", code)
            self._phase = Phase.LEAVING
        elif (
            self._phase is Phase.STOPPING
            and slot.has_worked
            and code not in (ExitCode.DONE, ExitCode.REPLACE, self._exit_code)
        ):
            logger.error("%s ended with %d before it had finished; its jobs come back", slot.name, code)
            self._exit_code = max(self._exit_code, ExitCode.PARTIAL)

    def _read_signals(self, fd: int) -> None:
        for number in os.read(fd, 4096):
            match number:
                case signal.SIGINT | signal.SIGTERM:
                    self._next_stop(signal.Signals(number).name)
                case signal.SIGHUP:
                    self._said_about_reload.clear()
                    self._crew.order(Order.RELOAD)

    def _next_stop(self, name: str) -> None:
        if self._phase in (Phase.STARTING, Phase.RUNNING):
            logger.info("%s: finishing what runs; another signal releases it at once", name)
            self._enter(Phase.STOPPING)
        elif self._phase is Phase.STOPPING:
            logger.warning("%s again: releasing what runs", name)
            self._exit_code = max(self._exit_code, ExitCode.PARTIAL)
            self._enter(Phase.LEAVING)

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._crew.may_start = False
        if self._health is not None:
            self._health.is_stopping = True
        if phase is Phase.STOPPING:
            grace = 0 if self._plan is None else self._plan.shutdown_timeout_secs
            self._kill_at = time.monotonic() + grace + STOP_GRACE_SECS
            self._crew.order(Order.STOP)
        else:
            self._kill_at = time.monotonic() + LEAVE_GRACE_SECS
            self._crew.order(Order.LEAVE)


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"


def _take_signals() -> int:
    """Have every signal of ours written to a pipe, and return the end from which to read them."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        # Python writes to the pipe only for signals that have a handler of its own.
        signal.signal(number, lambda *_: None)
    return read
