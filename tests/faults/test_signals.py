"""Ends of a worker that nobody has planned: what ran is finished or comes back, and no process stays."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.queue_under_test import QueueUnderTest, act
from tests.support.runs import Runs
from tests.support.server import ServerProcess
from tests.support.wait import wait_until
from tests.support.worker_process import WorkerProcess

JOBS = 3
GRACE_SECS = 1
WORKER = f"lease_duration_secs = 5\nshutdown_timeout_secs = {GRACE_SECS}\n"

@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """Name the file whose existence lets running jobs end."""
    return tmp_path / "gate"


def busy(queue: QueueUnderTest, worker: WorkerProcess, runs: Runs, gate: Path) -> None:
    """Give a worker jobs that run until the gate opens, and return when all do."""
    worker.start()
    queue.publish([act(str(number), "wait", gate=str(gate)) for number in range(JOBS)])
    wait_until(lambda: len(runs.starts()) == JOBS, what="the starts")


def test_ctrl_c_finishes_what_runs(
    server: ServerProcess, prefix: str, tmp_path: Path, runs: Runs, gate: Path
) -> None:
    """A terminal sends SIGINT to the whole group: the children must not take it for themselves."""
    queue = QueueUnderTest(tmp_path, server.url, prefix, worker="shutdown_timeout_secs = 30")
    worker = WorkerProcess(queue.config, environment=runs.environment, processes=2)
    busy(queue, worker, runs, gate)
    worker.signal_group(signal.SIGINT)
    wait_until(lambda: "finishing what runs" in worker.log, what="the answer to the signal")
    gate.touch()
    assert worker.wait() == 0
    assert len(runs.ends()) == JOBS
    assert (queue.count("completed"), queue.stats().running) == (JOBS, 0)


@pytest.mark.timeout(120)
def test_children_of_a_killed_supervisor_finish_what_runs_and_end(
    server: ServerProcess, prefix: str, tmp_path: Path, runs: Runs, gate: Path
) -> None:
    """The end of its pipe tells each child to stop, as a first signal does."""
    queue = QueueUnderTest(tmp_path, server.url, prefix, worker="shutdown_timeout_secs = 30")
    worker = WorkerProcess(queue.config, environment=runs.environment, processes=2)
    busy(queue, worker, runs, gate)
    worker.signal(signal.SIGKILL)
    gate.touch()
    assert worker.wait() == -signal.SIGKILL
    assert len(runs.ends()) == JOBS
    stats = queue.stats()
    assert (stats.counters["completed"], stats.running, stats.pending) == (JOBS, 0, 0)


@pytest.mark.timeout(120)
def test_jobs_of_a_killed_child_come_back_and_the_child_is_replaced(
    server: ServerProcess, prefix: str, tmp_path: Path, runs: Runs, gate: Path
) -> None:
    """They run again when the lease has run out, and the worker ends in good order later."""
    queue = QueueUnderTest(tmp_path, server.url, prefix, worker=WORKER)
    worker = WorkerProcess(queue.config, environment=runs.environment)
    busy(queue, worker, runs, gate)
    (child,) = worker.children()
    os.kill(child, signal.SIGKILL)
    gate.touch()
    queue.wait_until_completed(JOBS)
    assert child not in worker.children()
    assert worker.stop() == 0
    assert len(runs.starts()) == 2 * JOBS
    assert len(runs.ends()) == JOBS
    assert {note.attempt for note in runs.starts()} == {1}
    assert queue.count("reclaimed") == JOBS
    assert "was ended by SIGKILL" in worker.log


@pytest.mark.timeout(120)
def test_a_worker_whose_server_is_down_stops_in_time(
    fresh_server: ServerProcess, prefix: str, tmp_path: Path, runs: Runs, gate: Path
) -> None:
    """It cannot give back what it holds; its lease runs out at the server instead, and the jobs run again."""
    queue = QueueUnderTest(tmp_path, fresh_server.url, prefix, worker=WORKER)
    worker = WorkerProcess(queue.config, environment=runs.environment)
    busy(queue, worker, runs, gate)
    fresh_server.kill()
    began = time.monotonic()
    code = worker.stop()
    # Two seconds beyond the grace are the promise; the rest is for the end of two interpreters here.
    assert time.monotonic() - began <= GRACE_SECS + 2 + 3
    assert code == 0
    fresh_server.start()
    gate.touch()
    with WorkerProcess(queue.config, environment=runs.environment) as worker:
        queue.wait_until_completed(JOBS)
        assert worker.stop() == 0
    assert len(runs.starts()) == 2 * JOBS
