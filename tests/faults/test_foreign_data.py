"""Rubbish in our own keys: it is put aside, what stands beside it runs, and the worker lives."""

from __future__ import annotations

import contextlib
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest
import redis

from fraiseql_observers.errors import QueueError
from tests.support.queue_under_test import QueueUnderTest, act
from tests.support.runs import Runs
from tests.support.server import ServerProcess
from tests.support.wait import wait_until
from tests.support.worker_process import WorkerProcess

BYSTANDERS = 20
#: No job, each in its own way.
RUBBISH: Final = (
    b"",
    b"\xff\xfe\x00rubbish",
    b"{",
    b"null",
    b"[]",
    b'{"id": 1}',
    b"[" * 10_000,
    b'"' + b"x" * 100_000,
    pickle.dumps({"id": 1}),
)
#: Keys that a turn, an ack or a beat touches, and that something else may be put in the place of; the star is whoever
#: holds a lease.
KEYS: Final = (
    *("jobs", "history", "crashes", "pending:d", "scheduled", "leases", "suspects"),
    *("done:0", "done:1", "meta", "wake", "calls", "ghosts", "recent", "running:*"),
)


def queue_for(server: ServerProcess, prefix: str, folder: Path) -> QueueUnderTest:
    """Configure a queue that is polled often."""
    return QueueUnderTest(folder, server.url, prefix, worker="lease_duration_secs = 5", poll_interval_ms=100)


@pytest.fixture
def queue(server: ServerProcess, prefix: str, tmp_path: Path) -> QueueUnderTest:
    """Give the queue of a test."""
    return queue_for(server, prefix, tmp_path)


@pytest.fixture
def client(server: ServerProcess) -> Iterator[redis.Redis]:
    """Give a client that writes what it likes."""
    with server.client() as client:
        yield client


@pytest.mark.row(52)
def test_bytes_that_are_no_job_are_dead_letters_and_their_neighbours_run(
    queue: QueueUnderTest, client: redis.Redis, runs: Runs
) -> None:
    """Each keeps its bytes as they were found, for whoever looks."""
    victims = queue.publish([act(f"victim {number}") for number in range(len(RUBBISH) + 1)])
    strangers = [*RUBBISH, client.hget(queue.key("jobs"), victims[0].bytes)]
    bystanders = queue.publish([act(str(number)) for number in range(BYSTANDERS)])
    for victim, stranger in zip(victims, strangers[::-1], strict=True):
        client.hset(queue.key("jobs"), victim.bytes, stranger)
    with WorkerProcess(queue.config, environment=runs.environment) as worker:
        children = worker.children()
        wait_until(lambda: queue.stats().dead == len(RUBBISH), what="a dead letter for each")
        queue.wait_until_completed(BYSTANDERS + 1)
        assert worker.children() == children
        assert worker.stop() == 0
    # The first victim has got its own bytes back, which are a job after all.
    assert queue.view(victims[0]).state == "completed"
    dead = {view.id: view for view in queue.jobs("dead_lettered")}
    assert dead.keys() == set(victims[1:])
    assert {view.reason for view in dead.values()} == {"corrupt"}
    assert [dead[victim].raw or b"" for victim in victims[1:]] == list(RUBBISH[::-1])
    assert [queue.view(job).state for job in bystanders] == ["completed"] * BYSTANDERS


@pytest.mark.row(52)
def test_jobs_for_another_worker_are_parked_and_their_neighbours_run(
    queue: QueueUnderTest, client: redis.Redis, runs: Runs
) -> None:
    """A newer layout, an action of another version, an observer of another file: none is lost, none is in the way."""
    newer, action, observer = queue.publish([act(name) for name in ("newer", "action", "observer")])
    for job, change in (
        (newer, {"schema": 99}),
        (action, {"action": {"type": "teleport"}}),
        (observer, {"observer": "of another file"}),
    ):
        stored = client.hget(queue.key("jobs"), job.bytes)
        assert isinstance(stored, bytes)
        client.hset(queue.key("jobs"), job.bytes, json.dumps({**json.loads(stored), **change}))
    queue.publish([act(str(number)) for number in range(BYSTANDERS)])
    with WorkerProcess(queue.config, environment=runs.environment) as worker:
        wait_until(lambda: queue.stats().parked == 3, what="three parked jobs")
        wait_until(lambda: queue.count("completed") == BYSTANDERS, what="the bystanders")
        assert worker.stop() == 0
    views = [queue.view(job) for job in (newer, action, observer)]
    assert [view.state for view in views] == ["scheduled"] * 3
    assert all(view.parked for view in views)
    assert queue.stats().dead == 0


