"""Opening the queue when a worker starts: how long it waits, and what it says meanwhile."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from fraiseql_observers.errors import QueueError, QueueUnavailable

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds that a worker waits at its start for a queue that cannot be reached, before it ends with 3. Long
#: enough for a server that is started together with it, or loads its data.
PATIENCE_SECS: Final = 30.0
#: Seconds between two attempts: the first, and the most. A refused connection costs next to nothing.
FIRST_WAIT_SECS: Final = 0.25
MAX_WAIT_SECS: Final = 2.0


async def open_patiently(
    attempt: Callable[[], Awaitable[T]], shown_url: str, *, patience_secs: float | None
) -> T:
    """Call `attempt` until it does not raise an error that may pass any more, such as `QueueUnavailable`.

    Args:
        attempt: Opens the queue. It is repeated where its answer was lost, too: opening twice is opening once.
        shown_url: The address for log lines, without password.
        patience_secs: How long to go on; ``None`` is for ever.

    Raises:
        QueueError: What the last attempt said, when the time is up; and what will not pass, at once: a refused login, a
            server that must not hold jobs.
    """
    end = None if patience_secs is None else time.monotonic() + patience_secs
    wait = FIRST_WAIT_SECS
    said = ""
    while True:
        try:
            async with asyncio.timeout(None if end is None else max(end - time.monotonic(), 0.1)):
                return await attempt()
        except TimeoutError:
            error: QueueError = QueueUnavailable("it does not answer")
        except QueueError as failure:
            if not failure.transient:
                raise
            error = failure
        if end is not None and time.monotonic() + wait >= end:
            raise error
        if str(error) != said:
            said = str(error)
            left = "until it can be" if end is None else f"for {end - time.monotonic():.0f} s more"
            logger.warning("the queue at %s cannot be reached: %s; trying %s", shown_url, said, left)
        await asyncio.sleep(wait)
        wait = min(wait * 2, MAX_WAIT_SECS)
