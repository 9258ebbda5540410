"""The enqueue side: an event goes in, and its jobs are stored when the call returns.

```python
async with build_with_queue(load_config("observers.toml")) as executor:
    summary = await executor.process_event(event)
```
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias

from fraiseql_observers._core import EntityEvent, MemoryQueue, ProcessSummary, RedisQueue
from fraiseql_observers.assembly import add_rule, build_pipeline, connect
from fraiseql_observers.buffer import EventBuffer
from fraiseql_observers.errors import QueueError
from fraiseql_observers.matching import EventMatcher

if TYPE_CHECKING:
    from fraiseql_observers.config import Config
    from fraiseql_observers.definition import ObserverDefinition

__all__ = [
    "AnyEvent",
    "BlockingQueuedObserverExecutor",
    "ProcessEvent",
    "ProcessEventQueued",
    "ProcessSummary",
    "QueuedObserverExecutor",
    "build_with_queue",
    "build_with_queue_sync",
]

#: An event, its JSON, or a dict with the keys of its JSON.
AnyEvent: TypeAlias = EntityEvent | bytes | str | dict[str, Any]


class ProcessEvent(Protocol):
    """Whatever reacts to an event."""

    async def process_event(self, event: AnyEvent) -> object:
        """React to an event."""
        ...


class ProcessEventQueued(Protocol):
    """Whatever stores the jobs of an event for workers."""

    async def process_event(self, event: AnyEvent) -> ProcessSummary:
        """Store the jobs of an event."""
        ...

    async def process_events(self, events: Sequence[AnyEvent]) -> list[ProcessSummary]:
        """Store the jobs of several events."""
        ...


class _Rules:
    """The observers of an executor, and the queue that their jobs go to."""

    def __init__(self, config: Config, queue: RedisQueue | MemoryQueue) -> None:
        self.config = config
        self.queue = queue
        self.matcher = EventMatcher.build(config.observers)
        self.pipeline = build_pipeline(config, self.matcher, queue)

    def add(self, name: str, definition: ObserverDefinition) -> None:
        # The jobs first: a rule that matches must already know what jobs it makes.
        add_rule(self.config, self.pipeline, name, definition)
        self.matcher.add(name, definition)

    def remove(self, name: str) -> None:
        self.matcher.remove(name)
        self.pipeline.remove_rule(name)


def _raise_first(summaries: Sequence[ProcessSummary]) -> None:
    """Raise why a job was not stored, with the summary of its event."""
    for summary in summaries:
        failure = summary.failure()
        if isinstance(failure, QueueError):
            failure.summary = summary
        if failure is not None:
            raise failure


class QueuedObserverExecutor:
    """Matches events against observers and stores the matching actions as jobs at once.

    When a call returns, Redis has answered for every job, and has confirmed its durability where a level asks for
    that. Calls that run at the same time share round trips. A call that is cancelled may have stored its jobs:
    repeating it adds nothing.

    Safe to use from several event loops and threads, and after a fork.
    """

    def __init__(
        self, config: Config, queue: RedisQueue | MemoryQueue, *, on_close: Callable[[], None] | None = None
    ) -> None:
        """Prepare an executor; `build_with_queue` makes one from a configuration alone.

        Args:
            config: Observers and limits.
            queue: Where jobs go.
            on_close: Called by `aclose`.
        """
        self._rules = _Rules(config, queue)
        self._on_close = on_close

    @property
    def matcher(self) -> EventMatcher:
        """The observers; add and remove them through the executor."""
        return self._rules.matcher

    @property
    def queue(self) -> RedisQueue | MemoryQueue:
        """Where jobs go."""
        return self._rules.queue

    async def process_event(
        self, event: AnyEvent, *, raise_on_error: bool = True, durability: str | None = None
    ) -> ProcessSummary:
        """Store the jobs of an event.

        Args:
            event: The event.
            raise_on_error: Whether a job that was not stored is an exception; else look at the summary.
            durability: What its jobs shall outlive, ``memory`` to ``replica:n``, instead of ``[storage] durability``.

        Returns:
            What was stored. A condition that cannot be evaluated skips its observer and is told there.

        Raises:
            EventError: If the event is malformed or too large.
            QueueUnavailable: If the queue was not reached in time; nothing is known to be stored. With a
                ``spool_dir`` only if that cannot take the jobs either; else they are in `jobs_spooled`.
            QueueFull: If the queue refuses further jobs.
            DurabilityNotConfirmed: If the jobs may have been stored. Repeating the call is safe in each case.
            ServerUnsuitable: If the server cannot keep jobs as durably as asked; nothing is stored.
            ValueError: If `durability` is no level.
        """
        return (await self.process_events([event], raise_on_error=raise_on_error, durability=durability))[0]

    async def process_events(
        self, events: Sequence[AnyEvent], *, raise_on_error: bool = True, durability: str | None = None
    ) -> list[ProcessSummary]:
        """Store the jobs of several events, with one round trip per ``batch_size`` jobs.

        Returns:
            One summary per event, in their order.

        Raises:
            EventError: If an event is malformed; nothing of any of them is stored then. If one is too large, the others
                are stored.
            QueueError: As `process_event`, with the summary of the first event that it concerns.
        """
        summaries = await self._rules.pipeline.process(events, durability=durability)
        if raise_on_error:
            _raise_first(summaries)
        return summaries

    def buffered(self) -> EventBuffer:
        """Return a buffer that gathers events and stores them together.

        It stores when ``batch_size`` events wait, and after ``batch_timeout_secs`` at the latest. An event is accepted
        when `flush` or the end of the ``async with`` block has returned, not when `add` has.
        """
        config = self._rules.config
        return EventBuffer(
            lambda events: self.process_events(events, raise_on_error=False),
            batch_size=config.job_queue.batch_size,
            timeout_secs=config.job_queue.batch_timeout_secs,
            max_payload_bytes=config.storage.max_payload_bytes,
        )

    def add_observer(self, name: str, definition: ObserverDefinition) -> None:
        """Add an observer, or replace the one of that name."""
        self._rules.add(name, definition)

    def remove_observer(self, name: str) -> None:
        """Take an observer out.

        Raises:
            KeyError: If there is none of this name.
        """
        self._rules.remove(name)

    async def aclose(self) -> None:
        """Let go of what was opened for this executor."""
        if self._on_close is not None:
            await asyncio.to_thread(self._on_close)

    async def __aenter__(self) -> Self:
        """Return the executor itself; it connects when it is first used."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of what was opened."""
        await self.aclose()


