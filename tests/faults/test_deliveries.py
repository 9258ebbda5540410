"""A thousand webhooks through killed workers and killed servers: each arrives, and what arrives twice is explained."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest

from fraiseql_observers.errors import DurabilityNotConfirmed, QueueUnavailable
from tests.support.queue_under_test import QueueUnderTest, ids_of, made
from tests.support.receiver import Reply, Rule
from tests.support.running_receiver import ReceiverProcess
from tests.support.server import ServerProcess
from tests.support.total_queue import check
from tests.support.wait import wait_until
from tests.support.worker_process import WorkerProcess

JOBS = 1_000
SLOTS = 10
KILLS = 5
RESTARTS = 2
#: So slow that some deliveries are always under way.
RECEIVER_RULES = (Rule("/hook", (Reply(delay_secs=0.02),)),)
#: Seconds within which an accepted write may not be on its way to the disk yet, under ``everysec``.
LOSS_WINDOW_SECS = 2.0
#: The shortest lease; and so many crashes that five kills bury nobody.
WORKER = "lease_duration_secs = 5\njob_timeout_secs = 30\nmax_crashes = 10"


def webhooks(folder: Path, server: ServerProcess, prefix: str, receiver: ReceiverProcess) -> QueueUnderTest:
    """Configure one webhook to the receiver for each event of a hook."""
    rules = f"""
[observers.hook]
event_type = "INSERT"
entity = "Hook"
[[observers.hook.actions]]
type = "webhook"
url = "{receiver.url}/hook"
allow_private = true
timeout_secs = 10
"""
    return QueueUnderTest(
        folder, server.url, prefix, worker=WORKER, rules=rules, worker_concurrency=SLOTS, max_retries=20
    )


def events() -> list[dict[str, Any]]:
    """Make the events of one run."""
    return [made("Hook", str(number)) for number in range(JOBS)]


def wait_for_deliveries(receiver: ReceiverProcess, goal: int, *, deadline_secs: float = 60) -> None:
    """Return when so many webhook-ids have been accepted."""
    wait_until(
        lambda: receiver.counts().accepted >= goal,
        deadline_secs=deadline_secs,
        what=f"{goal} accepted deliveries",
    )


@pytest.mark.row(1)
@pytest.mark.long
def test_five_killed_workers_lose_nothing_and_repeat_only_what_was_running(
    server: ServerProcess, prefix: str, tmp_path: Path
) -> None:
    """SIGKILL to the whole worker: its jobs come back when its lease has run out, and no others do."""
    with ReceiverProcess(tmp_path / "evidence", RECEIVER_RULES) as receiver:
        queue = webhooks(tmp_path, server, prefix, receiver)
        worker = WorkerProcess(queue.config)
        job_ids = queue.publish(events())
        running_at_a_kill: set[UUID] = set()
        held = 0
        for number in range(1, KILLS + 1):
            worker.start()
            wait_for_deliveries(receiver, number * JOBS // (KILLS + 1))
            worker.kill()
            # Jobs of earlier kills may still be there, since a lease outlives its worker.
            new = queue.ids("running") - running_at_a_kill
            assert len(new) <= SLOTS
            held += len(queue.ids("running"))
            running_at_a_kill |= new
        with worker:
            queue.wait_until_completed(JOBS)
            assert worker.stop() == 0
        verdict = check(job_ids, job_ids, ids_of(one.id for one in receiver.deliveries()))

    assert len(set(job_ids)) == JOBS
    assert not verdict.lost
    assert not verdict.unexpected
    assert verdict.duplicated.keys() <= running_at_a_kill
    assert verdict.repeats <= held
    assert queue.count("completed") == JOBS
    assert queue.stats().dead == 0


class Producer(threading.Thread):
    """Publishes events while the server comes and goes, and repeats each call until it is told that it was done.

    Args:
        queue: Where to.
        to_publish: The events, ten a call.
    """

    def __init__(self, queue: QueueUnderTest, to_publish: list[dict[str, Any]]) -> None:
        super().__init__(daemon=True)
        self._queue = queue
        self._events = to_publish
        self.accepted: list[UUID] = []
        self.refusals = 0

    def run(self) -> None:
        """Publish everything."""
        for first in range(0, len(self._events), 10):
            while True:
                try:
                    self.accepted += self._queue.publish(self._events[first : first + 10])
                except (QueueUnavailable, DurabilityNotConfirmed):
                    self.refusals += 1
                else:
                    break


@pytest.mark.row(14)
@pytest.mark.long
def test_a_server_killed_twice_loses_nothing(
    fresh_server: ServerProcess, prefix: str, tmp_path: Path
) -> None:
    """SIGKILL to the server while jobs are enqueued, leased and acked; the append-only file brings all back."""
    with ReceiverProcess(tmp_path / "evidence", RECEIVER_RULES) as receiver:
        queue = webhooks(tmp_path, fresh_server, prefix, receiver)
        to_publish = events()
        attempted = [uuid5(UUID(one["id"]), "0:hook") for one in to_publish]
        producer = Producer(queue, to_publish)
        outages: list[tuple[float, float]] = []
        with WorkerProcess(queue.config) as worker:
            producer.start()
            for number in range(1, RESTARTS + 1):
                wait_for_deliveries(receiver, number * JOBS // (RESTARTS + 2))
                before = receiver.deliveries()[-1].at
                fresh_server.kill()
                fresh_server.start()
                # The worker is back within five seconds.
                wait_for_deliveries(receiver, receiver.counts().accepted + SLOTS + 1, deadline_secs=5)
                outages.append((before, receiver.deliveries()[-1].at))
            producer.join(60)
            queue.wait_until_completed(JOBS)
            assert worker.stop() == 0
        deliveries = receiver.deliveries()
        verdict = check(attempted, producer.accepted, ids_of(one.id for one in deliveries))

    assert len(producer.accepted) == JOBS
    assert not verdict.lost
    assert not verdict.unexpected
    first_at = {UUID(str(one.id)): one.at for one in reversed(deliveries)}
    for job_id in verdict.duplicated:
        # The lease or the ack of a delivery that was repeated fell into an outage, or right before it.
        assert any(before - LOSS_WINDOW_SECS <= first_at[job_id] <= after for before, after in outages), (
            f"{job_id} was repeated without an outage"
        )
    assert queue.count("completed") == JOBS
    assert queue.count("enqueued") == JOBS
