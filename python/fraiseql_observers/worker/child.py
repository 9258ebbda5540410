"""One child process of a worker: obeys its supervisor's pipe, runs jobs, reports on them.

Started as ``python -m fraiseql_observers.worker.child`` by the supervisor only.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from importlib import import_module
from typing import Any, Final

from fraiseql_observers import _core, logs
from fraiseql_observers._core import Feed, LeasedJob
from fraiseql_observers.assembly import build_feed
from fraiseql_observers.config import Config
from fraiseql_observers.durability import durability_in_force
from fraiseql_observers.errors import ConfigError, QueueError, ServerUnsuitable
from fraiseql_observers.worker.assembly import Assembly
from fraiseql_observers.worker.limits import Limits
from fraiseql_observers.worker.link import SupervisorLink
from fraiseql_observers.worker.opening import PATIENCE_SECS, open_patiently
from fraiseql_observers.worker.pipes import ExitCode, Order, Plan, ReportKind
from fraiseql_observers.worker.process import GROUP_SIGNALS
from fraiseql_observers.worker.runner import Ending, Runner
from fraiseql_observers.worker.standard_error import outlive_reader

#: Not `__name__`: this module is the program.
logger = logging.getLogger("fraiseql_observers.worker.child")

#: Seconds between two pulses to the supervisor.
PULSE_SECS: Final = 1.0
#: Seconds that the gauges may take; the supervisor gives up a little later.
GAUGES_SECS: Final = 0.7
#: Seconds between two looks after an embedded server that does not answer.
REVIVE_SECS: Final = 2.0
#: Seconds that the interpreter gets to end by itself, exit handlers and all, when the work is done.
END_SECS: Final = 3.0


class Child:
    """What a child does from its first order to its end.

    Args:
        assembly: What the configuration has been made into.
        link: To the supervisor.
        is_first: Whether the worker starts with this child: it then waits for the queue with a limit.
        runs_suspects: Whether it runs, one by one, jobs that were running when workers died.
    """

    def __init__(
        self, assembly: Assembly, link: SupervisorLink, *, is_first: bool, runs_suspects: bool
    ) -> None:
        self._assembly = assembly
        self._config = assembly.config
        self._rules = assembly.rules
        self._link = link
        self._is_first = is_first
        self._runs_suspects = runs_suspects
        self._may_go = asyncio.Event()
        self._must_end = asyncio.Event()
        self._must_leave = False
        self._feed: Feed | None = None
        self._runner: Runner | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._reviving: asyncio.Task[None] | None = None
        #: Why this process should be replaced.
        self._reason = ""
        self._is_leaving = False

    async def run(self) -> ExitCode:
        """Run until there is an order or a reason to end."""
        self._link.listen(self._obey)
        self._link.report(ReportKind.PLAN, **_plan(self._config)._asdict())
        await self._unless_ended(self._may_go.wait())
        if not self._must_end.is_set():
            try:
                await self._unless_ended(self._open())
            except (ConfigError, ServerUnsuitable) as error:
                logger.error("the server at %s cannot be used: %s", self._config.job_queue.shown_url, error)
                return ExitCode.CONFIGURATION
            except QueueError as error:
                self._link.report(ReportKind.REFUSED)
                logger.error("the queue at %s cannot be used: %s", self._config.job_queue.shown_url, error)
                return ExitCode.UNREACHABLE
        if self._must_end.is_set():
            return ExitCode.PARTIAL if self._must_leave else ExitCode.DONE
        return await self._work()

    @property
    def left_behind(self) -> int:
        """How many jobs have not ended though the child has."""
        return 0 if self._runner is None else self._runner.left_behind

    async def _open(self) -> None:
        patience = PATIENCE_SECS if self._is_first else None
        facts = await open_patiently(
            partial(self._assembly.open_queue, is_first=self._is_first),
            self._config.job_queue.shown_url,
            patience_secs=patience,
        )
        self._link.report(
            ReportKind.QUEUE,
            product=facts.product,
            version=facts.version,
            durability=durability_in_force(self._config.storage.durability, facts),
        )

    async def _work(self) -> ExitCode:
        feed = self._feed = build_feed(
            self._config, self._assembly.queue, version=_core.__version__, suspects=self._runs_suspects
        )
        runner = self._runner = Runner(
            feed,
            self._rules,
            grace_secs=self._config.worker.shutdown_timeout_secs,
            on_suspects=lambda: self._link.report(ReportKind.SUSPECTS),
            on_stuck=self._replace_for,
        )
        limits = Limits(self._config.worker)
        runner.start()
        running = asyncio.ensure_future(runner.run())
        self._link.report(ReportKind.READY)
        while not running.done():
            reason = limits.exceeded(runner.started)
            if reason is not None and runner.end(Ending.REPLACE):
                self._reason = reason
            self._report_leaving(runner)
            if not feed.healthy and self._reviving is None:
                self._reviving = self._in_background(self._revive_server())
            self._link.pulse(counters=_counters(), reachable=feed.healthy)
            await asyncio.wait([running], timeout=PULSE_SECS)
        ending = running.result()
        self._report_leaving(runner)
        await self._rules.aclose()
        self._assembly.close()
        self._link.report(ReportKind.PULSE, counters=_counters(), reachable=feed.healthy)
        match ending:
            case Ending.REPLACE:
                return ExitCode.REPLACE
            case Ending.REFUSED:
                self._link.report(ReportKind.REFUSED)
                return ExitCode.UNREACHABLE
            case Ending.LEFT:
                return ExitCode.PARTIAL
            case Ending.STOPPED | Ending.NO_SUSPECTS:
                return ExitCode.DONE

    def _replace_for(self, job: LeasedJob) -> bool:
        self._reason = f"a job of {job.observer or job.action_type} goes on though it was cancelled"
        return True

    def _report_leaving(self, runner: Runner) -> None:
        """Say once that this process should be replaced, as soon as that is decided."""
        if runner.ending is Ending.REPLACE and not self._is_leaving:
            self._is_leaving = True
            self._link.report(ReportKind.LEAVING, reason=self._reason or runner.why, jobs=runner.started)

    def _obey(self, order: Order, argument: str) -> None:
        match order:
            case Order.GO:
                self._may_go.set()
            case Order.RELOAD:
                self._in_background(self._reload())
            case Order.GAUGES:
                self._in_background(self._report_gauges(int(argument)))
            case Order.STOP:
                self._must_end.set()
                if self._runner is not None:
                    self._runner.end(Ending.STOPPED)
            case Order.LEAVE:
                self._must_leave = True
                self._must_end.set()
                if self._runner is not None:
                    self._runner.leave()

    async def _reload(self) -> None:
        try:
            # In a thread, since handlers are imported.
            rules = await asyncio.to_thread(self._assembly.reload)
        except ConfigError as error:
            self._link.report(ReportKind.RELOADED, error=str(error))
            return
        before, self._rules = self._rules, rules
        self._link.report(ReportKind.RELOADED, observers=rules.observers)
        if self._runner is not None:
            # Jobs that run now still use the connections of the rules before.
            await self._runner.use(rules)
        await before.aclose()

    async def _report_gauges(self, number: int) -> None:
        gauges: dict[str, int] | None = None
        with contextlib.suppress(QueueError, TimeoutError):
            gauges = await asyncio.wait_for(self._assembly.read_gauges(), GAUGES_SECS)
        if self._feed is not None:
            gauges = {**(gauges or {}), "server_unfit": int(self._feed.server_unfit)}
        self._link.report(ReportKind.GAUGES, number=number, gauges=gauges)

    async def _revive_server(self) -> None:
        """Look after an embedded server that does not answer, once in a while."""
        try:
            await self._assembly.revive_server()
        except (ConfigError, QueueError) as error:
            logger.error("the embedded server cannot be started again: %s", error)
        await asyncio.sleep(REVIVE_SECS)
        self._reviving = None

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _unless_ended(self, work: Awaitable[Any]) -> None:
        """Wait for this work, or for the order to end, whichever comes first."""
        end = asyncio.ensure_future(self._must_end.wait())
        task = asyncio.ensure_future(work)
        await asyncio.wait([end, task], return_when=asyncio.FIRST_COMPLETED)
        end.cancel()
        if task.done():
            task.result()
        else:
            task.cancel()


def _plan(config: Config) -> Plan:
    return Plan(
        version=_core.__version__,
        processes=config.worker.processes,
        concurrency=config.job_queue.worker_concurrency,
        queues=[*config.worker.queues],
        observers=len(config.observers),
        job_timeout_secs=config.worker.job_timeout_secs,
        shutdown_timeout_secs=config.worker.shutdown_timeout_secs,
        metrics_enabled=config.metrics.enabled,
        metrics_host=config.metrics.host,
        metrics_port=config.metrics.port,
        log_level=config.log.level,
        log_format=config.log.format,
        duration_bounds=[*_core.DURATION_BUCKETS],
    )


def _counters() -> Any:  # noqa: ANN401 - decoded JSON
    return json.loads(_core.counters_snapshot())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a child and return its exit code; the process may also end here, when something in it does not."""
    options = _parser().parse_args(arguments)
    _ignore_group_signals()
    outlive_reader()
    try:
        assembly = Assembly(options.config)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return ExitCode.CONFIGURATION
    logs.setup(assembly.config.log.level, assembly.config.log.format)
    if options.first:
        for warning in assembly.config.warnings:
            logger.warning("%s", warning)
    with asyncio.Runner(loop_factory=_loop_factory()) as loop_runner:
        code, left_behind = loop_runner.run(_run(assembly, options))
        if left_behind:
            # A task that ignores cancellation, or a thread that goes on, would keep loop and interpreter.
            _end_now(code)
        watch = threading.Timer(END_SECS, _end_now, [code])
        watch.daemon = True
        watch.start()
    return code


async def _run(assembly: Assembly, options: argparse.Namespace) -> tuple[ExitCode, int]:
    link = SupervisorLink(options.control_fd, options.status_fd)
    child = Child(assembly, link, is_first=options.first, runs_suspects=options.suspects)
    return await child.run(), child.left_behind


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fraiseql_observers.worker.child", add_help=False)
    parser.add_argument("--config", required=True)
    parser.add_argument("--control-fd", type=int, required=True)
    parser.add_argument("--status-fd", type=int, required=True)
    parser.add_argument("--first", action="store_true")
    parser.add_argument("--suspects", action="store_true")
    return parser


def _ignore_group_signals() -> None:
    """Leave the signals that a whole group gets to the supervisor.

    They get handlers that do nothing, since `SIG_IGN` would be inherited by programs that a handler starts.
    The supervisor has blocked them until here.
    """
    for number in GROUP_SIGNALS:
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, GROUP_SIGNALS)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.new_event_loop
    # By name, so that type checkers need no uvloop either.
    new_event_loop: Callable[[], asyncio.AbstractEventLoop] = import_module("uvloop").new_event_loop
    return new_event_loop


def _end_now(code: int) -> None:
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
