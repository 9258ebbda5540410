"""How results of the core's threads reach event loops, and what becomes of those that nobody waits for."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import signal
import threading
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fraiseql_observers._core import Lane, MemoryQueue, QueueOptions

#: How long a test waits for what must come.
DEADLINE_SECS = 10.0


def memory_queue() -> MemoryQueue:
    """Return an empty queue."""
    options = QueueOptions(
        key_prefix="bridge",
        shards=1,
        batch_size=100,
        max_pending=0,
        dedupe_window_secs=60,
        completed_retention_secs=60,
        completed_retention_max=10,
        dead_letter_max=10,
        max_crashes=3,
        lease_duration_secs=30,
    )
    return MemoryQueue(options)


def new_job() -> tuple[bytes, tuple[str, int], bytes]:
    """Return a job that is due at once, as a lane takes it."""
    return uuid.uuid4().bytes + b"d", ("now", 0), b"{}"


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run a scenario on a loop of its own, under a deadline."""

    async def in_time() -> None:
        await asyncio.wait_for(scenario(), DEADLINE_SECS)

    asyncio.run(in_time())


async def wake(lane: Lane, times: int) -> None:
    """Let up to four waiting calls return."""
    await lane.enqueue([new_job() for _ in range(times)])


def test_a_call_that_has_to_wait_is_answered_when_its_time_comes() -> None:
    """The loop runs on meanwhile."""

    async def scenario() -> None:
        lane = memory_queue().lane("default")
        waiting = asyncio.ensure_future(lane.wait_for_wake())
        await asyncio.sleep(0)
        assert not waiting.done()
        await wake(lane, 1)
        assert await waiting is True

    run(scenario)


def test_many_calls_at_once_each_get_their_own_answer() -> None:
    """Results that arrive together are told apart."""

    async def scenario() -> None:
        lane = memory_queue().lane("default")
        waiting = [asyncio.ensure_future(lane.wait_for_wake()) for _ in range(200)]
        await asyncio.sleep(0)
        while not all(future.done() for future in waiting):
            await wake(lane, 4)
            await asyncio.sleep(0)
        assert [future.result() for future in waiting] == [True] * 200

    run(scenario)


def test_an_error_of_the_core_is_raised_where_it_is_awaited() -> None:
    """It keeps its class."""

    async def scenario() -> None:
        with pytest.raises(ValueError, match="a member is 16 bytes"):
            await memory_queue().lane("default").cancel(b"short")

    run(scenario)


def test_a_cancelled_call_does_not_disturb_the_others() -> None:
    """What it would have got is dropped, in silence."""

    async def scenario() -> None:
        lane = memory_queue().lane("default")
        given_up = asyncio.ensure_future(lane.wait_for_wake())
        kept = asyncio.ensure_future(lane.wait_for_wake())
        await asyncio.sleep(0)
        given_up.cancel()
        while not kept.done():
            await wake(lane, 2)
            await asyncio.sleep(0)
        assert given_up.cancelled()
        assert kept.result() is True

    run(scenario)


def test_a_call_without_a_loop_says_so() -> None:
    """It would have nobody to answer to."""
    with pytest.raises(RuntimeError, match="no running event loop"):
        memory_queue().lane("default").stats()


def test_a_loop_that_is_closed_with_calls_in_flight_leaves_nothing_behind() -> None:
    """No thread, no descriptor, no crash; and the next loop works."""
    queue = memory_queue()

    async def leave_waiting() -> None:
        lane = queue.lane("default")
        for _ in range(3):
            asyncio.ensure_future(lane.wait_for_wake()).cancel()
            lane.wait_for_wake()
        await asyncio.sleep(0)

    asyncio.run(leave_waiting())
    gc.collect()
    descriptors, threads = _descriptors(), threading.active_count()
    for _ in range(20):
        asyncio.run(leave_waiting())
    gc.collect()
    assert threading.active_count() == threads
    assert _descriptors() <= descriptors + 2

    async def scenario() -> None:
        lane = queue.lane("default")
        await wake(lane, 4)
        assert (await lane.stats()).pending == 4

    run(scenario)


def test_loops_of_two_threads_each_get_their_own_answers() -> None:
    """A port belongs to one loop."""
    queue = memory_queue()
    answers: list[bool] = []

    async def ask() -> None:
        lane = queue.lane("default")
        waiting = asyncio.ensure_future(lane.wait_for_wake())
        await asyncio.sleep(0)
        while not waiting.done():
            await wake(lane, 4)
            await asyncio.sleep(0)
        answers.append(waiting.result())

    threads = [threading.Thread(target=run, args=(ask,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_SECS)
    assert answers == [True] * 4


def test_a_uvloop_is_served_like_any_other() -> None:
    """The doorbell is an ordinary reader."""
    uvloop = pytest.importorskip("uvloop")

    async def scenario() -> bool:
        lane = memory_queue().lane("default")
        waiting = asyncio.ensure_future(lane.wait_for_wake())
        await asyncio.sleep(0)
        await wake(lane, 1)
        return await asyncio.wait_for(waiting, DEADLINE_SECS)

    assert uvloop.run(scenario()) is True


def test_a_forked_child_has_threads_and_ports_of_its_own() -> None:
    """What the parent had is of no use there, and the parent goes on."""

    async def scenario() -> None:
        lane = memory_queue().lane("default")
        waiting = asyncio.ensure_future(lane.wait_for_wake())
        await asyncio.sleep(0)
        await wake(lane, 1)
        assert await waiting is True

    run(scenario)
    child = multiprocessing.get_context("fork").Process(target=run, args=(scenario,))
    child.start()
    child.join(DEADLINE_SECS)
    assert child.exitcode == 0
    run(scenario)


def test_a_blocked_call_lets_other_threads_run_and_obeys_a_signal() -> None:
    """Ctrl-C reaches somebody who waits without a loop."""
    steps = memory_queue().lane_blocking("default")
    ran = threading.Event()

    def interrupt() -> None:
        ran.set()
        os.kill(os.getpid(), signal.SIGINT)

    # A test run in the background of a shell inherits a Ctrl-C that is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        timer = threading.Timer(0.05, interrupt)
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            steps.wait_for_wake()
    finally:
        signal.signal(signal.SIGINT, before)
    assert ran.is_set()
    timer.join()


def _descriptors() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())
