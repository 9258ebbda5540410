"""Running jobs inside a process of one's own, with the runner that each child of a worker has."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fraiseql_observers import _core
from fraiseql_observers._core import LeasedJob, MemoryQueue, RedisQueue
from fraiseql_observers.actions.registry import build_actions
from fraiseql_observers.assembly import build_feed
from fraiseql_observers.config import Config
from fraiseql_observers.errors import ObserversError
from fraiseql_observers.worker.rules import ConfiguredRules
from fraiseql_observers.worker.runner import Ending, Runner

if TYPE_CHECKING:
    from fraiseql_observers.job_queue import MemoryJobQueue, RedisJobQueue


class JobExecutor:
    """Runs the jobs of a queue in this process, for tests and for programs that are their own worker.

    It promises what a worker does, save what needs processes: a handler that blocks the event loop blocks it for
    everybody, one that ends the process ends yours, and a thread that outlives its time keeps its slot until it ends.

    Args:
        queue: Where jobs come from.
        config: What runs them, how many at a time, and for how long.

    Raises:
        ConfigError: With every secret that is missing and every handler that cannot be imported.
    """

    def __init__(
        self, queue: RedisJobQueue | MemoryJobQueue | RedisQueue | MemoryQueue, config: Config
    ) -> None:
        self._queue = queue if isinstance(queue, (RedisQueue, MemoryQueue)) else queue.core
        self._config = config
        self._rules = ConfiguredRules(config, build_actions(config))
        self._slots = config.job_queue.worker_concurrency
        self._is_stopped = False
        self._runner: Runner | None = None
        self._suspects: asyncio.Task[Ending] | None = None
        self._suspects_runner: Runner | None = None

    async def run(self) -> None:
        """Run jobs until `stop` is called, then finish what runs, for up to ``shutdown_timeout_secs``.

        If the task is cancelled, what runs is given back at once.

        Raises:
            QueueError: If the queue cannot be reached at the start, or must not hold jobs.
            ObserversError: If every slot is held by a job that does not end.
        """
        for name in self._config.worker.queues:
            await self._queue.open(name)
        runner = self._runner = self._make_runner(suspects=False)
        runner.start()
        if self._is_stopped:
            runner.end(Ending.STOPPED)
        try:
            ending = await runner.run()
        finally:
            await self._end_suspects()
            await self._rules.aclose()
        if ending is Ending.REPLACE:
            raise ObserversError(
                f"all {self._slots} slots are held by jobs that do not end; start a new process"
            )

    def stop(self) -> None:
        """Have `run` return; to be called on its event loop. A further call gives back what still runs."""
        self._is_stopped = True
        if self._runner is not None and not self._runner.end(Ending.STOPPED):
            self._runner.leave()

    def _make_runner(self, *, suspects: bool) -> Runner:
        return Runner(
            build_feed(self._config, self._queue, version=_core.__version__, suspects=suspects),
            self._rules,
            grace_secs=self._config.worker.shutdown_timeout_secs,
            on_suspects=self._run_suspects,
            on_stuck=self._has_lost_all_slots,
        )

    def _run_suspects(self) -> None:
        """Run jobs that were running when a worker was lost, beside the others, since there is no other process."""
        if self._suspects is None or self._suspects.done():
            self._suspects_runner = self._make_runner(suspects=True)
            self._suspects_runner.start()
            self._suspects = asyncio.ensure_future(self._suspects_runner.run())

    async def _end_suspects(self) -> None:
        if self._suspects is not None and self._suspects_runner is not None:
            self._suspects_runner.leave()
            await self._suspects

    def _has_lost_all_slots(self, _job: LeasedJob) -> bool:
        return self._runner is not None and self._runner.stuck >= self._slots
