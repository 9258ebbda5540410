"""What users' own tests are given: a queue whose clock stands still, and assertions on what was stored."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta

import pytest

from fraiseql_observers import Config, EntityEvent, QueuedObserverExecutor
from fraiseql_observers.testing import ManualClock, assert_enqueued, enqueued_jobs, memory_queue
from tests.support.configs import log_observer

CONFIG = Config(observers={"now": log_observer(), "later": log_observer("total > 1", delay_secs=60)})


def test_what_was_enqueued_can_be_asserted() -> None:
    """By observer, by event and by number; a failure lists what waits."""

    async def scenario() -> None:
        queue = memory_queue(CONFIG)
        event = EntityEvent("INSERT", "Order", uuid.uuid4(), {"total": 1})
        await QueuedObserverExecutor(CONFIG, queue.core).process_event(event)
        (job,) = await assert_enqueued(queue, observer="now", event_id=event.id)
        assert job.event == event
        with pytest.raises(AssertionError, match=r"0 jobs fit, 1 expected; waiting: now\[0\] of event"):
            await assert_enqueued(queue, observer="later")

    asyncio.run(scenario())


def test_the_clock_of_a_memory_queue_stands_still_until_it_is_moved() -> None:
    """A delayed job is leased when the test says that its time has come, and not before."""

    async def scenario() -> None:
        queue = memory_queue(CONFIG)
        clock = ManualClock(queue)
        event = EntityEvent("INSERT", "Order", uuid.uuid4(), {"total": 2})
        await QueuedObserverExecutor(CONFIG, queue.core).process_event(event)
        assert len(await enqueued_jobs(queue)) == 2
        (lease,) = await queue.lease(2)
        assert lease.job.observer == "now"
        clock.advance(timedelta(seconds=59))
        assert await queue.lease() == []
        clock.advance(timedelta(seconds=1))
        (lease,) = await queue.lease()
        assert lease.job.observer == "later"

    asyncio.run(scenario())
