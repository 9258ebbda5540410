"""`JobExecutor`: the runner of a worker inside a process of one's own, on a server and in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from fraiseql_observers.config import Config, load_config
from fraiseql_observers.errors import ObserversError, QueueUnavailable
from fraiseql_observers.executor import QueuedObserverExecutor
from fraiseql_observers.job_queue import MemoryJobQueue, RedisJobQueue, build_job_queue
from fraiseql_observers.worker import JobExecutor, runner
from tests.support.server import ServerProcess
from tests.support.site import Site

AnyJobQueue = RedisJobQueue | MemoryJobQueue


@pytest.fixture
def site(tmp_path: Path, server: ServerProcess, prefix: str) -> Site:
    """A site with handlers of every temper."""
    more = "[worker]\nshutdown_timeout_secs = 1\njob_timeout_secs = 1\n"
    return Site(
        tmp_path,
        server.url,
        prefix,
        handlers=("quick", "slow", "stubborn", "once_failing"),
        more=more,
        concurrency=2,
    )


@pytest.fixture(params=["redis", "memory"])
def make_queue(request: pytest.FixtureRequest) -> Callable[[Config], AnyJobQueue]:
    """Make a queue of either kind."""
    return build_job_queue if request.param == "redis" else MemoryJobQueue


async def publish(queue: AnyJobQueue, config: Config, entity: str, count: int = 1, **data: object) -> None:
    executor = QueuedObserverExecutor(config, queue.core)
    event = {
        "event_type": "INSERT",
        "entity_type": entity,
        "entity_id": "6b1f3c4e-5a2d-4a59-8f6a-6d6f6c1c2b3a",
    }
    await executor.process_events([{**event, "data": {"n": n, **data}} for n in range(count)])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


def test_jobs_run_until_it_is_stopped(site: Site, make_queue: Callable[[Config], AnyJobQueue]) -> None:
    async def run() -> None:
        config = load_config(site.path)
        queue = make_queue(config)
        executor = JobExecutor(queue, config)
        await publish(queue, config, "Quick", 20)
        running = asyncio.ensure_future(executor.run())
        await publish(queue, config, "Once_Failing", 2)
        await until(lambda: site.count("end") == 22)
        executor.stop()
        await asyncio.wait_for(running, 5)
        assert await queue.queue_depth() == 0

    asyncio.run(run())


def test_a_stop_before_the_start_holds(site: Site, make_queue: Callable[[Config], AnyJobQueue]) -> None:
    async def run() -> None:
        config = load_config(site.path)
        executor = JobExecutor(make_queue(config), config)
        executor.stop()
        await asyncio.wait_for(executor.run(), 5)

    asyncio.run(run())


def test_cancelling_it_gives_back_what_runs(site: Site, make_queue: Callable[[Config], AnyJobQueue]) -> None:
    async def run() -> None:
        config = load_config(site.path)
        queue = make_queue(config)
        await publish(queue, config, "Slow", 1, secs=0.9)
        running = asyncio.ensure_future(JobExecutor(queue, config).run())
        await until(lambda: site.count("start") == 1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(running, 5)
        assert site.count("end") == 0
        assert await queue.queue_depth() == 1

    asyncio.run(run())


def test_it_says_so_when_every_slot_is_lost(
    site: Site, make_queue: Callable[[Config], AnyJobQueue], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "STUCK_SECS", 0.1)

    async def run() -> None:
        config = load_config(site.path)
        queue = make_queue(config)
        await publish(queue, config, "Stubborn", 2, secs=4)
        with pytest.raises(ObserversError, match="all 2 slots are held"):
            await asyncio.wait_for(JobExecutor(queue, config).run(), 10)
        await until(lambda: site.count("end") == 2)

    asyncio.run(run())


def test_a_queue_that_cannot_be_reached_is_told_at_once(tmp_path: Path, fresh_server: ServerProcess) -> None:
    site = Site(tmp_path, fresh_server.url, "t")
    fresh_server.stop()

    async def run() -> None:
        config = load_config(site.path)
        with pytest.raises(QueueUnavailable):
            await JobExecutor(build_job_queue(config), config).run()

    asyncio.run(run())
