"""How many shards a queue has is written into its keys: another number is refused until the queue is drained."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from fraiseql_observers._core import EntityEvent, RedisQueue
from fraiseql_observers.config import Config
from fraiseql_observers.errors import ServerUnsuitable
from fraiseql_observers.executor import build_with_queue_sync
from tests.support.configs import config_for, log_observer
from tests.support.lanes import member, options_for
from tests.support.server import ServerProcess
from tests.support.wait import wait_until

REFUSED = r"storage\.shards = 4, and the configuration has {}, .*drain the queue under 4"


def queue_with(server: ServerProcess, prefix: str, shards: int) -> RedisQueue:
    """Return a queue that is not open yet."""
    return RedisQueue(server.url, options_for(prefix, shards=shards))


def config_with(server: ServerProcess, prefix: str, shards: int, **storage: object) -> Config:
    """Return a configuration with one observer of everything."""
    return config_for(server.url, prefix, {"a": log_observer()}, storage={"shards": shards, **storage})


def event() -> EntityEvent:
    """Return an event of an order."""
    return EntityEvent("INSERT", "Order", uuid.uuid4(), {})


def stored_shards(server: ServerProcess, prefix: str) -> list[int]:
    """Read the number from each shard that there is."""
    with server.client() as client:
        found = [client.hget(f"{{{prefix}:default:{shard}}}:meta", "shards") for shard in range(10)]
    return [int(number) for number in found if isinstance(number, bytes)]


@pytest.mark.parametrize("shards", [2, 8])
@pytest.mark.parametrize("shard", [0, 3])
def test_another_number_is_refused_while_any_shard_holds_a_job(
    server: ServerProcess, prefix: str, shards: int, shard: int
) -> None:
    """Nothing is changed then, and the number that the queue has goes on working."""
    old = queue_with(server, prefix, 4)
    old.open_blocking()
    lane = old.lane_blocking("default", shard)
    lane.enqueue([(member(1), ("now", 0), b"{}")])
    for _ in range(2):
        with pytest.raises(ServerUnsuitable, match=REFUSED.format(shards)):
            queue_with(server, prefix, shards).open_blocking()
    assert stored_shards(server, prefix) == [4] * 4
    queue_with(server, prefix, 4).open_blocking()


def test_dead_letters_and_workers_are_not_left_behind(server: ServerProcess, prefix: str) -> None:
    """A dead letter is a job too; and a worker with a lease leases from the shards that it knows."""
    old = queue_with(server, prefix, 4)
    old.open_blocking()
    lane = old.lane_blocking("default", 2)
    lane.join("worker", "{}")
    with pytest.raises(ServerUnsuitable, match=REFUSED.format(2)):
        queue_with(server, prefix, 2).open_blocking()
    lane.enqueue([(member(1), ("now", 0), b"{}")])
    [lease] = lane.turn("worker", 1, 1).leases
    lane.nack("worker", [(lease.member, 1, ("dead", 0), b"", b"{}", b"")])
    lane.leave("worker")
    with pytest.raises(ServerUnsuitable, match=REFUSED.format(2)):
        queue_with(server, prefix, 2).open_blocking()


@pytest.mark.parametrize("shards", [1, 2, 8])
def test_a_drained_queue_is_taken_over(server: ServerProcess, prefix: str, shards: int) -> None:
    """All its shards say the new number; a program with the old one is refused once there is a job."""
    queue_with(server, prefix, 4).open_blocking()
    new = queue_with(server, prefix, shards)
    new.open_blocking()
    assert stored_shards(server, prefix) == [shards] * max(4, shards)
    new.lane_blocking("default", 0).enqueue([(member(1), ("now", 0), b"{}")])
    with pytest.raises(ServerUnsuitable, match=rf"storage\.shards = {shards}, and the configuration has 4"):
        queue_with(server, prefix, 4).open_blocking()


@pytest.mark.parametrize("level", ["auto", "disk"])
def test_a_producer_that_goes_on_with_the_old_number_is_refused(
    fresh_server: ServerProcess, prefix: str, level: str
) -> None:
    """It has its connections since before the change; without a look at the number its jobs would lie unseen."""
    with fresh_server.client() as client:
        client.config_set("appendfsync", "always")
    old = config_with(fresh_server, prefix, 4, durability=level)
    with build_with_queue_sync(old) as executor:
        executor.queue.open_blocking()
        for shard in range(4):
            lane = executor.queue.lane_blocking("default", shard)
            lane.enqueue([(member(shard), ("now", 0), b"{}")])
            lane.cancel(member(shard))
        queue_with(fresh_server, prefix, 2).open_blocking()
        for _ in range(8):
            with pytest.raises(ServerUnsuitable, match=r"storage\.shards = 2, and the configuration has 4"):
                executor.process_event(event())


def test_a_producer_that_opens_nothing_looks_at_the_first_shard(server: ServerProcess, prefix: str) -> None:
    """More shards than before: those that are new would take the jobs, and no worker would look there."""
    queue_with(server, prefix, 4).open_blocking()
    with build_with_queue_sync(config_with(server, prefix, 256)) as executor:
        for _ in range(8):
            with pytest.raises(ServerUnsuitable, match=REFUSED.format(256)):
                executor.process_event(event())


@pytest.mark.parametrize("found", [None, b"many", b"0", b"99999999999"])
def test_keys_without_a_number_get_the_configured_one(
    server: ServerProcess, prefix: str, found: bytes | None
) -> None:
    """Those of an earlier version have none, and rubbish is none either."""
    queue = queue_with(server, prefix, 2)
    queue.open_blocking()
    lane = queue.lane_blocking("default", 0)
    lane.enqueue([(member(1), ("now", 0), b"{}")])
    with server.client() as client:
        meta = f"{{{prefix}:default:0}}:meta"
        client.hdel(meta, "shards")
        if found is not None:
            client.hset(meta, "shards", found)
    assert lane.enqueue([(member(2), ("now", 0), b"{}")]) == [True]
    queue_with(server, prefix, 2).open_blocking()
    assert stored_shards(server, prefix) == [2, 2]


def test_what_was_spooled_goes_to_the_shards_of_today(
    fresh_server: ServerProcess, prefix: str, tmp_path: Path
) -> None:
    """The number was changed while jobs waited on the producer's disk: each is where it is looked for."""
    spool = {"spool_dir": str(tmp_path / "spool"), "enqueue_timeout_secs": 1}
    fresh_server.kill()
    with build_with_queue_sync(config_with(fresh_server, prefix, 8, **spool)) as executor:
        ids = [job for _ in range(16) for job in executor.process_event(event()).job_ids]
    fresh_server.start()
    with build_with_queue_sync(config_with(fresh_server, prefix, 2, **spool)) as executor:
        wait_until(
            lambda: sum(one.pending for one in executor.queue.stats_blocking("default")) == len(ids),
            what="the spooled jobs",
        )
        assert all(executor.queue.find_blocking(job, ["default"]) for job in ids)
