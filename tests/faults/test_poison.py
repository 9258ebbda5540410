"""Handlers that take their process with them: they are buried, and nobody beside them is."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from tests.faults.rig.catalogue import Entry
from tests.faults.rig.scene import LEASE_SECS, MARGIN_SECS, Scene
from tests.support.cgroup import memory_cgroup
from tests.support.queue_under_test import act
from tests.support.server import ServerProcess

MAX_CRASHES = 3
BYSTANDERS = 60
SLOTS = 5
POISON = {
    "exit": "ended by itself with code 13",
    "segfault": "was ended by SIGSEGV",
    "abort": "was ended by SIGABRT",
}
#: Each crash that buries a job follows a lease; poison jobs that are suspects wait for each other.
DRAIN_SECS = MAX_CRASHES * (LEASE_SECS + MARGIN_SECS) * len(POISON)


def run_poison(scene: Scene, poison: list[dict[str, Any]], catalogue: Entry) -> None:
    """Run poison among bystanders, in an order of its own, until nothing is left; all promises must be kept."""
    made = [*poison, *(act(str(number), secs=0.1) for number in range(BYSTANDERS))]
    random.Random(scene.seed).shuffle(made)
    scene.publish(made)
    for _ in poison:
        # Its first deaths take along what runs beside it; the last one it dies alone.
        scene.history.fault("poison", "a child", (MAX_CRASHES - 1) * SLOTS)
    with scene.fleet:
        scene.drained_secs = scene.wait_until_drained(DRAIN_SECS)
        finding = scene.judge(stop=True)
    scene.report(finding, catalogue)
    assert finding.broken == []
    assert finding.duplicated <= scene.queue.count("reclaimed")
    assert scene.queue.count("completed") == BYSTANDERS
    assert scene.queue.ids("dead_lettered") == scene.doomed


@pytest.mark.row(9)
@pytest.mark.long
@pytest.mark.timeout(240)
@pytest.mark.parametrize("run", range(10))
def test_jobs_that_end_their_process_are_buried_and_no_other_job_is(
    server: ServerProcess, prefix: str, tmp_path: Path, seed: int, catalogue: Entry, run: int
) -> None:
    """After two crashes a job runs alone; at the third it is a dead letter, with nobody beside it hurt."""
    scene = Scene(
        tmp_path,
        server,
        prefix,
        seed=seed,
        workers=1,
        processes=2,
        slots=SLOTS,
        max_crashes=MAX_CRASHES,
    )
    run_poison(scene, [act(kind, kind) for kind in POISON], catalogue)
    assert {view.reason for view in scene.queue.jobs("dead_lettered")} == {"crash_limit"}
    [log] = scene.fleet.logs().values()
    assert all(words in log for words in POISON.values())
    starts = [note.label for note in scene.runs.starts()]
    # A job that was leased beside another poison may have had no time to start before its process ended.
    assert all(1 <= starts.count(label) <= MAX_CRASHES for label in POISON)


@pytest.mark.row(10)
@pytest.mark.timeout(240)
def test_a_job_that_eats_all_memory_is_buried_and_no_other_job_is(
    server: ServerProcess, prefix: str, tmp_path: Path, seed: int, catalogue: Entry
) -> None:
    """It may get an exception or end its process, as whoever next wants memory decides; it is buried in each case."""
    scene = Scene(
        tmp_path,
        server,
        prefix,
        seed=seed,
        workers=1,
        processes=2,
        slots=SLOTS,
        max_crashes=MAX_CRASHES,
    )
    run_poison(scene, [act(f"eat {number}", "eat", megabytes=100) for number in range(2)], catalogue)
    assert {view.reason for view in scene.queue.jobs("dead_lettered")} <= {"crash_limit", "retries_exhausted"}


@pytest.mark.row(10)
@pytest.mark.long
@pytest.mark.timeout(240)
def test_a_job_for_which_the_kernel_kills_its_process_is_buried_and_no_other_job_is(
    server: ServerProcess, prefix: str, tmp_path: Path, seed: int, catalogue: Entry
) -> None:
    """It eats more than its control group has: the kernel ends the process, and the worker starts another."""
    scene = Scene(
        tmp_path,
        server,
        prefix,
        seed=seed,
        workers=1,
        processes=2,
        slots=SLOTS,
        max_crashes=MAX_CRASHES,
    )
    try:
        with memory_cgroup(64) as group:
            run_poison(scene, [act("gorge", "gorge", cgroup=str(group))], catalogue)
    except PermissionError as error:
        pytest.skip(f"no control group with little memory can be made here: {error}")
    assert {view.reason for view in scene.queue.jobs("dead_lettered")} == {"crash_limit"}
    [log] = scene.fleet.logs().values()
    assert "was ended by SIGKILL" in log
