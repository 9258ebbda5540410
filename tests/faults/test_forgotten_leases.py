"""A server that has forgotten what it answered, or remembers what has ended: worker and queue agree again."""

from __future__ import annotations

from pathlib import Path

from tests.support.queue_under_test import QueueUnderTest, act
from tests.support.runs import Runs
from tests.support.server import ServerProcess
from tests.support.wait import wait_until
from tests.support.worker_process import WorkerProcess


def test_a_lease_that_the_server_has_forgotten_is_let_go(
    server: ServerProcess, prefix: str, tmp_path: Path, runs: Runs
) -> None:
    """The worker stops the job, which the server has as pending again, and runs it once more."""
    queue = QueueUnderTest(tmp_path, server.url, prefix, worker="lease_duration_secs = 5")
    client = server.client()
    gate = tmp_path / "gate"
    job = queue.publish([act("job", "wait", gate=str(gate))])[0]
    with WorkerProcess(queue.config, environment=runs.environment) as worker:
        wait_until(lambda: len(runs.starts()) == 1, what="a start")
        running = next(client.scan_iter(queue.key("running:*")))
        member = job.bytes + b"d"
        with client.pipeline(transaction=True) as pipe:
            pipe.hdel(running, member)
            pipe.zadd(queue.key("parked"), {member: 2**42})
            pipe.execute()
        wait_until(lambda: "unheld" in worker.log, what="a job that is let go")
        with client.pipeline(transaction=True) as pipe:
            pipe.zrem(queue.key("parked"), member)
            pipe.rpush(queue.key("pending:d"), member)
            pipe.execute()
        wait_until(lambda: len(runs.starts()) == 2, what="a second start")
        gate.touch()
        queue.wait_until_completed(1)
        assert worker.stop() == 0
    assert len(runs.ends()) == 1
    assert queue.count("reclaimed") == 0


def test_a_lease_that_only_the_server_remembers_is_given_back(
    server: ServerProcess, prefix: str, tmp_path: Path, runs: Runs
) -> None:
    """Else the jobs would wait as long as their worker lives, whatever call they are held under."""
    calls = ("1", "rubbish", "1.0", "-1", "999999999999", "99999999999999999999")
    queue = QueueUnderTest(tmp_path, server.url, prefix, worker="lease_duration_secs = 5")
    client = server.client()
    _, *strays = queue.publish([act("first"), *(act(call) for call in calls)])
    members = [stray.bytes + b"d" for stray in strays]
    for member in members:
        client.lrem(queue.key("pending:d"), 1, member)  # type: ignore[arg-type] # bytes are as good as text
    with WorkerProcess(queue.config, environment=runs.environment) as worker:
        wait_until(lambda: queue.count("completed") == 1, what="the other job")
        holder = next(name for name in client.hkeys(queue.key("workers")) if isinstance(name, bytes)).decode()
        # As it is when the server has forgotten acks: the jobs are there, held under a call that is over.
        client.hset(queue.key(f"running:{holder}"), mapping=dict(zip(members, calls, strict=True)))
        queue.wait_until_completed(1 + len(calls))
        assert worker.stop() == 0
    assert len(runs.ends()) == 1 + len(calls)
    assert queue.count("released") == len(calls)