class BlockingQueuedObserverExecutor:
    """The twin of `QueuedObserverExecutor` for code without an event loop; other threads run while it waits."""

    def __init__(
        self, config: Config, queue: RedisQueue | MemoryQueue, *, on_close: Callable[[], None] | None = None
    ) -> None:
        """Prepare an executor; `build_with_queue_sync` makes one from a configuration alone."""
        self._rules = _Rules(config, queue)
        self._on_close = on_close

    @property
    def matcher(self) -> EventMatcher:
        """The observers; add and remove them through the executor."""
        return self._rules.matcher

    @property
    def queue(self) -> RedisQueue | MemoryQueue:
        """Where jobs go."""
        return self._rules.queue

    def process_event(
        self, event: AnyEvent, *, raise_on_error: bool = True, durability: str | None = None
    ) -> ProcessSummary:
        """Store the jobs of an event; see `QueuedObserverExecutor.process_event`."""
        return self.process_events([event], raise_on_error=raise_on_error, durability=durability)[0]

    def process_events(
        self, events: Sequence[AnyEvent], *, raise_on_error: bool = True, durability: str | None = None
    ) -> list[ProcessSummary]:
        """Store the jobs of several events; see `QueuedObserverExecutor.process_events`."""
        summaries = self._rules.pipeline.process_blocking(events, durability=durability)
        if raise_on_error:
            _raise_first(summaries)
        return summaries

    def add_observer(self, name: str, definition: ObserverDefinition) -> None:
        """Add an observer, or replace the one of that name."""
        self._rules.add(name, definition)

    def remove_observer(self, name: str) -> None:
        """Take an observer out.

        Raises:
            KeyError: If there is none of this name.
        """
        self._rules.remove(name)

    def close(self) -> None:
        """Let go of what was opened for this executor."""
        if self._on_close is not None:
            self._on_close()

    def __enter__(self) -> Self:
        """Return the executor itself; it connects when it is first used."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of what was opened."""
        self.close()


def build_with_queue(config: Config) -> QueuedObserverExecutor:
    """Return an executor for a configuration; an ``embedded://`` server is started where it does not run.

    Raises:
        ConfigError: If an observer is wrong, or an embedded server cannot be started.
    """
    queue, close = connect(config)
    return QueuedObserverExecutor(config, queue, on_close=close)


def build_with_queue_sync(config: Config) -> BlockingQueuedObserverExecutor:
    """Return the blocking twin of `build_with_queue`."""
    queue, close = connect(config)
    return BlockingQueuedObserverExecutor(config, queue, on_close=close)
