"""A cluster at the level `replica:1`: what a replica has confirmed outlives its master, and moves with its slot."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fraiseql_observers.config import load_config
from fraiseql_observers.errors import DurabilityNotConfirmed, QueueUnavailable
from fraiseql_observers.executor import build_with_queue_sync
from tests.faults.rig.catalogue import Entry
from tests.support.cluster import Cluster, tags
from tests.support.load import BATCH, Load
from tests.support.site import Site
from tests.support.wait import wait_until
from tests.topology.books import move_under_load, offer, settle_anew, with_shards

SHARDS = 6
#: Producers at the same time, so that a kill meets some of their calls between the write and its confirmation.
PRODUCERS = 4
SLOTS = 10
#: Seconds by which a replica may be behind, and within which the others of the cluster promote it.
LAG_SECS = 1.0
FOLLOW_SECS = 60.0
#: Seconds that an enqueue may take, and that it may take with what a busy machine adds.
ENQUEUE_SECS = 2
LIMIT_SECS = 5.0


@pytest.fixture
def cluster(server_binary: Path) -> Iterator[Cluster]:
    """Three masters with a replica each; without files, so that a confirmation waits for no flush."""
    with Cluster(server_binary, appendonly=False) as cluster:
        yield cluster


def confirmed_site(folder: Path, cluster: Cluster, prefix: str) -> Site:
    """Configure a queue whose enqueues return when a replica has them."""
    site = Site(folder, cluster.url, prefix, concurrency=SLOTS)
    level = f'[storage]\ndurability = "replica:1"\nenqueue_timeout_secs = {ENQUEUE_SECS}\n'
    site.settings = site.settings.replace("[storage]\n", level, 1)
    return with_shards(site, SHARDS)


@pytest.mark.row(36)
@pytest.mark.timeout(300)
@pytest.mark.long
def test_nothing_that_a_replica_has_confirmed_is_lost_with_its_master(
    cluster: Cluster, tmp_path: Path, prefix: str, catalogue: Entry
) -> None:
    """Until the shard has a replica again its enqueues are unavailable, and the other shards take theirs."""
    site = confirmed_site(tmp_path, cluster, prefix)
    slots = [cluster.slot(tag) for tag in tags(prefix, SHARDS)]
    victim = cluster.owner(slots[0])
    orphans = {shard for shard, slot in enumerate(slots) if cluster.owner(slot) is victim}
    assert len(orphans) < SHARDS, "the shards of this prefix are all on one master"
    (elsewhere, *_) = set(range(SHARDS)) - orphans
    loads = [Load(site) for _ in range(PRODUCERS)]
    with site.worker() as worker:
        worker.ready()
        with ExitStack() as stack:
            for load in loads:
                stack.enter_context(load)
            executor = stack.enter_context(build_with_queue_sync(load_config(site.path)))
            offer(executor, 0, SHARDS, limit_secs=LIMIT_SECS)
            for load in loads:
                load.goes_on()
            ended, marked = site.count("end"), time.monotonic()
            wait_until(lambda: time.monotonic() - marked > LAG_SECS, what="the lag")
            victim.kill()
            # What is running, and what was acked within the lag, may run again.
            bound = site.count("end") - ended + SLOTS
            wait_until(
                lambda: cluster.owner(slots[0]).is_running, deadline_secs=FOLLOW_SECS, what="a new master"
            )
            # The first call may still be on its way to the old master.
            with pytest.raises((QueueUnavailable, DurabilityNotConfirmed)):
                offer(executor, 0, SHARDS, limit_secs=LIMIT_SECS)
            with pytest.raises(QueueUnavailable, match="needed: 1 connected replica"):
                offer(executor, 0, SHARDS, limit_secs=LIMIT_SECS)
            offer(executor, elsewhere, SHARDS, limit_secs=LIMIT_SECS)
            victim.start()
            cluster.wait_for_replica(victim)
            back = time.monotonic()
            for load in loads:
                load.goes_on(deadline_secs=FOLLOW_SECS)
        assert worker.stop() == 0, worker.log
    books = settle_anew(site, *loads)
    books.record(catalogue, since=back, bound=bound)
    assert books.lost == []
    assert books.repeated <= bound
    # However often a call was repeated, its jobs are the same; only the last of each producer may be unconfirmed. The
    # offers come on top.
    assert len(site.runs()) <= books.confirmed + PRODUCERS * BATCH + 3


@pytest.mark.row(37)
@pytest.mark.long
def test_a_slot_that_moves_takes_its_confirmations_along(
    cluster: Cluster, tmp_path: Path, prefix: str, catalogue: Entry
) -> None:
    """Each write is confirmed by a replica of the node that has it; nothing is lost, and nothing runs twice."""
    site = confirmed_site(tmp_path, cluster, prefix)
    books = move_under_load(site, cluster, cluster.slot(tags(prefix, SHARDS)[0]), catalogue)
    assert (books.lost, books.repeated) == ([], 0)
