"""Several shards on one server: one queue to everybody, of which no shard starves."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from fraiseql_observers._core import RedisQueue
from tests.support.command import run_here
from tests.support.lanes import options_for
from tests.support.server import ServerProcess
from tests.support.site import Site
from tests.support.wait import wait_until
from tests.topology.books import shard_of, unfinished, with_shards

SHARDS = 4


def test_operators_see_one_queue(server: ServerProcess, tmp_path: Path, prefix: str) -> None:
    """Counts, lists, search and changes go over all shards."""
    site = with_shards(Site(tmp_path, server.url, prefix), SHARDS, ("quick", "refusing"))
    dead = site.publish("Refusing", 12)
    with site.worker() as worker:
        worker.ready()
        wait_until(lambda: unfinished(site) == 0, what="an empty queue")
        assert worker.stop() == 0, worker.log
    queue = RedisQueue(server.url, options_for(prefix, shards=SHARDS))
    stats = queue.stats_blocking("default")
    assert sum(one.dead for one in stats) == len(dead)
    assert sum(one.dead > 0 for one in stats) > 1, "all jobs of this run are in one shard"
    config = ["--config", str(site.path)]
    listed = run_here(["dlq", "list", "--json", *config])
    assert all(str(job) in listed.out for job in dead), listed
    assert run_here(["dlq", "remove", str(dead[0]), *config]).code == 0
    assert run_here(["dlq", "clear", "--yes", *config]).code == 0
    assert sum(one.dead for one in queue.stats_blocking("default")) == 0


def test_a_shard_with_much_work_does_not_starve_the_others(
    server: ServerProcess, tmp_path: Path, prefix: str
) -> None:
    """A backlog in one shard; what comes into the others starts long before the backlog is done."""
    site = with_shards(Site(tmp_path, server.url, prefix), SHARDS, ("slow", "quick"))
    backlog = site.publish("Slow", 400, secs=0.02)
    by_shard: dict[int, list[UUID]] = {}
    for job in backlog:
        by_shard.setdefault(shard_of(job, SHARDS), []).append(job)
    with site.worker() as worker:
        worker.ready()
        wait_until(lambda: site.count("start") > 0, what="the first start")
        site.publish("Quick", 8)
        wait_until(lambda: len(site.runs()) == len(backlog) + 8, what="every job")
        assert worker.stop() == 0, worker.log
    starts = [line["job"] for line in site.evidence("start")]
    half = set(starts[: len(starts) // 2])
    shares = [len(half & set(map(str, jobs))) / len(jobs) for jobs in by_shard.values()]
    assert min(shares) > 0.25, shares
