"""Lanes for tests: the steps of one shard of a queue, on a server or in memory, under a clock that tests move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from redis import Redis

from fraiseql_observers._core import BlockingLane, MemoryQueue, QueueOptions, RedisQueue

#: Where a manual clock starts, in ms since 1970.
START_MS = 1_700_000_000_000


def options_for(prefix: str, **bounds: int) -> QueueOptions:
    """Return wide bounds; a test names those that it is about."""
    usual = {
        "shards": 1,
        "batch_size": 100,
        "max_pending": 0,
        "dedupe_window_secs": 3600,
        "completed_retention_secs": 3600,
        "completed_retention_max": 1000,
        "dead_letter_max": 1000,
        "max_crashes": 3,
        "lease_duration_secs": 30,
    }
    # The bounds alone are numbers.
    return QueueOptions(key_prefix=prefix, **(usual | bounds), spool_dir=None, spool_for=None)


@dataclass
class TestLane:
    """One lane, and the means to move its clock."""

    __test__ = False

    steps: BlockingLane
    set_clock: Callable[[int], object]
    now_ms: int = START_MS

    def pass_time(self, ms: int) -> None:
        """Move the clock."""
        self.now_ms += ms
        self.set_clock(self.now_ms)


def lane_in_memory(**bounds: int) -> TestLane:
    """Return a lane in memory."""
    queue = MemoryQueue(options_for("memory", **bounds), now_ms=START_MS)
    return TestLane(queue.lane_blocking("default"), queue.set_clock)


def lane_on_server(url: str, server: Redis, prefix: str, **bounds: int) -> TestLane:
    """Return a lane on a server."""
    queue = RedisQueue(url, options_for(prefix, **bounds), manual_clock=True)
    clock = f"{tag_of(prefix)}:clock"
    server.set(clock, START_MS)
    queue.open_blocking()
    return TestLane(queue.lane_blocking("default"), lambda now_ms: server.set(clock, now_ms))


def tag_of(prefix: str) -> str:
    """Return the hash tag of the keys of the default lane."""
    return f"{{{prefix}:default:0}}"


def member(number: int, letter: str = "d") -> bytes:
    """Return a job's id and priority letter."""
    return number.to_bytes(16, "big") + letter.encode()
