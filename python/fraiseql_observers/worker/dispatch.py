"""One leased job after the other: look up its action, run it in a task of its own, report what came of it.

This is the hot path of a worker: per job one `begin`, one task, one report. Counting and timing are the
core's.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from fraiseql_observers._core import Feed, LeasedJob
from fraiseql_observers.errors import EventError
from fraiseql_observers.worker.contract import Rule, Rules
from fraiseql_observers.worker.outcome import failure_of

logger = logging.getLogger(__name__)

_TaskFactory = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class Dispatcher:
    """Runs what the feed leases, on the running event loop.

    Args:
        feed: Where jobs come from and outcomes go.
        rules: What runs a job.
        stuck_secs: How long a cancelled task may go on. One that takes longer has swallowed the cancellation, or
            waits for a thread, which nothing can end.
        on_notice: Called with each notice of the feed.
        on_stuck: Called with each job whose task does not end though it was cancelled.
    """

    def __init__(
        self,
        feed: Feed,
        rules: Rules,
        *,
        stuck_secs: float,
        on_notice: Callable[[str], None],
        on_stuck: Callable[[LeasedJob], object],
    ) -> None:
        self._feed = feed
        self._stuck_secs = stuck_secs
        self._on_notice = on_notice
        self._on_stuck = on_stuck
        self._loop = asyncio.get_running_loop()
        self._create_task = _task_factory(self._loop)
        self._running: dict[bytes, tuple[LeasedJob, asyncio.Task[None]]] = {}
        self._stuck: set[bytes] = set()
        self._idle: asyncio.Event = asyncio.Event()
        self._idle.set()
        #: For jobs that start from now on.
        self.rules = rules
        #: Whether further jobs are run; else they are given back.
        self.accepts = True
        #: How many jobs have been started.
        self.started = 0

    def on_wake(self) -> None:
        """Take what the feed has; the feed calls it once per batch."""
        jobs, cancelled, notices = self._feed.take()
        for job in jobs:
            self._start(job)
        for job, reason in cancelled:
            self._cancel(job, reason)
        for notice in notices:
            self._on_notice(notice)

    @property
    def running(self) -> int:
        """How many jobs have not ended, stuck ones included."""
        return len(self._running)

    @property
    def stuck(self) -> int:
        """How many jobs have gone on though they were cancelled."""
        return len(self._stuck)

    async def idle(self) -> None:
        """Return when no job runs, stuck ones aside."""
        while len(self._running) > len(self._stuck):
            self._idle.clear()
            await self._idle.wait()

    def cancel_all(self) -> None:
        """Cancel every job that runs; each is given back when its task ends."""
        for key in self._running.keys() - self._stuck:
            self._cancel(self._running[key][0], "the worker ends")

    async def until_unused(self) -> None:
        """Return when no job runs any more that runs now; jobs that start meanwhile may go on."""
        running = [task for _, task in self._running.values()]
        if running:
            await asyncio.wait(running)

    def _start(self, job: LeasedJob) -> None:
        if not self.accepts:
            self._feed.release(job)
            return
        rule = self.rules.find(job)
        if rule is None:
            self._feed.park(job, "rule_gone")
            return
        self.started += 1
        key = job.key
        task = self._create_task(self._run(key, job, rule))
        if not task.done():
            self._running[key] = job, task

    async def _run(self, key: bytes, job: LeasedJob, rule: Rule) -> None:
        feed = self._feed
        try:
            if not feed.begin(job, threaded=rule.threaded, keep=rule.keeps_failures):
                # The lease is too old for a side effect to start under it.
                feed.release(job)
                return
            feed.succeed(job, status_code=await rule.run(job))
        except GeneratorExit:  # The loop is closed over us: there is nobody left to report to.
            raise
        except BaseException as error:  # noqa: BLE001 - a handler must not end the worker, not with SystemExit either
            # What the core refuses or panics at is a failed attempt too.
            self._report_failure(job, rule, error)
        finally:
            self._forget(key)

    def _report_failure(self, job: LeasedJob, rule: Rule, error: BaseException) -> None:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            # We have cancelled it. Either the feed has decided the job already, and this frees its slot; or
            # the worker stops, and the attempt does not count.
            self._feed.release(job)
            return
        failure = failure_of(error)
        self._feed.fail(job, **failure._asdict(), keep=rule.keeps_failures)
        logger.warning(
            "attempt %d of %d failed%s: %s",
            job.attempt,
            job.max_attempts,
            " for good" if failure.permanent else "",
            failure.error,
            extra=job_fields(job),
            exc_info=error if logger.isEnabledFor(logging.DEBUG) else None,
        )

    def _cancel(self, job: LeasedJob, reason: str) -> None:
        key = job.key
        if key not in self._running:
            # It has just ended by itself. Where its report failed, or it was never started, its slot is freed here,
            # or nothing would ever free it; any other has freed it already.
            self._feed.release(job)
            return
        _, task = self._running[key]
        logger.warning("attempt %d is cancelled: %s", job.attempt, reason, extra=job_fields(job))
        task.cancel(reason)
        task.add_done_callback(lambda _: self._release_unstarted(key, job))
        self._loop.call_later(self._stuck_secs, self._check_ended, key, job)

    def _release_unstarted(self, key: bytes, job: LeasedJob) -> None:
        """Report for a task that was cancelled before its first step, so that nothing of it has run."""
        if key in self._running:
            self._feed.release(job)
            self._forget(key)

    def _check_ended(self, key: bytes, job: LeasedJob) -> None:
        if key not in self._running or key in self._stuck:
            return
        logger.error("goes on though it was cancelled, and keeps its slot", extra=job_fields(job))
        self._stuck.add(key)
        self._idle.set()
        self._on_stuck(job)

    def _forget(self, key: bytes) -> None:
        self._running.pop(key, None)
        self._stuck.discard(key)
        if not self._idle.is_set():
            self._idle.set()


def job_fields(job: LeasedJob) -> dict[str, object]:
    """Return what a log line about a job carries."""
    try:
        event_id = str(job.event.id)
    except EventError:  # The stored event cannot be read, which is what the line will be about.
        event_id = None
    return {
        "job_id": str(job.id),
        "event_id": event_id,
        "observer": job.observer,
        "action_index": job.action_index,
        "action_type": job.action_type,
        "attempt": job.attempt,
    }


def _task_factory(loop: asyncio.AbstractEventLoop) -> _TaskFactory:
    """Make tasks eagerly where CPython can: a handler that never waits then costs no turn of the loop."""
    if sys.version_info >= (3, 12):
        return lambda coroutine: asyncio.Task(coroutine, loop=loop, eager_start=True)
    return loop.create_task
