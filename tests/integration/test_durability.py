"""Durability levels on real servers: what is refused, what is waited for, and that nothing is confirmed falsely."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from fraiseql_observers import RedisJobQueue
from fraiseql_observers._core import EntityEvent, Job, QueueStats
from fraiseql_observers.config import Config
from fraiseql_observers.errors import DurabilityNotConfirmed, ServerUnsuitable
from fraiseql_observers.executor import build_with_queue, build_with_queue_sync
from tests.support.configs import config_for, log_observer
from tests.support.replica import online_replicas, replica_of
from tests.support.server import ServerProcess
from tests.support.swapping_proxy import SwappingProxy
from tests.support.wait import wait_until


def event(**data: object) -> EntityEvent:
    """Return an event of an order."""
    return EntityEvent("INSERT", "Order", uuid.uuid4(), data)


def config_at(url: str, level: str, *, prefix: str = "t", timeout_secs: int = 5) -> Config:
    """Return a configuration with one observer of everything."""
    storage = {"durability": level, "enqueue_timeout_secs": timeout_secs}
    return config_for(url, prefix, {"a": log_observer()}, storage=storage)


def stats_of(config: Config) -> QueueStats:
    """Return the counts of the default queue."""
    with build_with_queue_sync(config_at(config.job_queue.url, "auto")) as executor:
        return executor.queue.stats_blocking("default")[0]


def calls(server: ServerProcess, command: str) -> int:
    """Return how often a server has run a command."""
    with server.client() as client:
        found = client.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})
    assert isinstance(found, dict)
    return int(found["calls"])


def has_waitaof(server: ServerProcess) -> bool:
    """Whether a server knows WAITAOF."""
    with server.client() as client:
        found: list[object] = client.execute_command("COMMAND INFO", "WAITAOF") or []
    return any(found)


@pytest.fixture
def pair(server_binary: Path) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    """Run a primary that writes its file once a second, and a replica."""
    with ServerProcess(server_binary) as primary, replica_of(primary, server_binary) as replica:
        yield primary, replica


def test_disk_is_waited_for_or_needs_a_server_that_always_flushes(server_binary: Path) -> None:
    """With everysec a server that has WAITAOF is asked whether it has flushed; an older one must always flush."""
    with ServerProcess(server_binary) as server:
        config = config_at(server.url, "disk")
        with build_with_queue_sync(config) as executor:
            if has_waitaof(server):
                assert executor.process_event(event()).jobs_queued == 1
                assert calls(server, "waitaof") == 1
                return
            with pytest.raises(ServerUnsuitable, match=r"appendfsync everysec.*needed: .*appendfsync always"):
                executor.process_event(event())
            with server.client() as client:
                client.config_set("appendfsync", "always")
            assert executor.process_event(event()).jobs_queued == 1
            with server.client() as client:
                client.config_set("appendfsync", "everysec")
            with pytest.raises(DurabilityNotConfirmed, match="does not flush each write any more"):
                executor.process_event(event())


@pytest.mark.parametrize("level", ["process", "disk"])
def test_a_level_that_needs_a_file_is_refused_without_one(server_binary: Path, level: str) -> None:
    """What was found and what is needed is said, and nothing is stored."""
    with ServerProcess(server_binary, appendonly=False) as server:
        config = config_at(server.url, level)
        with build_with_queue_sync(config) as executor:
            with pytest.raises(ServerUnsuitable, match=r"found: .*appendonly no.*needed: appendonly yes"):
                executor.process_event(event())
            # A level that is given with one call counts instead of the configured one.
            assert executor.process_event(event(), durability="memory").jobs_queued == 1
        assert stats_of(config).pending == 1


def test_a_file_that_is_never_flushed_is_no_disk_and_leaves_the_replicas_to_answer(
    pair: tuple[ServerProcess, ServerProcess],
) -> None:
    """A flush would be waited for in vain: `disk` is refused, and `replica:1` asks the replica alone."""
    primary, _ = pair
    with primary.client() as client:
        client.config_set("appendfsync", "no")
    with build_with_queue_sync(config_at(primary.url, "replica:1")) as executor:
        assert executor.process_event(event()).jobs_queued == 1
        with pytest.raises(
            ServerUnsuitable, match=r"found: .*appendfsync no.*needed: appendonly yes with appendfsync"
        ):
            executor.process_event(event(), durability="disk")
    assert (calls(primary, "waitaof"), calls(primary, "wait") > 0) == (0, True)


def test_a_replica_that_answers_confirms(pair: tuple[ServerProcess, ServerProcess]) -> None:
    """When the call returns, the replica has the job; a level above the replicas that there are is refused."""
    primary, replica = pair
    config = config_at(primary.url, "replica:1")
    with build_with_queue_sync(config) as executor:
        (job_id,) = executor.process_event(event()).job_ids
        with replica.client() as client:
            assert client.hexists("{t:default:0}:jobs", job_id.bytes)
        with pytest.raises(ServerUnsuitable, match="connected replicas 1; needed: 2 connected replicas"):
            executor.process_event(event(), durability="replica:2")
    assert stats_of(config).pending == 1


@pytest.mark.row(35)
def test_what_a_replica_does_not_confirm_is_unknown_until_it_does(
    pair: tuple[ServerProcess, ServerProcess],
) -> None:
    """The same ids are not confirmed by asking again, and are one job when the replica has caught up."""
    primary, replica = pair
    config = config_at(primary.url, "replica:1", timeout_secs=2)
    order = event()
    with build_with_queue_sync(config_at(primary.url, "replica:1", timeout_secs=20)) as executor:
        executor.process_event(event())
    with build_with_queue_sync(config) as executor:
        with replica.frozen():
            for _ in range(2):
                begun = time.monotonic()
                with pytest.raises(DurabilityNotConfirmed) as raised:
                    executor.process_event(order)
                assert time.monotonic() - begun < 10
                assert raised.value.job_ids == (uuid.uuid5(order.id, "0:a"),)
                assert raised.value.summary is not None
            # Another process has another connection, and has not written the job there.
            with build_with_queue_sync(config) as other, pytest.raises(DurabilityNotConfirmed):
                other.process_event(order)
        wait_until(lambda: online_replicas(primary) == 1, what="the replica")
    with build_with_queue_sync(config_at(primary.url, "replica:1", timeout_secs=20)) as executor:
        assert executor.process_event(order).duplicates == 1
    assert stats_of(config).pending == 2


def test_enqueues_that_need_no_proof_do_not_wait_behind_those_that_do(
    pair: tuple[ServerProcess, ServerProcess],
) -> None:
    """While a proof is waited for, other jobs are stored, and further writes go out for a proof of their own."""
    primary, replica = pair
    config = config_at(primary.url, "replica:1", timeout_secs=30)

    async def publish() -> None:
        async with build_with_queue(config) as executor:
            await executor.process_event(event())
            with replica.frozen():
                waiting = asyncio.ensure_future(executor.process_event(event()))
                await asyncio.to_thread(wait_until, lambda: stats_of(config).pending == 2, what="the write")
                for _ in range(20):
                    await asyncio.wait_for(executor.process_event(event(), durability="auto"), 5)
                second = asyncio.ensure_future(executor.process_event(event()))
                await asyncio.to_thread(wait_until, lambda: stats_of(config).pending == 23, what="the writes")
                assert not waiting.done()
                assert not second.done()
            assert [(await one).jobs_queued for one in (waiting, second)] == [1, 1]

    asyncio.run(publish())


def test_calls_at_the_same_time_share_their_wait(pair: tuple[ServerProcess, ServerProcess]) -> None:
    """Five hundred concurrent calls are confirmed by a few waits."""
    primary, _ = pair
    config = config_at(primary.url, "replica:1", timeout_secs=20)
    events = [event() for _ in range(500)]

    async def publish() -> None:
        async with build_with_queue(config) as executor:
            summaries = await asyncio.gather(*(executor.process_event(order) for order in events))
        assert [summary.job_ids for summary in summaries] == [[uuid.uuid5(o.id, "0:a")] for o in events]

    asyncio.run(publish())
    assert calls(primary, "wait") < 100
    assert stats_of(config).counters["enqueued"] == 500


@pytest.mark.row(34)
def test_a_proof_from_another_connection_counts_for_nothing(
    pair: tuple[ServerProcess, ServerProcess],
) -> None:
    """The server confirms at once what was not written on the connection; the call is not taken in by that."""
    primary, replica = pair
    with SwappingProxy(primary.port, swaps=1_000_000) as proxy:
        config = config_at(proxy.url, "replica:1", timeout_secs=3)
        with (
            build_with_queue_sync(config) as executor,
            replica.frozen(),
            pytest.raises(DurabilityNotConfirmed),
        ):
            executor.process_event(event())
        assert proxy.swapped > 0
    with SwappingProxy(primary.port, swaps=1) as proxy:
        config = config_at(proxy.url, "replica:1", timeout_secs=20)
        with build_with_queue_sync(config) as executor:
            summary = executor.process_event(event())
        # The first proof was none; the second try finds its own job, and has it confirmed.
        assert summary.jobs_queued + summary.duplicates == 1
        assert proxy.swapped == 1


def test_a_job_by_hand_may_ask_for_a_level(pair: tuple[ServerProcess, ServerProcess]) -> None:
    """The error carries the id of the job that may be stored; a word that is no level is refused at once."""
    primary, replica = pair
    config = config_at(primary.url, "auto", timeout_secs=3)
    by_hand = Job(
        action={"type": "log"},
        event=event(),
        max_attempts=2,
        initial_delay_ms=10,
        max_delay_ms=100,
        max_age_secs=3600,
        jitter="none",
    )

    async def enqueue() -> None:
        queue = RedisJobQueue(config)
        with replica.frozen():
            with pytest.raises(DurabilityNotConfirmed) as raised:
                await queue.enqueue(by_hand, durability="replica:1")
            assert raised.value.job_ids == (by_hand.id,)
        with pytest.raises(ValueError, match="none of auto, memory, process, disk, replica:1"):
            await queue.enqueue(by_hand, durability="paper")
        await queue.aclose()
        await asyncio.to_thread(wait_until, lambda: online_replicas(primary) == 1, what="the replica")
        patient = RedisJobQueue(config_at(primary.url, "auto", timeout_secs=20))
        assert not await patient.enqueue(by_hand, durability="replica:1")
        await patient.aclose()

    asyncio.run(enqueue())
