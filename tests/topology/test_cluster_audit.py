"""What audits and beats mend on the shards of a cluster, each on a master of its own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import Cluster, NodeProcess, tags
from tests.support.site import Site
from tests.support.wait import wait_until
from tests.topology.books import shard_of, unfinished, with_shards

HOURS_MS = 5 * 3_600_000
#: An audit is made every ten seconds, a lease is five.
MEND_SECS = 60.0


@pytest.mark.long
def test_damage_on_every_master_is_mended(server_binary: Path, tmp_path: Path, prefix: str) -> None:
    """A job that is nowhere, one under a lease of hours, and one that only the server knows as leased: all run once."""
    with Cluster(server_binary, replicas=False) as cluster:
        site, owners = _on_two_masters(cluster, tmp_path, prefix)
        jobs = site.publish("Quick", 24)
        of_shards = [[job.bytes + b"d" for job in jobs if shard_of(job, 2) == shard] for shard in range(2)]
        assert min(map(len, of_shards)) >= 3
        for (tag, owner), (nowhere, held, stray, *_) in zip(owners.items(), of_shards, strict=True):
            with owner.client() as client:
                for member in (nowhere, held, stray):
                    assert client.execute_command("LREM", f"{{{tag}}}:pending:d", 1, member) == 1
                now_ms = 1000 * int(client.time()[0])
                client.hset(f"{{{tag}}}:running:gone", held, "1")
                client.zadd(f"{{{tag}}}:leases", {"gone": now_ms + HOURS_MS})
        with site.worker() as worker:
            worker.ready()
            wait_until(lambda: len(site.runs()) >= len(jobs) - 6, what="the other jobs")
            for (tag, owner), (_, _, stray, *_) in zip(owners.items(), of_shards, strict=True):
                with owner.client() as client:
                    names: list[Any] = list(client.hgetall(f"{{{tag}}}:workers"))
                    [holder] = [name.decode() for name in names]
                    client.hset(f"{{{tag}}}:running:{holder}", stray, "rubbish")
            wait_until(lambda: len(site.runs()) == len(jobs), deadline_secs=MEND_SECS, what="all jobs")
            wait_until(lambda: unfinished(site) == 0, deadline_secs=MEND_SECS, what="an empty queue")
            assert worker.stop() == 0, worker.log
        assert site.runs() == Counter(dict.fromkeys(map(str, jobs), 1))
        for tag, owner in owners.items():
            with owner.client() as client:
                mended = client.hmget(f"{{{tag}}}:meta", "mended_leases", "mended_homeless", "reclaimed")
            assert None not in mended, (tag, mended)


def _on_two_masters(cluster: Cluster, directory: Path, prefix: str) -> tuple[Site, dict[str, NodeProcess]]:
    """Make a queue of two shards that are on different masters; return it, and the masters by hash tag."""
    for number in range(100):
        owners = {tag: cluster.owner(cluster.slot(tag)) for tag in tags(f"{prefix}-{number}", 2)}
        if len({owner.port for owner in owners.values()}) == 2:
            return with_shards(Site(directory, cluster.url, f"{prefix}-{number}"), 2), owners
    raise AssertionError("no prefix spreads two shards")
