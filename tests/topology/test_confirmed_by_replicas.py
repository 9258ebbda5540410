"""A cluster at the level `replica:1`: what a replica has confirmed outlives its master, and moves with its slot."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID, uuid4, uuid5

import pytest

from fraiseql_observers.config import load_config
from fraiseql_observers.errors import DurabilityNotConfirmed, QueueUnavailable
from fraiseql_observers.executor import BlockingQueuedObserverExecutor, build_with_queue_sync
from tests.faults.rig.catalogue import Entry
from tests.support.cluster import Cluster, tags
from tests.support.load import BATCH, Load
from tests.support.site import Site
from tests.support.wait import wait_until
from tests.topology.books import not_run, shard_of, with_shards

SHARDS = 6
#: Producers at the same time, so that a kill meets some of their calls between the write and its confirmation.
PRODUCERS = 4
SLOTS = 10
#: Seconds by which a replica may be behind, and within which the others of the cluster promote it.
LAG_SECS = 1.0
FOLLOW_SECS = 60.0
#: Seconds that an enqueue may take, and by which it may be late on a busy machine.
ENQUEUE_SECS = 2
LATE_SECS = 3.0


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


def event_for(shard: int) -> dict[str, object]:
    """Make an event whose job belongs to a shard."""
    while shard_of(uuid5(event_id := uuid4(), "0:quick"), SHARDS) != shard:
        pass
    return {
        "id": str(event_id),
        "event_type": "INSERT",
        "entity_type": "Quick",
        "entity_id": str(event_id),
        "data": {"n": shard},
    }


def offer(executor: BlockingQueuedObserverExecutor, shard: int) -> UUID:
    """Enqueue a job of a shard; whatever comes of it comes in time."""
    begun = time.monotonic()
    try:
        (job,) = executor.process_event(event_for(shard)).job_ids
        assert shard_of(job, SHARDS) == shard
        return job
    finally:
        assert time.monotonic() - begun < ENQUEUE_SECS + LATE_SECS


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
            offer(executor, 0)
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
                offer(executor, 0)
            with pytest.raises(QueueUnavailable, match="needed: 1 connected replica") as refused:
                offer(executor, 0)
            offer(executor, elsewhere)
            victim.start()
            cluster.wait_for_replica(victim)
            back = time.monotonic()
            for load in loads:
                load.goes_on(deadline_secs=FOLLOW_SECS)
        assert worker.stop() == 0, worker.log
    # The master may have taken acks with it: those jobs are free when the first worker's lease is over.
    with site.worker() as worker:
        worker.ready()
        lost = sum(len(not_run(site, load)) for load in loads)
        drained = time.monotonic() - back
        assert worker.stop() == 0, worker.log
    runs = site.runs()
    repeats = sum(count - 1 for count in runs.values())
    confirmed = sum(len(load.confirmed) for load in loads)
    errors = sorted({error for load in loads for error in load.errors})
    print(
        f"confirmed {confirmed}, lost {lost}, repeated {repeats} of {bound}; {refused.value!r}; errors {errors}"
    )
    catalogue.record(
        lost=lost, duplicated=repeats, bound=bound, drain_secs=drained, note=f"{confirmed} confirmed"
    )
    assert lost == 0
    assert repeats <= bound
    # However often a call was repeated, its jobs are the same; only the last of each producer may be unconfirmed.
    assert len(runs) <= confirmed + PRODUCERS * BATCH + 1


@pytest.mark.row(37)
@pytest.mark.long
def test_a_slot_that_moves_takes_its_confirmations_along(
    cluster: Cluster, tmp_path: Path, prefix: str, catalogue: Entry
) -> None:
    """Each write is confirmed by a replica of the node that has it; nothing is lost, and nothing runs twice."""
    site = confirmed_site(tmp_path, cluster, prefix)
    slot = cluster.slot(tags(prefix, SHARDS)[0])
    with site.worker() as worker, Load(site) as load:
        worker.ready()
        for _ in range(3):
            load.goes_on()
            source = cluster.owner(slot)
            cluster.move(slot, next(node for node in cluster.masters if node is not source))
        moved = time.monotonic()
        load.goes_on()
        load.__exit__(None, None, None)
        lost = len(not_run(site, load))
        drained = time.monotonic() - moved
        assert worker.stop() == 0, worker.log
    repeats = sum(count - 1 for count in site.runs().values())
    print(f"confirmed {len(load.confirmed)}, lost {lost}, repeated {repeats}, errors {sorted(load.errors)}")
    catalogue.record(
        lost=lost, duplicated=repeats, bound=0, drain_secs=drained, note=f"{len(load.confirmed)} confirmed"
    )
    assert (lost, repeats) == (0, 0)
