"""Handlers that take their process with them, and handlers that never come back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.queue_under_test import QueueUnderTest, act, made
from tests.support.runs import Runs
from tests.support.server import ServerProcess
from tests.support.wait import wait_until
from tests.support.worker_process import WorkerProcess

MAX_CRASHES = 3
BYSTANDERS = 40


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
        wait_until(lambda: queue.stats().dead == len(poison), deadline_secs=120, what="two dead letters")
        queue.wait_until_completed(BYSTANDERS)
        assert worker.stop() == 0
        assert "was ended by SIGSEGV" in worker.log
        assert "ended by itself with code 13" in worker.log

    assert queue.ids("dead_lettered") == set(poison)
    assert {view.reason for view in queue.jobs("dead_lettered")} == {"crash_limit"}
    assert [queue.view(job).state for job in bystanders] == ["completed"] * BYSTANDERS
    starts = [note.label for note in runs.starts()]
    assert (starts.count("exit"), starts.count("segfault")) == (MAX_CRASHES, MAX_CRASHES)
    assert queue.count("completed") == BYSTANDERS


@pytest.mark.timeout(180)
def test_a_handler_that_hangs_is_given_up_in_time_and_others_go_on(
    server: ServerProcess, prefix: str, tmp_path: Path, runs: Runs
) -> None:
    """An attempt that hangs on the event loop is cancelled and repeated; the process stays."""
    queue = QueueUnderTest(
        tmp_path, server.url, prefix, worker="lease_duration_secs = 5\njob_timeout_secs = 1"
    )
    with WorkerProcess(queue.config, environment=runs.environment) as worker:
        (child,) = worker.children()
        hanging = queue.publish([act("hanging", "hang_once")])
        wait_until(lambda: runs.starts(), what="the start")
        queue.publish([act(str(number)) for number in range(BYSTANDERS)])
        wait_until(lambda: len(runs.ends()) >= BYSTANDERS, what="the bystanders")
        queue.wait_until_completed(BYSTANDERS + 1)
        assert worker.children() == [child]
        assert worker.metrics()[
            'fraiseql_observer_job_attempts_failed_total{action_type="function",error_type="timeout"}'
        ] == 1
        assert worker.stop() == 0
    first, second = [note for note in runs.starts() if note.label == "hanging"]
    assert (first.attempt, second.attempt) == (1, 2)
    assert 1.0 <= second.at - first.at
    assert queue.view(hanging[0]).state == "completed"
    assert len(runs.starts()) == BYSTANDERS + 2


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("entity", "do"), [("Thread", "hang_once"), ("Act", "deaf_once")], ids=["thread", "deaf"]
)
def test_a_handler_that_nothing_ends_has_its_process_replaced_before_it_is_repeated(
    server: ServerProcess, prefix: str, tmp_path: Path, runs: Runs, entity: str, do: str
) -> None:
    """The retry waits until the old process is gone, so that two attempts never run at once."""
    shutdown_secs = 2
    queue = QueueUnderTest(
        tmp_path,
        server.url,
        prefix,
        worker=f"lease_duration_secs = 5\njob_timeout_secs = 1\nshutdown_timeout_secs = {shutdown_secs}",
    )
    with WorkerProcess(queue.config, environment=runs.environment) as worker:
        (child,) = worker.children()
        queue.publish([made(entity, "hanging", do=do)])
        wait_until(lambda: runs.starts(), what="the start")
        queue.publish([act(str(number)) for number in range(BYSTANDERS)])
        queue.wait_until_completed(BYSTANDERS + 1)
        (replaced,) = worker.children()
        assert replaced != child
        assert worker.stop() == 0
    first, second = [note for note in runs.starts() if note.label == "hanging"]
    assert (first.attempt, second.attempt) == (1, 2)
    if entity == "Thread":
        assert second.at - first.at >= 1.0 + shutdown_secs
        assert (first.pid, second.pid) == (child, replaced)
    assert queue.count("reclaimed") == 0
