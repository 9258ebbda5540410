"""Doing many things at a bounded rate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

#: What is done at once is what the rate allows in this time, in seconds: short enough for an even flow, long enough
#: for a timer to keep.
STEP_SECS: Final = 0.1


class Pace:
    """Lets at most so many things happen a second, spread evenly.

    Time lost to slow calls is not caught up with by more than one step, so that whoever has just recovered is never
    flooded.

    Args:
        rate: Things a second; above 0.
        clock: Tells the time in seconds.
        sleep: Waits so many seconds.

    Raises:
        ValueError: If ``rate`` is not above 0.
    """

    def __init__(
        self,
        rate: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if not rate > 0:
            raise ValueError(f"rate: {rate} a second; it must be above 0")
        self.step: Final = max(1, int(rate * STEP_SECS))
        self._rate = rate
        self._clock = clock
        self._sleep = sleep
        self._next_at = clock()

    async def wait(self) -> None:
        """Wait until the next step may be taken."""
        ahead = self._next_at - self._clock()
        if ahead > 0:
            await self._sleep(ahead)

    def took(self, count: int) -> None:
        """Note that so many things have been done, at most `step`."""
        earliest = self._clock() - self.step / self._rate
        self._next_at = max(self._next_at, earliest) + count / self._rate
