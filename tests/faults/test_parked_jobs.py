"""Jobs that no worker can run yet: they wait, wake when one that can run them starts, and expire where none comes."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.support.queue_under_test import QueueUnderTest, act
from tests.support.runs import Runs
from tests.support.server import ServerProcess
from tests.support.wait import wait_until
from tests.support.worker_process import WorkerProcess

#: More than one look of a tending worker takes in.
MANY = 250
#: A worker looks at what is parked when it starts, and seldom later.
SOON_SECS = 20.0


def queue_for(server: ServerProcess, prefix: str, folder: Path) -> QueueUnderTest:
    """Configure a queue that is polled often."""
    return QueueUnderTest(folder, server.url, prefix, worker="lease_duration_secs = 5", poll_interval_ms=100)


def rewrite(server: ServerProcess, queue: QueueUnderTest, jobs: list[UUID], **change: Any) -> None:
    """Change fields in the stored bytes of jobs, as a writer of another version would have written them."""
    client = server.client()
    for job in jobs:
        stored = client.hget(queue.key("jobs"), job.bytes)
        assert isinstance(stored, bytes)
        client.hset(queue.key("jobs"), job.bytes, json.dumps({**json.loads(stored), **change}))


def test_a_newer_job_waits_for_a_worker_that_knows_it_and_wakes_when_one_starts(
    server: ServerProcess, prefix: str, tmp_path: Path, runs: Runs
) -> None:
    """Today's worker parks it, and leaves it as it is; a later one takes it up within seconds of its start.

    A later worker is one to which the bytes are of a layout that it knows. Since there is none yet, the bytes are put
    into today's layout before the second worker starts, which comes to the same.
    """
    queue = queue_for(server, prefix, tmp_path)
    (newer,) = queue.publish([act("newer")])
    rewrite(server, queue, [newer], schema=2)
    with WorkerProcess(queue.config, environment=runs.environment) as worker:
        wait_until(lambda: queue.stats().parked == 1, what="the parked job")
        assert queue.view(newer).parked == "newer worker needed: schema 2, known up to 1"
        queue.publish([act("usual")])
        wait_until(lambda: runs.ended({"usual"}), what="the usual job")
        assert worker.stop() == 0
    view = queue.view(newer)
    assert (view.state, view.attempts, queue.count("parked")) == ("scheduled", [], 1)
    rewrite(server, queue, [newer], schema=1)
    with WorkerProcess(queue.config, environment=runs.environment) as worker:
        started = time.monotonic()
        wait_until(lambda: runs.ended({"newer"}), what="the job that was newer")
        assert time.monotonic() - started < SOON_SECS
        assert worker.stop() == 0
    assert queue.view(newer).state == "completed"
    assert (queue.stats().parked, queue.count("unparked")) == (0, 1)


def test_jobs_behind_many_that_stay_parked_wake_too(
    server: ServerProcess, prefix: str, tmp_path: Path, runs: Runs
) -> None:
    """A look takes in a page; the next one goes on behind it, on each queue by itself."""
    queue = queue_for(server, prefix, tmp_path)
    jobs = queue.publish([act(str(number)) for number in range(MANY)])
    rewrite(server, queue, jobs, schema=2)
    with WorkerProcess(queue.config, environment=runs.environment) as worker:
        wait_until(lambda: queue.stats().parked == MANY, what="all jobs parked")
        # The last to expire are the last to be looked at.
        client = server.client()
        last = [entry for entry in client.zrange(queue.key("parked"), -5, -1) if isinstance(entry, bytes)]
        rewrite(server, queue, [UUID(bytes=entry[:16]) for entry in last], schema=1)
        wait_until(lambda: queue.count("completed") == 5, what="the last five")
        assert worker.stop() == 0
    assert queue.stats().parked == MANY - 5


def test_a_parked_job_whose_time_is_up_is_a_dead_letter(
    server: ServerProcess, prefix: str, tmp_path: Path, runs: Runs
) -> None:
    """Reason `expired`, with its bytes as they were: it is not lost."""
    queue = queue_for(server, prefix, tmp_path)
    (newer,) = queue.publish([act("newer")])
    rewrite(server, queue, [newer], schema=2)
    with WorkerProcess(queue.config, environment=runs.environment) as worker:
        wait_until(lambda: queue.stats().parked == 1, what="the parked job")
        client = server.client()
        client.zadd(queue.key("parked"), {newer.bytes + b"d": int(time.time() * 1000)}, xx=True)
        wait_until(lambda: queue.stats().dead == 1, what="the dead letter")
        assert worker.stop() == 0
    view = queue.view(newer)
    assert (view.state, view.reason) == ("dead_lettered", "expired")
    assert view.raw is not None
    assert json.loads(view.raw)["schema"] == 2
