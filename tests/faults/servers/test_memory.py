"""The server's memory is full, and its clients are put out or not let in."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest
import redis

from fraiseql_observers.errors import DurabilityNotConfirmed, QueueFull, QueueUnavailable
from tests.faults.rig.catalogue import Entry
from tests.faults.servers.stand import Stand
from tests.support.server import ServerProcess
from tests.support.wait import wait_until

SLOTS = 10
LARGE = "x" * 20_000
#: How much more than it uses a server may take before it is full.
ROOM_BYTES: Final = 400_000
#: The most connections that a worker may try to make in a second while none is to be had.
TRIES_PER_SEC: Final = 20


def used_memory(client: redis.Redis) -> int:
    """Say how much memory the server uses, as it counts against its bound."""
    info = client.info("memory")
    assert isinstance(info, dict)
    return int(info["used_memory"])


def number(client: redis.Redis, section: str, name: str) -> int:
    """Read a number of what the server says of itself."""
    info = client.info(section)
    assert isinstance(info, dict)
    return int(info[name])


@pytest.mark.row(26)
def test_a_full_memory_refuses_new_jobs_and_lets_the_old_ones_out(
    fresh_server: ServerProcess, prefix: str, tmp_path: Path, catalogue: Entry
) -> None:
    """Leases, acks, retries, deaths and releases go on, so that the queue empties itself."""
    stand = Stand(tmp_path, fresh_server, prefix, slots=SLOTS)
    with fresh_server.client() as client:
        doomed = stand.publish(3, "fail", text="always")
        stand.publish(30, secs=0.05)
        client.config_set("maxmemory", used_memory(client) + ROOM_BYTES)
        count = 0
        while (offer := stand.offer(f"large {count}", text=LARGE)).confirmed_at is not None:
            count += 1
            assert count < 1_000, "the memory does not fill"
        assert isinstance(offer.failures[0], QueueFull)
        before = stand.queue.stats()
        client.config_set("maxmemory", used_memory(client) - ROOM_BYTES // 2)
        with stand.worker() as worker:
            stand.wait_for_runs(5)
            # It gives back what it holds, and takes it again.
            assert worker.stop() == 0
            worker.start()
            drained = stand.drain()
            assert worker.stop() == 0
        after = stand.queue.stats()
        assert after.dead == len(doomed)
        assert after.counters["enqueued"] == before.counters["enqueued"]
        # Where the server is given more, the job that was refused is taken.
        client.config_set("maxmemory", 0)
        assert stand.offer(f"large {count}", text=LARGE).confirmed_at is not None
        with stand.worker() as worker:
            stand.drain()
            assert worker.stop() == 0
    stand.judge(catalogue, bound=0, drained_secs=drained, note=f"full after {count} jobs of 20 kB")


@contextmanager
def crowded(server: ServerProcess) -> Generator[redis.Redis]:
    """Let the server allow no more than one connection, which a stranger holds, for as long as the block lasts."""
    with server.client() as client:
        # Nobody comes in between the two.
        client.config_set("maxclients", 1)
        client.client_kill_filter(_type="normal", skipme=True)
        yield client
        client.config_set("maxclients", 1_000)


@pytest.mark.row(28)
def test_a_server_that_lets_nobody_in_is_asked_again_without_haste(
    fresh_server: ServerProcess, prefix: str, tmp_path: Path, catalogue: Entry
) -> None:
    """Whoever has lost its connection tries again, at growing intervals, until there is room."""
    stand = Stand(tmp_path, fresh_server, prefix, slots=SLOTS)
    with stand.worker() as worker:
        stand.publish(40, secs=0.1)
        stand.wait_for_runs(5)
        with crowded(fresh_server) as client:
            wait_until(lambda: "queue_down" in worker.log, what="the worker's word for it")
            wait_until(lambda: len(stand.runs.starts()) == len(stand.ran()), what="the ends of all runs")
            begun, tried = time.monotonic(), number(client, "stats", "rejected_connections")
            offer = stand.offer("meanwhile")
            assert isinstance(offer.failures[0], QueueUnavailable | DurabilityNotConfirmed)
            tried = number(client, "stats", "rejected_connections") - tried
            took = time.monotonic() - begun
            # The worker and the producer of this process.
            assert tried <= 2 * TRIES_PER_SEC * took
        assert stand.offer("meanwhile").confirmed_at is not None
        drained = stand.drain()
        assert worker.stop() == 0
    stand.judge(
        catalogue, bound=SLOTS, drained_secs=drained, note=f"{tried / took:.1f} connections tried a second"
    )


@pytest.mark.row(28)
def test_clients_that_are_put_out_come_back(
    fresh_server: ServerProcess, prefix: str, tmp_path: Path, catalogue: Entry
) -> None:
    """A bound on the memory of all clients puts out those that take the most, in the middle of anything."""
    stand = Stand(tmp_path, fresh_server, prefix, slots=SLOTS)
    with fresh_server.client() as client, stand.worker() as worker:
        client.config_set("maxmemory-clients", "1mb")
        evicted = 0
        with stand.producing(pause_secs=0.002, text=LARGE):

            def enough() -> bool:
                nonlocal evicted
                # A stranger whose answers nobody fetches takes the most.
                with suppress(redis.RedisError), fresh_server.client() as greedy:
                    pipe = greedy.pipeline(transaction=False)
                    for _ in range(200):
                        pipe.hgetall(f"{stand.tag}:jobs")
                    pipe.execute()
                with suppress(redis.RedisError):
                    evicted = number(client, "stats", "evicted_clients")
                client.client_kill_filter(_type="normal", skipme=True)
                return evicted >= 5

            wait_until(enough, what="clients that are put out")
        client.config_set("maxmemory-clients", 0)
        drained = stand.drain()
        assert worker.stop() == 0
    stand.judge(catalogue, bound=SLOTS * evicted, drained_secs=drained, note=f"{evicted} clients put out")
