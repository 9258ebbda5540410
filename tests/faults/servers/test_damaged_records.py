"""Records that are damaged in every way that a record can be: the damage stays where it is, and the neighbours run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import redis

from tests.faults.rig.catalogue import Entry
from tests.faults.servers.stand import Stand, job_id
from tests.support.server import ServerProcess
from tests.support.wait import wait_until

BYSTANDERS: Final = 20
JobBytes = Callable[[bytes], bytes]


def changed(**fields: object) -> JobBytes:
    """Return what writes other values into a job."""
    return lambda stored: json.dumps({**json.loads(stored), **fields}).encode()


def without(field: str) -> JobBytes:
    """Return what takes a field out of a job."""
    return lambda stored: json.dumps(
        {name: value for name, value in json.loads(stored).items() if name != field}
    ).encode()


#: What is done to the bytes of a job, each to one of its own.
DAMAGE: Final[Mapping[str, JobBytes]] = {
    "cut in half": lambda stored: stored[: len(stored) // 2],
    "a byte more": lambda stored: stored + b"}",
    "a byte turned": lambda stored: stored[:10] + bytes([stored[10] ^ 0x80]) + stored[11:],
    "zeroes": lambda stored: b"\0" * len(stored),
    "another's id": changed(id="01890000-0000-7000-8000-000000000000"),
    "no id": without("id"),
    "no event": without("event"),
    "no action": without("action"),
    "no attempts": changed(max_attempts=0),
    "negative attempts": changed(max_attempts=-1),
    "attempts beyond all": changed(max_attempts=10**30),
    "not a number": lambda stored: stored.replace(b'"max_attempts":', b'"max_attempts":NaN,"x":', 1),
    "negative delay": changed(initial_delay_ms=-5),
    "no such strategy": changed(backoff_strategy="sideways"),
    "a list for an event": changed(event=[]),
    "a number for an observer": changed(observer=7),
    "no date": changed(created_at="yesterday"),
    "a date out of all": changed(scheduled_at="99999-01-01T00:00:00Z"),
}


@pytest.mark.row(52)
def test_a_job_that_is_damaged_is_put_aside_and_its_neighbours_run(
    server: ServerProcess, prefix: str, tmp_path: Path, catalogue: Entry
) -> None:
    """Each is a dead letter or parked, where somebody can look at it, with its bytes as they were found."""
    stand = Stand(tmp_path, server, prefix)
    labels = stand.publish(len(DAMAGE))
    bystanders = set(stand.publish(BYSTANDERS))
    spoilt: dict[bytes, bytes] = {}
    with server.client() as client:
        for label, spoil in zip(labels, DAMAGE.values(), strict=True):
            id_ = job_id(stand.offers[label].event)
            stored = client.hget(f"{stand.tag}:jobs", id_)
            assert isinstance(stored, bytes)
            spoilt[id_] = spoil(stored)
            assert spoilt[id_] != stored
            client.hset(f"{stand.tag}:jobs", id_, spoilt[id_])
        with stand.worker() as worker:
            children = worker.children()
            wait_until(
                lambda: stand.queue.stats().pending + stand.queue.stats().running == 0,
                what="nothing left to do",
            )
            wait_until(lambda: bystanders <= set(stand.ran()), what="the bystanders")
            assert worker.children() == children
            assert worker.stop() == 0
    audit = stand.audit()
    ended = {name for name, id_ in zip(DAMAGE, spoilt, strict=True) if id_ not in audit.jobs}
    names = dict(zip(labels, DAMAGE, strict=True))
    # Whatever has ended has run; all else is there, unchanged.
    assert ended <= {names[label] for label in stand.ran() if label in names}
    assert {id_: audit.jobs[id_] for id_ in spoilt if id_ in audit.jobs} == {
        id_: stored for id_, stored in spoilt.items() if id_ in audit.jobs
    }
    aside = {member[:16] for member in (*audit.dead, *audit.parked)}
    assert aside == spoilt.keys() & audit.jobs.keys()
    catalogue.record(lost=0, duplicated=0, bound=0, note=f"harmless: {sorted(ended)}")
    assert audit.problems() == []
    assert len(ended) <= 2


def _scores(client: redis.Redis, tag: str, member: bytes) -> None:
    client.zadd(f"{tag}:scheduled", {member: "-inf"})


def _negative(client: redis.Redis, tag: str, member: bytes) -> None:
    client.zadd(f"{tag}:scheduled", {member: -5})


def _history(client: redis.Redis, tag: str, member: bytes) -> None:
    client.hset(f"{tag}:history", member[:16], b"\xff" * 5_000)
    client.zadd(f"{tag}:scheduled", {member: 1})


def _crashes(client: redis.Redis, tag: str, member: bytes) -> None:
    client.hset(f"{tag}:crashes", member[:16], b"many")
    client.zadd(f"{tag}:scheduled", {member: 1})


def _failure(client: redis.Redis, tag: str, member: bytes) -> None:
    client.hset(f"{tag}:failures", member[:16], b"[1")
    client.zadd(f"{tag}:dead", {member: int(client.time()[0]) * 1000})
    client.hincrby(f"{tag}:meta", "dead", 1)


def _lease(client: redis.Redis, tag: str, member: bytes) -> None:
    client.zadd(f"{tag}:leases", {"nobody": "-inf"})
    client.hset(f"{tag}:running:nobody", member, b"NaN")
    client.hset(f"{tag}:calls", "nobody", "-7")
    client.hset(f"{tag}:workers", "nobody", b"\xff{")


#: What is written beside a job that is pending no more, and whether it runs then by itself.
BESIDE: Final[Mapping[str, tuple[Callable[[redis.Redis, str, bytes], Any], bool]]] = {
    "due before all time": (_scores, True),
    "due at a negative time": (_negative, True),
    "a history of rubbish": (_history, True),
    "a count of crashes that is a word": (_crashes, True),
    "a lease that ran out before all time": (_lease, True),
    "a failure of rubbish": (_failure, False),
}


@pytest.mark.row(52)
def test_rubbish_beside_a_job_loses_neither_the_job_nor_its_neighbours(
    server: ServerProcess, prefix: str, tmp_path: Path, catalogue: Entry
) -> None:
    """Times, leases, histories and failures that no script of ours would write."""
    stand = Stand(tmp_path, server, prefix)
    labels = stand.publish(len(BESIDE))
    stand.publish(BYSTANDERS)
    with server.client() as client:
        for label, (spoil, _) in zip(labels, BESIDE.values(), strict=True):
            member = job_id(stand.offers[label].event) + b"d"
            assert client.execute_command("LREM", f"{stand.tag}:pending:d", 1, member) == 1
            spoil(client, stand.tag, member)
        with stand.worker() as worker:
            drained = stand.drain()
            assert worker.stop() == 0
        runs = [runs for _, runs in BESIDE.values()]
        assert [label in stand.ran() for label in labels] == runs
        (dead,) = stand.queue.jobs("dead_lettered")
        assert dead.id.bytes == job_id(stand.offers[labels[-1]].event)
    stand.judge(catalogue, bound=0, drained_secs=drained)
