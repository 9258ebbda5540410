"""How one worker process ends: finish, cancel, release, leave, each with a bound on its time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable
from typing import Any, Final

from fraiseql_observers._core import Feed
from fraiseql_observers.worker.dispatch import Dispatcher

logger = logging.getLogger(__name__)

#: Seconds that cancelled handlers get to clean up, so that each gives its own job back.
UNWIND_SECS: Final = 1.0
#: The same after a second signal.
HURRIED_UNWIND_SECS: Final = 0.1
#: Milliseconds for the last outcomes and releases to reach the queue. If it is away, leases run out instead.
CLOSE_MS: Final = 1000


async def drain(feed: Feed, dispatcher: Dispatcher, *, grace_secs: float, hurry: asyncio.Event) -> None:
    """Stop leasing, let run what runs, release the rest with its attempt not counted, and leave the queue.

    Args:
        feed: Is closed afterwards.
        dispatcher: Accepts no further job.
        grace_secs: How long running jobs may go on. The whole takes at most two seconds longer.
        hurry: Ends the wait at once when it is set.
    """
    dispatcher.accepts = False
    feed.stop_leasing()
    end = time.monotonic() + grace_secs
    await _first_of(dispatcher.idle(), hurry, grace_secs)
    dispatcher.cancel_all()
    await _first_of(dispatcher.idle(), None, HURRIED_UNWIND_SECS if hurry.is_set() else UNWIND_SECS)
    if not dispatcher.running:
        # A queue that is away for a moment may come back in what is left of the time; then the outcomes are
        # kept.
        await _first_of(feed.drained(), hurry, max(end - time.monotonic(), 0.0))
    released, unwritten = await feed.close(timeout_ms=CLOSE_MS)
    feed.detach()
    if released or unwritten:
        logger.warning("jobs given back: %d; outcomes not written: %d", released, unwritten)


async def _first_of(goal: Awaitable[object], hurry: asyncio.Event | None, secs: float) -> None:
    """Wait for a goal, for the order to hurry, or until the time is up."""
    waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(goal)]
    if hurry is not None:
        waits.append(asyncio.ensure_future(hurry.wait()))
    try:
        await asyncio.wait(waits, timeout=secs, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
