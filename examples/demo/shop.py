"""One run of the demonstration: publish, watch, kill, watch on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from examples.demo.orders import Event
from examples.demo.receiver import Receiver
from examples.demo.screen import Moment, Screen
from examples.demo.worker import DemoWorker
from fraiseql_observers.executor import QueuedObserverExecutor
from fraiseql_observers.inspector import Inspector

BATCH = 50
#: Pause between two batches, so that there is something to watch: about 500 events a second.
PAUSE_SECS = 0.1
#: Pause between two looks.
LOOK_SECS = 0.1
#: The whole takes a third of this on a slow machine with two cores.
DEADLINE_SECS = 90.0


class DemoFailed(Exception):
    """The demonstration did not come to its end; the text says why."""


@dataclass(slots=True)
class Published:
    """What the publisher has been told so far."""

    events: int = 0
    matched: int = 0
    job_ids: set[UUID] = field(default_factory=set)


class Shop:
    """Publishes events of a shop and watches what becomes of them.

    Args:
        executor: Takes the events.
        receiver: Gets the deliveries.
        screen: Shows it all.
        events: What happens in the shop.
        jobs: How many jobs that makes.
    """

    def __init__(
        self,
        executor: QueuedObserverExecutor,
        receiver: Receiver,
        screen: Screen,
        *,
        events: Sequence[Event],
        jobs: int,
    ) -> None:
        self._executor = executor
        self._inspector = Inspector(executor.queue)
        self._receiver = receiver
        self._screen = screen
        self._events = events
        self._jobs = jobs
        self._deadline = time.monotonic() + DEADLINE_SECS
        self.published = Published()

    async def run(self, new_worker: Callable[[], DemoWorker]) -> None:
        """Publish everything, kill the worker half-way, and return when no job is left to run."""
        worker = new_worker()
        publishing = asyncio.create_task(self._publish())
        try:
            await worker.start()
            self._screen.say("worker 1 starts, and orders come in")
            await self._watch(worker, publishing, self._is_half_done)
            await worker.kill()
            self._screen.say("worker 1 is killed in mid-work, with SIGKILL", "bold red")
            worker = new_worker()
            await worker.start()
            self._screen.say(
                "worker 2 starts; what worker 1 was doing comes back when its lease of 5 s has run out"
            )
            await self._watch(worker, publishing, self._is_done)
            self._screen.say("nothing is left to do; worker 2 is told to stop")
            code = await worker.stop()
        finally:
            publishing.cancel()
            await worker.kill()
        if code != 0:
            raise DemoFailed(f"worker 2 ended with exit code {code}:\n{worker.log_end}")

    async def _publish(self) -> None:
        for start in range(0, len(self._events), BATCH):
            batch = self._events[start : start + BATCH]
            summaries = await self._executor.process_events(batch)
            for summary in summaries:
                self.published.events += 1
                self.published.matched += bool(summary.job_ids)
                self.published.job_ids.update(summary.job_ids)
            await asyncio.sleep(PAUSE_SECS)

    async def _watch(
        self,
        worker: DemoWorker,
        publishing: asyncio.Task[None],
        has_come: Callable[[Moment], bool],
    ) -> None:
        """Show how things stand until something has come about."""
        while True:
            if publishing.done():
                publishing.result()
            worker.check()
            moment = await self._look()
            self._screen.show(moment)
            if has_come(moment):
                return
            if time.monotonic() > self._deadline:
                raise DemoFailed(f"it is not over after {DEADLINE_SECS:.0f} s: {moment}\n{worker.log_end}")
            await asyncio.sleep(LOOK_SECS)

    async def _look(self) -> Moment:
        jobs = (await self._inspector.status()).total
        return Moment(
            events=self.published.events,
            jobs=len(self.published.job_ids),
            delivered=len(self._receiver.delivered),
            dead_lettered=jobs.dead,
            pending=jobs.pending,
            running=jobs.running,
            waiting=jobs.scheduled,
        )

    def _is_half_done(self, moment: Moment) -> bool:
        return moment.delivered + moment.dead_lettered >= self._jobs // 2 and moment.running > 0

    def _is_done(self, moment: Moment) -> bool:
        return moment.events == len(self._events) and not (moment.pending or moment.running or moment.waiting)
