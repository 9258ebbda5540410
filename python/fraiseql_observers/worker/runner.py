"""One process's share of a worker: it leases, dispatches, and ends in one of four ways."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from enum import Enum
from typing import Final

from fraiseql_observers._core import Feed, LeasedJob
from fraiseql_observers.worker.contract import Rules
from fraiseql_observers.worker.dispatch import Dispatcher
from fraiseql_observers.worker.shutdown import drain

logger = logging.getLogger(__name__)

#: Seconds that a cancelled job gets to end before it counts as stuck.
STUCK_SECS: Final = 5.0
#: Seconds that it takes a drained runner to release jobs and to end its process.
END_SECS: Final = 2.0
#: Seconds until the same warning of the feed is logged again.
REPEAT_SECS: Final = 60.0
#: Seconds without any suspect before their process ends: new ones then do not need a start of Python each.
SUSPECTS_LINGER_SECS: Final = 1.0


class Ending(Enum):
    """Why a runner has ended."""

    #: It was told to stop, and what ran has ended or was given back.
    STOPPED = "stopped"
    #: It was told to leave at once.
    LEFT = "left"
    #: The process should be replaced.
    REPLACE = "replace"
    #: The queue refuses the login or a command, which trying again does not change.
    REFUSED = "refused"
    #: It ran suspects, and none is left.
    NO_SUSPECTS = "no suspects"


class Runner:
    """Runs jobs until it is told to end.

    Args:
        feed: Not yet started.
        rules: What runs a job.
        grace_secs: How long running jobs may go on when the runner ends.
        on_suspects: Called when jobs wait that have to be run alone by another process.
        on_stuck: Called when a job does not end though it was cancelled; says whether the process has to be
            replaced for the slot that it keeps.
    """

    def __init__(
        self,
        feed: Feed,
        rules: Rules,
        *,
        grace_secs: float,
        on_suspects: Callable[[], object],
        on_stuck: Callable[[LeasedJob], bool],
    ) -> None:
        self._feed = feed
        self._grace_secs = grace_secs
        self._on_suspects = on_suspects
        self._on_stuck = on_stuck
        # The core has the next attempt of a job in a thread wait for `shutdown_timeout_secs`: by then this process,
        # and the thread with it, has to be gone. So finding it and finishing the others share that time.
        self._stuck_secs = min(STUCK_SECS, grace_secs / 4)
        self._dispatcher = Dispatcher(
            feed, rules, stuck_secs=self._stuck_secs, on_notice=self._take_notice, on_stuck=self._end_stuck
        )
        self._loop = asyncio.get_running_loop()
        self._ending: asyncio.Future[Ending] = self._loop.create_future()
        self._hurry = asyncio.Event()
        self._warned_at: dict[str, float] = {}
        #: Why the process should be replaced, where the feed itself is the reason.
        self.why = ""

    def start(self) -> None:
        """Start to lease and to run jobs."""
        self._feed.start(self._dispatcher.on_wake)
        self._feed.set_rules(self._dispatcher.rules.names)

    async def run(self) -> Ending:
        """Run jobs until `end` or `leave` is called, then drain; after `start`.

        If the task is cancelled, what runs is released at once.
        """
        try:
            await asyncio.shield(self._ending)
        except asyncio.CancelledError:
            self.leave()
            await self._drain()
            raise
        await self._drain()
        return Ending.LEFT if self._hurry.is_set() else self._ending.result()

    def end(self, ending: Ending) -> bool:
        """Stop leasing and finish what runs. The first call decides how it ends, unless `leave` follows.

        Returns:
            Whether it was the first call.
        """
        if self._ending.done():
            return False
        self._ending.set_result(ending)
        return True

    def leave(self) -> None:
        """Release what runs, at once."""
        self._hurry.set()
        self.end(Ending.LEFT)

    async def use(self, rules: Rules) -> None:
        """Take other rules for the jobs that start from now on; parked jobs may have one again.

        It returns when no job runs any more under the rules before.
        """
        self._dispatcher.rules = rules
        self._feed.set_rules(rules.names)
        await self._dispatcher.until_unused()

    @property
    def ending(self) -> Ending | None:
        """How it ends, once that is decided."""
        return self._ending.result() if self._ending.done() else None

    @property
    def started(self) -> int:
        """How many jobs have been started."""
        return self._dispatcher.started

    @property
    def stuck(self) -> int:
        """How many jobs have gone on though they were cancelled."""
        return self._dispatcher.stuck

    @property
    def left_behind(self) -> int:
        """How many jobs have not ended though the runner has."""
        return self._dispatcher.running

    async def _drain(self) -> None:
        await drain(self._feed, self._dispatcher, grace_secs=self._grace_secs, hurry=self._hurry)

    def _end_stuck(self, job: LeasedJob) -> None:
        if self._on_stuck(job) and self.end(Ending.REPLACE):
            self._grace_secs = max(self._grace_secs - self._stuck_secs - END_SECS, 0.0)

    def _take_notice(self, notice: str) -> None:
        match notice.partition(":")[0]:
            case "suspects_waiting":
                self._on_suspects()
            case "suspects_done":
                self._loop.call_later(SUSPECTS_LINGER_SECS, self._end_without_suspects, self.started)
            case "queue_up" | "queue_fit" | "reclaimed":
                logger.info("%s", notice)
            case "gone_quiet":
                self.why = notice.partition(": ")[2]
                if self.end(Ending.REPLACE):
                    logger.error("the feed of this process has gone quiet: %s", self.why)
            case "queue_refused":
                if self.end(Ending.REFUSED):
                    logger.error("%s", notice)
            case "queue_unfit" | "queue_worse":
                logger.error("%s", notice)
            case _:
                self._warn(notice)

    def _warn(self, notice: str) -> None:
        """Log a notice, the same one once in a while only: some come with each attempt."""
        now = self._loop.time()
        if now - self._warned_at.get(notice, -REPEAT_SECS) >= REPEAT_SECS:
            self._warned_at = {text: at for text, at in self._warned_at.items() if now - at < REPEAT_SECS}
            self._warned_at[notice] = now
            logger.warning("%s", notice)

    def _end_without_suspects(self, started_before: int) -> None:
        # One lane may be empty while another still hands out; and the last one may run longer than the linger.
        if self.started == started_before and not self._dispatcher.running:
            self.end(Ending.NO_SUSPECTS)
