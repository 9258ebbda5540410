"""Every way in which an event comes in, each of which must refuse the same things and store nothing of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fraiseql_observers._core import MemoryQueue
from fraiseql_observers.assembly import queue_options
from fraiseql_observers.config import Config, StorageConfig
from fraiseql_observers.events import EntityEvent
from fraiseql_observers.executor import BlockingQueuedObserverExecutor, QueuedObserverExecutor
from fraiseql_observers.matching import EventMatcher
from tests.support.configs import log_observer

ENTITY_ID = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
#: The size limit of the executors here, so that events at the limit stay small.
LIMIT = 16_384


def line(**more: Any) -> dict[str, Any]:
    """Return the least event in wire form, with other or more fields."""
    return {"event_type": "UPDATE", "entity_type": "Order", "entity_id": ENTITY_ID, "data": {}, **more}


def without(*names: str) -> dict[str, Any]:
    """Return the least event in wire form, without some of its fields."""
    return {name: value for name, value in line().items() if name not in names}


@dataclass
class Place:
    """Executors whose queue is in memory, so that a test can see that nothing came of an event."""

    config: Config = field(
        default_factory=lambda: Config(
            storage=StorageConfig(max_payload_bytes=LIMIT), observers={"all": log_observer()}
        )
    )
    queue: MemoryQueue = field(init=False)

    def __post_init__(self) -> None:
        self.queue = MemoryQueue(queue_options(self.config))
        self.blocking = BlockingQueuedObserverExecutor(self.config, self.queue)
        self.matcher = EventMatcher.build(self.config.observers)

    def asynchronous(self, event: Any) -> object:
        """Process one event with the executor for event loops."""
        return asyncio.run(QueuedObserverExecutor(self.config, self.queue).process_event(event))

    def beside_others(self, event: Any) -> object:
        """Process one event among good ones, none of which may be stored without it."""
        return self.blocking.process_events([line(), event, line()])

    @property
    def stored(self) -> int:
        """How many jobs there are."""
        (shard,) = self.queue.stats_blocking("default")
        return shard.pending + shard.scheduled + shard.dead


#: Ways in for an event that is a dict.
FROM_DICT: dict[str, Callable[[Place, dict[str, Any]], object]] = {
    "constructor": lambda _, event: EntityEvent(**event, max_payload_bytes=LIMIT),
    "from_dict": lambda _, event: EntityEvent.from_dict(event, LIMIT),
    "matcher": lambda place, event: place.matcher.find_matches(event),
    "blocking executor": lambda place, event: place.blocking.process_event(event),
    "executor": lambda place, event: place.asynchronous(event),
    "executor beside others": lambda place, event: place.beside_others(event),
}
#: Ways in for an event that is a text, given as bytes.
FROM_TEXT: dict[str, Callable[[Place, bytes], object]] = {
    "from_json": lambda _, text: EntityEvent.from_json(text, LIMIT),
    "from_line": lambda _, text: EntityEvent.from_line(text, LIMIT),
    "matcher": lambda place, text: place.matcher.find_matches(text),
    "blocking executor": lambda place, text: place.blocking.process_event(text),
    "executor": lambda place, text: place.asynchronous(text),
    "executor beside others": lambda place, text: place.beside_others(text),
}


def as_text(event: dict[str, Any]) -> bytes:
    """Write an event as JSON, as leniently as Python does."""
    return json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")
