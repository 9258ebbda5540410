"""A queue over the masters of a cluster: found, followed when slots move, and going on where a master is gone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fraiseql_observers._core import RedisQueue
from fraiseql_observers.config import load_config
from fraiseql_observers.errors import QueueUnavailable, ServerUnsuitable
from fraiseql_observers.executor import build_with_queue_sync
from tests.faults.rig.catalogue import Entry
from tests.support.cluster import Cluster, NodeProcess, tags
from tests.support.command import run_here
from tests.support.lanes import options_for
from tests.support.load import Load
from tests.support.server import ServerProcess
from tests.support.site import Site
from tests.support.wait import wait_until
from tests.topology.books import move_under_load, offer, settle, settle_anew, unfinished, with_shards

SHARDS = 6
SLOTS = 10
#: Seconds that a slot stays on its way: two leases.
HELD_SECS = 10.0
#: Seconds that an enqueue may take, and that it may take with what a busy machine adds.
ENQUEUE_SECS = 2
LIMIT_SECS = 5.0
#: Seconds by which a replica may be behind, and within which the others of the cluster promote it.
LAG_SECS = 1.0
FOLLOW_SECS = 60.0


@pytest.fixture(scope="module")
def cluster(server_binary: Path) -> Iterator[Cluster]:
    """Three masters without replicas, all of which stay alive."""
    with Cluster(server_binary, replicas=False) as cluster:
        yield cluster


def test_jobs_of_all_shards_run_and_are_found(cluster: Cluster, tmp_path: Path, prefix: str) -> None:
    """Producer, worker and operator see one queue, whose keys are on every master."""
    site = with_shards(Site(tmp_path, cluster.url, prefix), SHARDS, ("quick", "refusing"))
    ids = site.publish("Quick", 60)
    dead = site.publish("Refusing", 6)
    owners = {cluster.owner(cluster.slot(tag)).port for tag in tags(prefix, SHARDS)}
    assert len(owners) > 1, "the shards of this prefix are all on one master"
    with site.worker() as worker:
        worker.ready()
        wait_until(lambda: unfinished(site) == 0, what="an empty queue")
        more = site.publish("Quick", 10)
        wait_until(lambda: len(site.runs()) == 70, what="jobs that wake an idle worker")
        assert worker.stop() == 0, worker.log
    assert site.runs() == dict.fromkeys(map(str, ids + more), 1)
    config = ["--config", str(site.path)]
    for command in (
        ["status"],
        ["jobs", "show", str(ids[0])],
        ["dlq", "replay", str(dead[0])],
        ["dlq", "list"],
    ):
        done = run_here([*command, *config])
        assert done.code == 0, (command, done)
    assert run_here(["dlq", "clear", "--yes", *config]).code == 0


@pytest.mark.row(37)
def test_a_slot_that_moves_under_load_loses_and_repeats_nothing(
    cluster: Cluster, tmp_path: Path, prefix: str, catalogue: Entry
) -> None:
    """Only the shard in that slot waits while its keys are on two nodes; then its calls are sent on."""
    site = with_shards(Site(tmp_path, cluster.url, prefix), SHARDS)
    books = move_under_load(site, cluster, cluster.slot(tags(prefix, SHARDS)[0]), catalogue)
    assert (books.lost, books.repeated) == ([], 0)


@pytest.mark.row(37)
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("share", "told"),
    [
        pytest.param(0.5, "answers TRYAGAIN|moving the keys", id="half"),
        pytest.param(1.0, "moving the keys", id="all", marks=pytest.mark.long),
    ],
)
def test_a_slot_that_stays_on_its_way_loses_nothing_and_answers_in_time(
    cluster: Cluster, tmp_path: Path, prefix: str, catalogue: Entry, share: float, told: str
) -> None:
    """No node takes a call for its shard, and an enqueue hears so within its time; the others go on meanwhile.

    It lasts for longer than a lease: what ran then may run again, and what was confirmed before runs afterwards.
    """
    site = Site(tmp_path, cluster.url, prefix, concurrency=SLOTS)
    site.settings = site.settings.replace(
        "[storage]\n", f"[storage]\nenqueue_timeout_secs = {ENQUEUE_SECS}\n", 1
    )
    site = with_shards(site, SHARDS)
    slot, *others = (cluster.slot(tag) for tag in tags(prefix, SHARDS))
    source = cluster.owner(slot)
    target = next(node for node in cluster.masters if node is not source)
    elsewhere = 1 + next(place for place, other in enumerate(others) if other != slot)
    with (
        site.worker() as worker,
        Load(site) as load,
        build_with_queue_sync(load_config(site.path)) as executor,
    ):
        worker.ready()
        load.goes_on()
        with cluster.moving(slot, target, share=share):
            held = time.monotonic()
            while time.monotonic() < held + HELD_SECS:
                with pytest.raises(QueueUnavailable, match=told):
                    offer(executor, 0, SHARDS, limit_secs=LIMIT_SECS)
                offer(executor, elsewhere, SHARDS, limit_secs=LIMIT_SECS)
        moved = time.monotonic()
        load.goes_on()
        load.end()
        books = settle(site, load)
        assert worker.stop() == 0, worker.log
    books.record(catalogue, since=moved, bound=SLOTS)
    assert books.lost == []
    assert books.repeated <= SLOTS


@pytest.mark.row(36)
@pytest.mark.long
def test_a_replica_takes_over_for_a_master_that_is_killed(
    server_binary: Path, tmp_path: Path, prefix: str, catalogue: Entry
) -> None:
    """The other shards go on meanwhile; lost is at most what was confirmed within the replica's lag."""
    with Cluster(server_binary) as cluster:
        site = with_shards(Site(tmp_path, cluster.url, prefix), SHARDS)
        slot = cluster.slot(tags(prefix, SHARDS)[0])
        with site.worker() as worker, Load(site) as load:
            worker.ready()
            load.goes_on()
            killed = time.monotonic()
            cluster.owner(slot).kill()
            ran = site.count("end")
            wait_until(lambda: site.count("end") > ran, deadline_secs=FOLLOW_SECS, what="the other shards")
            wait_until(lambda: cluster.owner(slot).is_running, deadline_secs=FOLLOW_SECS, what="a new master")
            load.goes_on(deadline_secs=FOLLOW_SECS)
            assert worker.stop() == 0, worker.log
        books = settle_anew(site, load)
        note = "at auto; the lag may be lost"
        catalogue.record(**site.tally(load.confirmed), note=f"{books.confirmed} confirmed {note}")
        lost = books.lost
        assert all(killed - LAG_SECS <= at <= killed + LAG_SECS for at in lost), (killed, lost[0], lost[-1])


