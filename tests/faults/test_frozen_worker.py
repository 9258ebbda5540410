"""Workers that stand still: longer than their lease, shorter, and with the interpreter held."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import redis

from tests.faults.rig.catalogue import Entry
from tests.support.handlers import counters_path
from tests.support.queue_under_test import QueueUnderTest, act
from tests.support.runs import Runs
from tests.support.server import ServerProcess
from tests.support.wait import wait_until
from tests.support.worker_process import WorkerProcess

SLOTS = 4
LEASE_SECS = 5
WORKER = f"lease_duration_secs = {LEASE_SECS}\njob_timeout_secs = 60"


def queue_for(server: ServerProcess, prefix: str, folder: Path) -> QueueUnderTest:
    """Configure a queue with the shortest lease."""
    return QueueUnderTest(folder, server.url, prefix, worker=WORKER, worker_concurrency=SLOTS)


def lease_left_ms(client: redis.Redis, queue: QueueUnderTest) -> float:
    """Say how long the lease of the only worker with jobs still lasts."""
    (key,) = client.scan_iter(queue.key("running:*"))
    assert isinstance(key, bytes)
    ends_at_ms = client.zscore(queue.key("leases"), key.rpartition(b":")[2])
    assert isinstance(ends_at_ms, float)
    return ends_at_ms - queue.stats().now_ms


@pytest.mark.row(3)
def test_a_worker_that_wakes_after_its_lease_changes_nothing_and_starts_nothing(
    server: ServerProcess, prefix: str, tmp_path: Path, runs: Runs
) -> None:
    """What it was running ends twice but completes once, and what it had not begun it leaves to the other worker."""
    queue = queue_for(server, prefix, tmp_path)
    gate = tmp_path / "gate"
    labels = [str(number) for number in range(SLOTS)]
    with WorkerProcess(queue.config, environment=runs.environment, name="frozen") as frozen:
        (child,) = frozen.children()
        # One call leases all four; the first blocks the event loop, so that the others are held but not begun.
        job_ids = queue.publish([act(label, "block", gate=str(gate)) for label in labels])
        wait_until(lambda: runs.starts() and queue.stats().running == SLOTS, what="the leases")
        with frozen.frozen():
            gate.touch()
            with WorkerProcess(queue.config, environment=runs.environment, name="other") as other:
                queue.wait_until_completed(SLOTS)
                assert queue.count("reclaimed") == SLOTS
                woken_after = len(runs.notes())
                assert other.stop() == 0
        wait_until(
            lambda: [note for note in runs.ends() if note.pid == child], what="the end of the late handler"
        )
        # It works on, under another lease, with jobs that come now.
        after = queue.publish([act("after")])
        queue.wait_until_completed(SLOTS + 1)
        assert frozen.stop() == 0

    late = runs.notes()[woken_after:]
    assert [(note.what, note.label) for note in late if note.label != "after"] == [
        ("end", runs.starts()[0].label)
    ]
    assert sorted(note.label for note in runs.starts()) == sorted([*labels, runs.starts()[0].label, "after"])
    assert {note.attempt for note in runs.notes()} == {1}
    assert queue.count("completed") == SLOTS + 1
    assert [queue.view(job).state for job in [*job_ids, *after]] == ["completed"] * (SLOTS + 1)
    # The results that came too late; what was not begun is given back, which nobody has to refuse.
    counters = json.loads(counters_path(tmp_path / "runs", child).read_bytes())
    assert 1 <= counters["lease_lost"] <= SLOTS


@pytest.mark.row(4)
def test_a_worker_that_is_frozen_for_half_its_lease_repeats_nothing(
    server: ServerProcess, prefix: str, tmp_path: Path, runs: Runs
) -> None:
    """Another worker waits all the while and takes nothing."""
    queue = queue_for(server, prefix, tmp_path)
    gate = tmp_path / "gate"
    with WorkerProcess(queue.config, environment=runs.environment, name="frozen") as frozen:
        queue.publish([act(str(number), "wait", gate=str(gate)) for number in range(SLOTS)])
        wait_until(lambda: len(runs.starts()) == SLOTS, what="the starts")
        with WorkerProcess(queue.config, environment=runs.environment, name="other") as other:
            with server.client() as client:
                # Right after a beat, so that half a lease is left on a machine that is late with everything.
                wait_until(lambda: lease_left_ms(client, queue) > LEASE_SECS * 1000 - 300, what="a beat")
            before = queue.stats().now_ms
            with frozen.frozen():
                wait_until(lambda: queue.stats().now_ms - before > LEASE_SECS * 500, what="half a lease")
            gate.touch()
            queue.wait_until_completed(SLOTS)
            assert (frozen.stop(), other.stop()) == (0, 0)
    assert len(runs.starts()) == SLOTS
    assert queue.count("reclaimed") == 0


@pytest.mark.row(6)
def test_a_handler_that_holds_the_interpreter_beyond_the_lease_keeps_it(
    server: ServerProcess, prefix: str, tmp_path: Path, runs: Runs, catalogue: Entry
) -> None:
    """Beats need no interpreter: nobody else gets the job, and its ack is good."""
    queue = queue_for(server, prefix, tmp_path)
    with WorkerProcess(queue.config, environment=runs.environment, name="held") as held:
        queue.publish([act("held", "hold", secs=LEASE_SECS + 3)])
        wait_until(runs.starts, what="the start")
        with WorkerProcess(queue.config, environment=runs.environment, name="other") as other:
            queue.wait_until_completed(1)
            assert (held.stop(), other.stop()) == (0, 0)
    catalogue.record(lost=int(not runs.ends()), duplicated=len(runs.ends()[1:]), bound=0)
    assert [note.what for note in runs.notes()] == ["start", "end"]
    assert queue.count("reclaimed") == 0


@pytest.mark.row(6)
@pytest.mark.long
def test_a_handler_that_holds_the_interpreter_beyond_its_timeout_lets_go(
    server: ServerProcess, prefix: str, tmp_path: Path, runs: Runs, catalogue: Entry
) -> None:
    """It keeps its lease for three of them, and its job until the timeout; then another process runs the job."""
    timeout_secs = 3 * LEASE_SECS + 1
    queue = QueueUnderTest(
        tmp_path,
        server.url,
        prefix,
        worker=f"lease_duration_secs = {LEASE_SECS}\njob_timeout_secs = {timeout_secs}",
        worker_concurrency=SLOTS,
    )
    with WorkerProcess(queue.config, environment=runs.environment, name="held") as held:
        (child,) = held.children()
        queue.publish([act("held", "hold", secs=600, attempts=1)])
        wait_until(runs.starts, what="the start")
        with WorkerProcess(queue.config, environment=runs.environment, name="other") as other:
            queue.wait_until_completed(1)
            [first, second] = runs.starts()
            assert (first.pid, first.attempt, second.attempt) == (child, 1, 2)
            # One that was leased for it in its first second without an answer is given back after a lease.
            assert 3 * LEASE_SECS < second.at - first.at < timeout_secs + 2 * LEASE_SECS
            assert queue.count("reclaimed") == 0
            # The supervisor takes the silence of its child for what it is.
            wait_until(lambda: held.children() not in ([], [child]), what="another process")
            assert (held.stop(), other.stop()) == (0, 0)
    catalogue.record(lost=int(not runs.ends()), duplicated=len(runs.ends()[1:]), bound=0)
    assert [note.label for note in runs.ends()] == ["held"]
