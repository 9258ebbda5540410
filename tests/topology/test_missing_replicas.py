"""Replicas that a level needs and that are away: at the start a mistake, later a state that passes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from fraiseql_observers._core import EntityEvent
from fraiseql_observers.config import Config
from fraiseql_observers.errors import QueueUnavailable, ServerUnsuitable
from fraiseql_observers.executor import BlockingQueuedObserverExecutor, build_with_queue_sync
from tests.support.configs import config_for, log_observer
from tests.support.replica import online_replicas, replica_of
from tests.support.server import ServerProcess
from tests.support.site import Site
from tests.support.wait import wait_until

LACK = "connected replicas 0; needed: 1 connected replica"
#: Seconds until a change must be known; a worker looks every ten.
KNOWN_WITHIN_SECS = 30.0


@pytest.fixture
def primary(server_binary: Path) -> Iterator[ServerProcess]:
    """A server to which replicas come back at once, and whose disk nobody waits for long."""
    extra = ("--repl-diskless-sync-delay", "0")
    with ServerProcess(server_binary, appendfsync="always", extra=extra) as primary:
        yield primary


def config_at(primary: ServerProcess, prefix: str, **storage: object) -> Config:
    """Configure a producer that wants a replica to confirm."""
    storage = {"durability": "replica:1", "enqueue_timeout_secs": 3, **storage}
    return config_for(primary.url, prefix, {"a": log_observer()}, storage=storage)


def event() -> EntityEvent:
    """Make an event of an order."""
    return EntityEvent("INSERT", "Order", uuid4(), {})


def pending(executor: BlockingQueuedObserverExecutor) -> int:
    """Count what waits to be run."""
    return executor.queue.stats_blocking("default")[0].pending


def lose_the_replica(
    primary: ServerProcess, replica: ServerProcess, executor: BlockingQueuedObserverExecutor
) -> None:
    """Leave a primary that has never seen a replica, as after a failover, and a producer that is connected to it."""
    replica.kill()
    primary.restart()
    assert pending(executor) == 1


@pytest.mark.row(31)
def test_replicas_that_were_there_are_waited_for(
    primary: ServerProcess, server_binary: Path, prefix: str
) -> None:
    """Nothing is stored without them, and the same call succeeds when they are back; a new producer is refused."""
    config, order = config_at(primary, prefix), event()
    with replica_of(primary, server_binary) as replica, build_with_queue_sync(config) as executor:
        executor.process_event(event())
        lose_the_replica(primary, replica, executor)
        with pytest.raises(QueueUnavailable, match=f"^the queue is not available: durability is .*{LACK}$"):
            executor.process_event(order)
        with build_with_queue_sync(config) as started, pytest.raises(ServerUnsuitable, match=LACK):
            started.process_event(order)
        assert pending(executor) == 1
        replica.start()
        wait_until(lambda: online_replicas(primary) == 1, deadline_secs=20, what="the replica")
        assert executor.process_event(order).jobs_queued == 1
        assert pending(executor) == 2


@pytest.mark.row(31)
def test_what_waits_for_a_replica_waits_in_the_spool(
    primary: ServerProcess, server_binary: Path, prefix: str, tmp_path: Path
) -> None:
    """It goes to the queue by itself when the replica is back, and not before."""
    config = config_at(primary, prefix, spool_dir=str(tmp_path / "spool"))
    with replica_of(primary, server_binary) as replica, build_with_queue_sync(config) as executor:
        executor.process_event(event())
        lose_the_replica(primary, replica, executor)
        for _ in range(3):
            assert executor.process_event(event()).jobs_spooled == 1
        assert pending(executor) == 1
        replica.start()
        wait_until(lambda: pending(executor) == 4, deadline_secs=30, what="the spooled jobs")


@pytest.mark.row(31)
@pytest.mark.long
def test_a_worker_runs_what_is_stored_while_a_replica_is_away(
    primary: ServerProcess, server_binary: Path, prefix: str, tmp_path: Path
) -> None:
    """That makes nothing less durable; it says what is amiss, and when it is over."""
    site = Site(tmp_path, primary.url, prefix)
    site.settings = site.settings.replace("[storage]\n", '[storage]\ndurability = "replica:1"\n', 1)
    site.write(["quick"])
    with replica_of(primary, server_binary) as replica, site.worker() as worker:
        worker.ready()
        replica.kill()
        wait_until(lambda: online_replicas(primary) == 0, what="a primary that has noticed")
        worker.wait_for_log("queue_worse: durability is replica:1", deadline_secs=KNOWN_WITHIN_SECS)
        wait_until(lambda: worker.metrics()["queue_server_unfit"] == 1, what="the metric")
        site.settings = site.settings.replace("replica:1", "memory")
        site.write(["quick"])
        site.publish("Quick", 3)
        wait_until(lambda: site.count("end") == 3, what="the jobs")
        # A child that takes the place of another works beside the same lack.
        site.settings = site.settings.replace("memory", "replica:1")
        site.write(["quick"])
        for pid in worker.children():
            os.kill(pid, signal.SIGKILL)
        wait_until(
            lambda: worker.log.count("queue_worse: durability is replica:1") == 2, what="the new child"
        )
        site.settings = site.settings.replace("replica:1", "memory")
        site.write(["quick"])
        site.publish("Quick", 3)
        wait_until(lambda: site.count("end") == 6, what="the jobs of the new child")
        replica.start()
        worker.wait_for_log("queue_fit", deadline_secs=KNOWN_WITHIN_SECS)
        wait_until(lambda: worker.metrics()["queue_server_unfit"] == 0, what="the metric")
        assert worker.stop() == 0