@pytest.mark.row(38)
@pytest.mark.long
def test_a_cluster_that_is_down_is_told_and_goes_on_when_it_is_back(
    server_binary: Path, tmp_path: Path, prefix: str, catalogue: Entry
) -> None:
    """With full coverage all shards stop while one master is away. Nothing is lost, and nobody has to do anything."""
    with Cluster(server_binary, replicas=False, full_coverage=True) as cluster:
        site = with_shards(Site(tmp_path, cluster.url, prefix), SHARDS)
        with site.worker() as worker:
            worker.ready()
            ids = site.publish("Quick", 20)
            wait_until(lambda: unfinished(site) == 0, what="an empty queue")
            gone = cluster.masters[2]
            gone.kill()
            wait_until(lambda: not cluster.is_ok(), deadline_secs=FOLLOW_SECS, what="a cluster that is down")
            with pytest.raises(QueueUnavailable):
                site.publish("Quick", 30)
            wait_until(lambda: worker.get("/readyz")[0] != 200, what="a worker that says so")
            gone.start()
            wait_until(cluster.is_ok, deadline_secs=FOLLOW_SECS, what="a cluster that is back")
            ids += site.publish("Quick", 20)
            wait_until(lambda: unfinished(site) == 0, deadline_secs=FOLLOW_SECS, what="an empty queue")
            wait_until(lambda: worker.get("/readyz")[0] == 200, what="a worker that is ready")
            assert worker.stop() == 0, worker.log
        catalogue.record(**site.tally(ids))
        assert site.runs().keys() >= set(map(str, ids))


def test_a_url_that_does_not_say_that_it_is_a_cluster_is_refused(cluster: Cluster, prefix: str) -> None:
    """The message names the scheme to use."""
    owner = cluster.owner(cluster.slot(tags(prefix, 1)[0]))
    other = next(node for node in cluster.masters if node is not owner)
    with pytest.raises(ServerUnsuitable, match=r"redis\+cluster://"):
        RedisQueue(f"redis://127.0.0.1:{other.port}", options_for(prefix)).open_blocking()


def test_a_url_that_says_that_a_server_is_a_cluster_is_refused(server: ServerProcess, prefix: str) -> None:
    """And the other way round."""
    url = f"redis+cluster://127.0.0.1:{server.port}"
    with pytest.raises(ServerUnsuitable, match="no node of a cluster"):
        RedisQueue(url, options_for(prefix)).open_blocking()


def test_a_node_that_knows_no_slots_is_not_believed(
    cluster: Cluster, server_binary: Path, prefix: str
) -> None:
    """It is new, or was reset: the next node is asked, and where there is none it says so."""
    with NodeProcess(server_binary, full_coverage=False) as fresh:
        alone = f"redis+cluster://127.0.0.1:{fresh.port}"
        with pytest.raises(QueueUnavailable, match="knows of no node that serves slots"):
            RedisQueue(alone, options_for(prefix)).open_blocking()
        both = f"{alone},127.0.0.1:{cluster.masters[0].port}"
        RedisQueue(both, options_for(prefix)).open_blocking()


def test_a_cluster_of_which_no_node_answers_is_a_server_that_is_away(prefix: str) -> None:
    """It passes, so it is waited for."""
    with pytest.raises(QueueUnavailable, match=r"the cluster at 127\.0\.0\.1:1, 127\.0\.0\.1:2"):
        RedisQueue("redis+cluster://127.0.0.1:1,127.0.0.1:2", options_for(prefix)).open_blocking()
