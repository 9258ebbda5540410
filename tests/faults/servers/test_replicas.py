"""A replica takes over, in good order or not, or is missing where writes need one."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
import redis

from tests.faults.rig.catalogue import Entry
from tests.faults.rig.proxy import Proxy
from tests.faults.servers.stand import Stand, job_id
from tests.support.replica import replica_of
from tests.support.server import ServerProcess
from tests.support.wait import wait_until

SLOTS = 10
JOBS = 200
#: Seconds within which jobs run again after a failover in good order: five, and more on a machine that is shared. How
#: long it took is in the catalogue.
RECONNECT_SECS = 20.0


def field(client: redis.Redis, name: str) -> str:
    """Read what a server says of its replication."""
    info = client.info("replication")
    assert isinstance(info, dict)
    return str(info.get(name, ""))


@pytest.mark.row(31)
def test_a_failover_in_good_order_is_followed_and_loses_nothing(
    fresh_server: ServerProcess, server_binary: Path, prefix: str, tmp_path: Path, catalogue: Entry
) -> None:
    """The old primary answers READONLY, the name of the service points to the new one, and jobs run again."""
    with (
        replica_of(fresh_server, server_binary) as replica,
        Proxy(fresh_server.port) as service,
        fresh_server.client() as old,
        replica.client() as new,
    ):
        stand = Stand(tmp_path, fresh_server, prefix, url=service.url, slots=SLOTS)
        with stand.worker() as worker:
            with stand.producing(secs=0.05):
                stand.wait_for_runs(20)
                old.execute_command("FAILOVER", "TO", "127.0.0.1", str(replica.port))
                wait_until(lambda: field(new, "role") == "master", what="the new primary")
                service.target = replica.port
                # The old one is a replica now: its connections are as good as before, and its answers are not.
                wait_until(lambda: field(old, "role") == "slave", what="the new replica")
                over, ran = time.monotonic(), len(stand.ran())
                wait_until(lambda: len(stand.ran()) > ran + SLOTS, deadline_secs=RECONNECT_SECS, what="runs")
                took = time.monotonic() - over
            drained = stand.drain()
            assert worker.stop() == 0
        stand.server = replica
        stand.judge(
            catalogue, bound=SLOTS, drained_secs=drained, note=f"jobs ran again {took:.1f} s after it"
        )


@pytest.mark.row(31)
def test_a_replica_that_has_lost_its_primary_is_left_for_the_new_one(
    fresh_server: ServerProcess, server_binary: Path, prefix: str, tmp_path: Path, catalogue: Entry
) -> None:
    """It answers MASTERDOWN where it may not serve what is stale, and READONLY where it may."""
    with (
        replica_of(fresh_server, server_binary) as replica,
        Proxy(fresh_server.port) as service,
        replica.client() as new,
    ):
        stand = Stand(tmp_path, fresh_server, prefix, url=service.url, slots=SLOTS)
        with stand.worker() as worker:
            stand.publish(20, secs=0.1)
            stand.wait_for_runs(5)
            wait_until(
                lambda: int(field(new, "slave_repl_offset")) == _sent(fresh_server),
                what="a replica that is up to date",
            )
            new.config_set("replica-serve-stale-data", "no")
            fresh_server.kill()
            service.target = replica.port
            with pytest.raises(redis.ResponseError, match=r"MASTERDOWN|Link with MASTER"):
                wait_until(lambda: not new.get("any") and None, what="a replica that knows")
            offer = stand.offer("meanwhile")
            assert offer.failures
            assert re.search("MASTERDOWN|the server is a replica", str(offer.failures[0]))
            new.execute_command("REPLICAOF", "NO", "ONE")
            assert stand.offer("meanwhile").confirmed_at is not None
            drained = stand.drain()
            assert worker.stop() == 0
        stand.server = replica
        # What ran and was acked after the last look at the replica runs again.
        stand.judge(catalogue, bound=20, drained_secs=drained)


def _sent(server: ServerProcess) -> int:
    """Say how much a primary has written, for its replicas to get."""
    with server.client() as primary:
        return int(field(primary, "master_repl_offset"))


@pytest.mark.row(32)
def test_a_failover_behind_a_cut_link_costs_what_the_replica_had_not_got(
    fresh_server: ServerProcess, server_binary: Path, prefix: str, tmp_path: Path, catalogue: Entry
) -> None:
    """At `process` this is the lag, job by job, and nothing else; workers let go of what the new primary never had."""
    with (
        Proxy(fresh_server.port, raw=True) as link,
        replica_of(fresh_server, server_binary, port=link.port) as replica,
        Proxy(fresh_server.port) as service,
        replica.client() as new,
    ):
        stand = Stand(tmp_path, fresh_server, prefix, url=service.url, slots=SLOTS)
        with stand.worker() as worker:
            # Not repeated, so that what is lost stays lost.
            with stand.producing(pause_secs=0.005, repeat=False, secs=0.02):
                stand.wait_for_runs(50)
                in_step_at, sent = time.monotonic(), _sent(fresh_server)
                wait_until(lambda: int(field(new, "slave_repl_offset")) >= sent, what="a replica in step")
                link.blackhole()
                ran = len(stand.ran())
                stand.wait_for_runs(ran + 50)
                fresh_server.kill()
                failed_at = time.monotonic()
                new.execute_command("REPLICAOF", "NO", "ONE")
                service.target = replica.port
                service.cut()
                wait_until(lambda: len(stand.confirmed() - stand.confirmed(until=failed_at)) > 1, what="jobs")
            stand.server = replica
            drained = stand.drain()
            assert worker.stop() == 0
        # An answer may have been on its way when the server died, and is noted a moment later.
        after = stand.confirmed() - stand.confirmed(until=failed_at)
        on_its_way = min(after, key=lambda label: stand.offers[label].confirmed_at or 0.0)
        lag = stand.confirmed(until=failed_at) - stand.confirmed(until=in_step_at) | {on_its_way}
        known = stand.audit().places().keys()
        gone = {label for label in stand.confirmed() if job_id(stand.offers[label].event) not in known}
        assert gone
        assert gone <= lag
        # An ack comes a little after its run.
        acks = sum(in_step_at - 0.5 <= note.at <= failed_at for note in stand.runs.ends())
        verdict = stand.judge(
            catalogue,
            bound=SLOTS + acks,
            drained_secs=drained,
            lost=len(lag),
            note=f"{len(gone)} jobs within the lag forgotten",
        )
        assert verdict.lost == gone - set(stand.ran())


@pytest.mark.row(33)
def test_a_missing_replica_pauses_the_queue_where_writes_need_one(
    fresh_server: ServerProcess, server_binary: Path, prefix: str, tmp_path: Path, catalogue: Entry
) -> None:
    """The server answers NOREPLICAS to everything; results are kept, and nothing new begins."""
    with fresh_server.client() as client, replica_of(fresh_server, server_binary) as replica:
        client.config_set("min-replicas-to-write", 1)
        client.config_set("min-replicas-max-lag", 1)
        stand = Stand(tmp_path, fresh_server, prefix, slots=SLOTS)
        with stand.worker() as worker:
            # So many that they are not all done before the replica is missed.
            stand.publish(JOBS, secs=0.1)
            stand.wait_for_runs(10)
            replica.kill()
            wait_until(lambda: "NOREPLICAS" in worker.log, what="the worker's word for it")
            wait_until(lambda: len(stand.runs.starts()) == len(stand.ran()), what="the ends of all runs")
            begun = len(stand.runs.starts())
            offer = stand.offer("meanwhile")
            assert "NOREPLICAS" in str(offer.failures[0])
            assert len(stand.runs.starts()) == begun < JOBS
            replica.start()
            wait_until(lambda: stand.offer("meanwhile").confirmed_at, what="a replica again")
            drained = stand.drain()
            assert worker.stop() == 0
        stand.judge(catalogue, bound=SLOTS, drained_secs=drained)