@pytest.mark.row(52)
def test_entries_that_name_no_job_are_dropped_and_nothing_goes_with_them(
    queue: QueueUnderTest, client: redis.Redis, runs: Runs
) -> None:
    """Members of odd lengths and letters, in every list and set that a turn or a reclaim reads."""
    odd: list[bytes] = [b"", b"x", b"\xff" * 16, b"\x00" * 17, b"a" * 16 + b"z", b"b" * 16 + b"d", b"c" * 40]
    soon = client.time()[0] * 1000
    queue.publish([act(str(number)) for number in range(BYSTANDERS)])
    scheduled = queue.publish([act("scheduled")])
    member = scheduled[0].bytes + b"d"
    client.lrem(queue.key("pending:d"), 1, member)  # type: ignore[arg-type] # bytes are as good as text
    client.zadd(queue.key("scheduled"), {member: soon, **dict.fromkeys(odd, soon)})
    for name in ("pending:c", "pending:d", "pending:l", "suspects"):
        client.rpush(queue.key(name), *odd)
    client.zadd(queue.key("parked"), dict.fromkeys(odd, soon))
    client.zadd(queue.key("leases"), {b"\xff\xfe": 1, b"nobody": 1})
    client.hset(queue.key("running:nobody"), mapping=dict.fromkeys(odd, b"1"))
    client.hset(queue.key("crashes"), mapping=dict.fromkeys(odd, b"rubbish"))
    client.xadd(queue.key("recent"), {"of": "another program"})
    with WorkerProcess(queue.config, environment=runs.environment) as worker:
        queue.wait_until_completed(BYSTANDERS + 1)
        assert worker.stop() == 0
    assert len(runs.ends()) == BYSTANDERS + 1


def wrong_types(client: redis.Redis) -> int:
    """Count the commands of whoever uses this server that have met a key of another type."""
    errors = client.info("errorstats")
    assert isinstance(errors, dict)
    return int(errors.get("errorstat_WRONGTYPE", {"count": 0})["count"])


def wait_for_wrong_types(client: redis.Redis, count: int) -> None:
    """Return when so many commands have met a key of another type."""
    wait_until(lambda: wrong_types(client) >= count, what="somebody who meets the key")


def wait_for_starts(runs: Runs, count: int) -> None:
    """Return when so many runs have started."""
    wait_until(lambda: len(runs.starts()) == count, what=f"{count} starts")


@pytest.mark.row(52)
def test_a_key_of_another_type_stops_the_queue_and_loses_nothing(
    queue: QueueUnderTest, client: redis.Redis, tmp_path: Path, runs: Runs
) -> None:
    """The worker goes on by itself when it has been put right, whichever key it was."""
    jobs: list[UUID] = []
    with WorkerProcess(queue.config, environment=runs.environment) as worker:
        children = worker.children()
        for name in KEYS:
            holder = client.zrange(queue.key("leases"), 0, 0)[0] if "*" in name else b""
            assert isinstance(holder, bytes)
            key = name.replace("*", holder.decode())
            gate = tmp_path / key
            jobs += queue.publish([act(f"{key} {number}", "wait", gate=str(gate)) for number in range(2)])
            wait_for_starts(runs, len(jobs))
            met = wrong_types(client)
            existed = bool(client.exists(queue.key(key)))
            if existed:
                client.rename(queue.key(key), queue.key("aside"))
            client.set(queue.key(key), "theirs")
            gate.touch()
            # Acks and turns meet it, and so does who enqueues.
            wait_for_wrong_types(client, met + 1)
            with contextlib.suppress(QueueError):
                jobs += queue.publish([act(f"{key} meanwhile")])
            client.delete(queue.key(key))
            if existed:
                client.rename(queue.key("aside"), queue.key(key))
            queue.wait_until_completed(len(jobs))
        assert worker.children() == children
        assert worker.stop() == 0
    assert [queue.view(job).state for job in jobs] == ["completed"] * len(jobs)
    assert queue.count("reclaimed") == 0


@pytest.mark.row(52)
def test_a_deleted_mark_stops_neither_workers_nor_producers_old_or_new(
    queue: QueueUnderTest, client: redis.Redis, server: ServerProcess, prefix: str, tmp_path: Path, runs: Runs
) -> None:
    """Whatever the worker has counted into it meanwhile, it is taken for ours again, and nothing is lost."""
    meta = queue.key("meta")
    with WorkerProcess(queue.config, environment=runs.environment) as worker:
        for round_ in range(3):
            gate = tmp_path / f"gate {round_}"
            queue.publish([act(f"held {round_}", "wait", gate=str(gate))])
            wait_for_starts(runs, 6 * round_ + 1)
            client.delete(meta)
            gate.touch()
            # The ack has counted into a hash that has no marker.
            wait_until(lambda: client.hexists(meta, "completed"), what="a count without a mark")
            assert not client.hexists(meta, "marker")
            late = queue_for(server, prefix, tmp_path)
            late.publish([act(f"late {round_} {number}") for number in range(BYSTANDERS // 4)])
            assert client.hexists(meta, "marker")
            wait_until(lambda: len(runs.ends()) == 6 * (round_ + 1), what="every job")  # noqa: B023
        assert worker.stop() == 0
    assert queue.stats().pending == 0
