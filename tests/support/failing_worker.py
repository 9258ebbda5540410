"""A worker at which every job fails for good, so that tests have dead letters."""

from __future__ import annotations

import asyncio

from fraiseql_observers.assembly import build_feed, connect
from fraiseql_observers.config import load_config
from fraiseql_observers.inspector import queue_names

#: Seconds for the next job to come.
_DEADLINE_SECS = 20.0


def fail_jobs(config_file: str, count: int, error: str = "400 from http://127.0.0.1/") -> None:
    """Lease ``count`` jobs, report each as failed for good with ``error``, and leave."""
    asyncio.run(_fail_jobs(config_file, count, error))


async def _fail_jobs(config_file: str, count: int, error: str) -> None:
    config = load_config(config_file)
    queue, close = connect(config)
    for name in queue_names(config):
        await queue.open(name)
    feed = build_feed(config, queue, version="test")
    woken = asyncio.Event()
    feed.start(woken.set)
    failed = 0
    while failed < count:
        await asyncio.wait_for(woken.wait(), _DEADLINE_SECS)
        woken.clear()
        jobs, _, _ = feed.take()
        for job in jobs:
            assert feed.begin(job)
            feed.fail(job, permanent=True, error=error, status_code=400)
            failed += 1
    feed.stop_leasing()
    await asyncio.wait_for(feed.drained(), _DEADLINE_SECS)
    await feed.close(timeout_ms=5_000)
    feed.detach()
    close()
