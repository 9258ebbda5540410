"""What a queue of several shards comes to: its sums, and which confirmed jobs have not run."""

from __future__ import annotations

import time
from typing import NamedTuple
from uuid import UUID, uuid4, uuid5

from fraiseql_observers import assembly
from fraiseql_observers.config import load_config
from fraiseql_observers.errors import QueueError
from fraiseql_observers.executor import BlockingQueuedObserverExecutor
from tests.faults.rig.catalogue import Entry
from tests.support.cluster import Cluster
from tests.support.load import Load
from tests.support.site import Site
from tests.support.wait import PATIENCE_SECS, wait_until

#: Times that a slot is moved while there is work.
_MOVES = 3


class Books(NamedTuple):
    """What has come of a load."""

    confirmed: int
    #: When the jobs were confirmed that have not run.
    lost: list[float]
    #: Runs beyond the first of each job.
    repeated: int
    #: When the last job had ended.
    at: float

    def record(self, catalogue: Entry, *, since: float, bound: int) -> None:
        """Write them into the table of the catalogue."""
        catalogue.record(
            lost=len(self.lost),
            duplicated=self.repeated,
            bound=bound,
            drain_secs=self.at - since,
            note=f"{self.confirmed} confirmed",
        )


def with_shards(site: Site, shards: int, handlers: tuple[str, ...] = ("quick",)) -> Site:
    """Spread the site's queue over so many shards, with a short lease."""
    site.settings = site.settings.replace(
        "[storage]\n", f"[worker]\nlease_duration_secs = 5\n[storage]\nshards = {shards}\n", 1
    )
    site.write(handlers)
    return site


def shard_of(job: UUID, shards: int) -> int:
    """Return where a job is, as the core says."""
    high, low = job.int >> 64, job.int & (1 << 64) - 1
    return ((high ^ low) * 0x9E3779B97F4A7C15 % (1 << 64) >> 32) % shards


def event_for(shard: int, shards: int) -> dict[str, object]:
    """Make an event whose job belongs to a shard."""
    while shard_of(uuid5(event_id := uuid4(), "0:quick"), shards) != shard:
        pass
    return {
        "id": str(event_id),
        "event_type": "INSERT",
        "entity_type": "Quick",
        "entity_id": str(event_id),
        "data": {"n": shard},
    }


def offer(executor: BlockingQueuedObserverExecutor, shard: int, shards: int, *, limit_secs: float) -> UUID:
    """Enqueue a job of a shard; whatever comes of it comes in time."""
    begun = time.monotonic()
    try:
        (job,) = executor.process_event(event_for(shard, shards)).job_ids
        assert shard_of(job, shards) == shard
        return job
    finally:
        assert time.monotonic() - begun < limit_secs


def unfinished(site: Site) -> int:
    """Count the jobs of all shards that have not ended; one more where a shard does not answer."""
    queue, close = assembly.connect(load_config(site.path))
    try:
        stats = queue.stats_blocking("default")
    except QueueError:
        return 1
    finally:
        close()
    return sum(one.pending + one.scheduled + one.running for one in stats)


def not_run(site: Site, load: Load, *, deadline_secs: float = PATIENCE_SECS) -> list[float]:
    """Wait until nothing is left to run; return when the jobs were confirmed that have not run."""
    wait_until(lambda: unfinished(site) == 0, deadline_secs=deadline_secs, what="an empty queue")
    ran = site.runs()
    return sorted(at for job, at in load.confirmed.items() if str(job) not in ran)


def settle(site: Site, *loads: Load) -> Books:
    """Say what has come of loads that have ended, when a worker that is there has run all that is left."""
    lost = sorted(at for load in loads for at in not_run(site, load))
    now = time.monotonic()
    confirmed = sum(len(load.confirmed) for load in loads)
    repeated = sum(count - 1 for count in site.runs().values())
    errors = sorted({error for load in loads for error in load.errors})
    print(f"confirmed {confirmed}, lost {len(lost)}, repeated {repeated}, errors {errors}")
    return Books(confirmed, lost, repeated, now)


def settle_anew(site: Site, *loads: Load) -> Books:
    """As `settle`, with a new worker: what servers have lost of the last one's acks is free when its lease is over."""
    with site.worker() as worker:
        worker.ready()
        books = settle(site, *loads)
        assert worker.stop() == 0, worker.log
    return books


def move_under_load(site: Site, cluster: Cluster, slot: int, catalogue: Entry) -> Books:
    """Have a slot go from master to master while jobs are published and run; nothing may be repeated."""
    with site.worker() as worker, Load(site) as load:
        worker.ready()
        for _ in range(_MOVES):
            load.goes_on()
            source = cluster.owner(slot)
            cluster.move(slot, next(node for node in cluster.masters if node is not source))
        moved = time.monotonic()
        load.goes_on()
        load.end()
        books = settle(site, load)
        assert worker.stop() == 0, worker.log
    books.record(catalogue, since=moved, bound=0)
    return books
