"""What users' own tests are given: a queue whose clock stands still, and assertions on what was stored."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta

import pytest

from fraiseql_observers import Config, EntityEvent, EventMatcher, QueuedObserverExecutor
from fraiseql_observers.testing import (
    ManualClock,
    assert_enqueued,
    assert_matches,
    enqueued_jobs,
    memory_queue,
)
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


def test_what_an_event_matches_can_be_asserted() -> None:
    """By a configuration, definitions or a matcher; a failure explains each observer that is wrong, and no other."""
    event = EntityEvent("INSERT", "Order", uuid.uuid4(), {"total": 1})
    for rules in (CONFIG, CONFIG.observers, EventMatcher.build(CONFIG.observers)):
        assert_matches(rules, event, {"now"})
    with pytest.raises(AssertionError) as failure:
        assert_matches(CONFIG, event, ["now", "later"])
    assert str(failure.value).splitlines() == [
        "later should match:",
        "later does not match: its condition is false",
        "  total > 1",
        "  is false",
        "    false  total > 1  # total is 1",
    ]
    with pytest.raises(AssertionError, match="now should not match:\nnow matches"):
        assert_matches(CONFIG, event, [])
    with pytest.raises(KeyError, match="there is no observer 'latter'"):
        assert_matches(CONFIG, event, ["latter"])
    with pytest.raises(AssertionError, match="later should match"):
        assert_matches(CONFIG, event, (name for name in ["now", "later"]))
    with pytest.raises(TypeError, match="expected names"):
        assert_matches(CONFIG, event, "now")
