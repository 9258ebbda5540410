"""Gathering events before they are stored, for those who have many and can wait a little."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from fraiseql_observers._core import ProcessSummary
    from fraiseql_observers.executor import AnyEvent

__all__ = ["EventBuffer"]


class EventBuffer:
    """Events on their way: stored when enough wait, or when the first of them has waited long enough.

    ```python
    async with executor.buffered() as buffer:
        for event in events:
            await buffer.add(event)
    ```
    """

    def __init__(
        self,
        store: Callable[[Sequence[AnyEvent]], Awaitable[list[ProcessSummary]]],
        *,
        batch_size: int,
        timeout_secs: float,
    ) -> None:
        """Prepare a buffer; `QueuedObserverExecutor.buffered` makes one.

        Args:
            store: Stores events, and returns their summaries.
            batch_size: Events that are stored together.
            timeout_secs: The longest that an event waits.
        """
        self._store = store
        self._batch_size = batch_size
        self._timeout_secs = timeout_secs
        self._waiting: list[AnyEvent] = []
        self._summaries: list[ProcessSummary] = []
        self._timer: asyncio.TimerHandle | None = None
        self._late: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()

    async def add(self, event: AnyEvent) -> None:
        """Take an event, and store what waits where that is a batch now.

        Raises:
            EventError, QueueError: As `QueuedObserverExecutor.process_events`, for the events that waited; also where
                storing them after the time was up has failed. They go on waiting, so that `flush` may be repeated.
        """
        self._raise_late()
        self._waiting.append(event)
        if len(self._waiting) >= self._batch_size:
            await self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._timeout_secs, self._flush_late)

    async def flush(self) -> None:
        """Store what waits.

        Raises:
            EventError, QueueError: As `add`.
        """
        async with self._lock:
            self._stop_timer()
            events = list(self._waiting)
            if events:
                summaries = await self._store(events)
                del self._waiting[: len(events)]
                self._summaries.extend(summaries)

    def take_summaries(self) -> list[ProcessSummary]:
        """Return the summaries of the events stored since the last call, in the order of the events."""
        summaries, self._summaries = self._summaries, []
        return summaries

    async def __aenter__(self) -> Self:
        """Return the buffer itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Store what waits, also where the block ends by an exception."""
        if self._late is not None:
            await asyncio.wait([self._late])
        await self.flush()

    def _flush_late(self) -> None:
        self._timer = None
        self._late = asyncio.ensure_future(self.flush())

    def _raise_late(self) -> None:
        if self._late is not None and self._late.done():
            late, self._late = self._late, None
            late.result()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
