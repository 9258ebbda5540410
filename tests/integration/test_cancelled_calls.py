"""What becomes of answers that arrive when their caller has gone: nothing that they took is kept."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid

from fraiseql_observers._core import Lane, QueueOptions, RedisQueue
from tests.support.server import ServerProcess

#: How long a test waits for what must come.
DEADLINE_SECS = 10.0


def queue_on(server: ServerProcess) -> RedisQueue:
    """Return a queue on a server."""
    options = QueueOptions(
        key_prefix="cancelled",
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
    return RedisQueue(server.url, options)


async def released(lane: Lane, count: int) -> None:
    """Wait until so many jobs have been given back."""
    while (await lane.stats()).counters.get("released", 0) < count:
        await asyncio.sleep(0.01)


def test_a_cancelled_turn_gives_back_what_it_leased(fresh_server: ServerProcess) -> None:
    """Nobody would run those jobs before the lease had run out."""

    async def scenario() -> None:
        lane = queue_on(fresh_server).lane("default")
        await lane.join("w", "{}")
        await lane.enqueue([(uuid.uuid4().bytes + b"d", ("now", 0), b"{}") for _ in range(3)])
        # The request is on its way and the answer cannot come: now the caller leaves.
        os.kill(fresh_server.pid, signal.SIGSTOP)
        turn = asyncio.ensure_future(lane.turn("w", 1, 10))
        await asyncio.sleep(0)
        assert not turn.done()
        turn.cancel()
        os.kill(fresh_server.pid, signal.SIGCONT)
        await asyncio.wait_for(released(lane, 3), DEADLINE_SECS)
        stats = await lane.stats()
        assert (stats.pending, stats.running) == (3, 0)

    asyncio.run(scenario())
