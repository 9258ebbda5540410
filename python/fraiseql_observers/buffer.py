"""Gathering events before they are stored, for those who have many and can wait a little."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from fraiseql_observers._core import EntityEvent
from fraiseql_observers.errors import QueueError

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
        max_payload_bytes: int,
    ) -> None:
        """Prepare a buffer; `QueuedObserverExecutor.buffered` makes one.

        Args:
            store: Stores events, and returns their summaries; an event that was not stored is no exception.
            batch_size: Events that are stored together.
            timeout_secs: The longest that an event waits.
            max_payload_bytes: The largest event, as JSON.
        """
        self._store = store
        self._batch_size = batch_size
        self._timeout_secs = timeout_secs
        self._max_payload_bytes = max_payload_bytes
        self._waiting: list[EntityEvent] = []
        self._summaries: list[ProcessSummary] = []
        self._timer: asyncio.TimerHandle | None = None
        self._late: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()

    async def add(self, event: AnyEvent) -> None:
        """Take an event, and store what waits where that is a batch now.

        Raises:
            EventError: If the event is malformed, and it is not taken; or if one of those that waited was too large,
                and only it is dropped.
            QueueError: If what waited could not be stored, now or when its time was up. It goes on waiting, the new
                event with it, so that `flush` may be repeated.
        """
        self._waiting.append(self._read(event))
        self._raise_late()
        if len(self._waiting) >= self._batch_size:
            await self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._timeout_secs, self._flush_late)

    async def flush(self) -> None:
        """Store what waits.

        Raises:
            EventError, QueueError: As `add`, for the events that waited.
        """
        async with self._lock:
            self._stop_timer()
            events = list(self._waiting)
            if not events:
                return
            summaries = await self._store(events)
            failures = [failure for summary in summaries if (failure := summary.failure()) is not None]
            for failure in failures:
                if isinstance(failure, QueueError):
                    raise failure
            # What is left can never be stored: the others must not wait for it.
            del self._waiting[: len(events)]
            self._summaries.extend(summaries)
            if failures:
                raise failures[0]

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
        # Where storing late has failed, the events still wait, and the flush says what is wrong now.
        self._take_late()
        await self.flush()

    def _flush_late(self) -> None:
        self._timer = None
        self._late = asyncio.ensure_future(self.flush())

    def _raise_late(self) -> None:
        error = self._take_late()
        if error is not None:
            raise error

    def _take_late(self) -> BaseException | None:
        """Forget a late flush that has ended, and return what it failed with."""
        if self._late is None or not self._late.done():
            return None
        late, self._late = self._late, None
        return late.exception()

    def _read(self, event: AnyEvent) -> EntityEvent:
        """Read an event at once, so that a bad one is refused alone."""
        match event:
            case EntityEvent():
                return event
            case dict():
                return EntityEvent.from_dict(event, self._max_payload_bytes)
            case _:
                return EntityEvent.from_json(event, self._max_payload_bytes)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
