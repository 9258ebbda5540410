"""Large numbers: events published again, and acks that nothing may refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.handlers import counters_path
from tests.support.queue_under_test import QueueUnderTest, made
from tests.support.runs import Runs
from tests.support.scale import size
from tests.support.server import ServerProcess
from tests.support.worker_process import WorkerProcess


def test_events_published_again_after_their_jobs_are_done_make_no_job(
    server: ServerProcess, prefix: str, tmp_path: Path
) -> None:
    """The ids of ended jobs are remembered, however many there are."""
    count = 10_000
    queue = QueueUnderTest(
        tmp_path, server.url, prefix, worker="lease_duration_secs = 5", worker_concurrency=100
    )
    events = [made("Noop", str(number)) for number in range(count)]
    first = queue.publish(events)
    with WorkerProcess(queue.config) as worker:
        queue.wait_until_completed(count, deadline_secs=120)
        again = queue.publish(events)
        assert worker.stop() == 0
    assert again == first
    assert len(set(first)) == count
    stats = queue.stats()
    assert (stats.counters["enqueued"], stats.counters["completed"]) == (count, count)
    assert (stats.pending, stats.running, stats.scheduled, stats.dead) == (0, 0, 0, 0)


@pytest.mark.timeout(600)
def test_no_ack_is_refused_while_a_short_lease_is_renewed(
    server: ServerProcess, prefix: str, tmp_path: Path, runs: Runs
) -> None:
    """Renewing a lease changes no token, so that acks under way stay good; each job runs once."""
    count = size(quick=20_000, full=200_000)
    queue = QueueUnderTest(
        tmp_path, server.url, prefix, worker="lease_duration_secs = 5", worker_concurrency=100
    )
    queue.publish([made("Noop", str(number)) for number in range(count)])
    with WorkerProcess(queue.config, environment=runs.environment) as worker:
        (child,) = worker.children()
        queue.wait_until_completed(count, deadline_secs=500)
        assert worker.stop() == 0
    counters = json.loads(counters_path(tmp_path / "runs", child).read_bytes())
    assert counters["lease_lost"] == 0
    assert counters["executed"] == {"function": count}
    assert sum(counters["duration"]["function"]["buckets"]) == count
    assert queue.count("completed") == count
    assert queue.count("reclaimed") == 0
