"""Handlers that take their process with them: they are buried, and nobody beside them is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.queue_under_test import QueueUnderTest, act
from tests.support.runs import Runs
from tests.support.server import ServerProcess
from tests.support.wait import wait_until
from tests.support.worker_process import WorkerProcess

MAX_CRASHES = 3
BYSTANDERS = 40


@pytest.mark.row(9)
@pytest.mark.timeout(240)
def test_jobs_that_end_their_process_are_buried_and_no_other_job_is(
    server: ServerProcess, prefix: str, tmp_path: Path, runs: Runs
) -> None:
    """After two crashes a job runs alone; at the third it is a dead letter, with nobody beside it hurt."""
    queue = QueueUnderTest(
        tmp_path,
        server.url,
        prefix,
        worker=f"lease_duration_secs = 5\nmax_crashes = {MAX_CRASHES}",
        worker_concurrency=5,
    )
    poison = queue.publish([act("exit", "exit"), act("segfault", "segfault")])
    bystanders = queue.publish([act(str(number), secs=0.1) for number in range(BYSTANDERS)])
    with WorkerProcess(queue.config, environment=runs.environment) as worker:
        wait_until(lambda: queue.stats().dead == len(poison), deadline_secs=60, what="two dead letters")
        queue.wait_until_completed(BYSTANDERS)
        assert worker.stop() == 0
        assert "was ended by SIGSEGV" in worker.log
        assert "ended by itself with code 13" in worker.log

    assert queue.ids("dead_lettered") == set(poison)
    assert {view.reason for view in queue.jobs("dead_lettered")} == {"crash_limit"}
    assert [queue.view(job).state for job in bystanders] == ["completed"] * BYSTANDERS
    starts = [note.label for note in runs.starts()]
    # A job that was leased beside another poison may have had no time to start before its process ended.
    assert all(1 <= starts.count(label) <= MAX_CRASHES for label in ("exit", "segfault"))
    assert queue.count("completed") == BYSTANDERS
