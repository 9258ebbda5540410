"""Every error that a server may answer, to every call of a worker: no job is lost, and what may pass ends nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.faults.rig.proxy import Proxy
from tests.faults.rig.rules import Fate, Rule
from tests.support.queue_under_test import QueueUnderTest, act
from tests.support.runs import Runs
from tests.support.server import ServerProcess
from tests.support.wait import wait_until
from tests.support.worker_process import WorkerProcess

#: What passes by itself, or what a worker tries again for ever; as servers word it.
PASSING: Final = (
    "READONLY You can't write against a read only replica.",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "LOADING Redis is loading the dataset in memory",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "UNKILLABLE Sorry the script already executed write commands against the dataset.",
    "NOSCRIPT No matching script.",
    "MISCONF Errors writing to the AOF file: No space left on device",
    "NOREPLICAS Not enough good replicas to write.",
    "OOM command not allowed when used memory > 'maxmemory'.",
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "CLUSTERDOWN The cluster is down",
    "MOVED 3999 127.0.0.1:1",
    "ASK 3999 127.0.0.1:1",
    "CROSSSLOT Keys in request don't hash to the same slot",
    "ERR max number of clients reached",
    "ERR something that nobody has thought of",
    "WRONGTYPE Operation against a key holding the wrong kind of value",
)
#: What a person has to change.
REFUSING: Final = (
    "NOAUTH Authentication required.",
    "WRONGPASS invalid username-password pair or user is disabled.",
    "NOPERM this user has no permissions to run the 'evalsha' command",
)
#: The calls of a worker that runs jobs.
CALLS: Final = ("turn", "beat", "ack", "nack", "join", "open")
JOBS: Final = 4


def queue_for(proxy: Proxy, prefix: str, folder: Path) -> QueueUnderTest:
    """Configure a queue behind the proxy, with beats each second or so."""
    return QueueUnderTest(folder, proxy.url, prefix, worker="lease_duration_secs = 5", poll_interval_ms=100)


@pytest.mark.timeout(240)
def test_no_error_that_may_pass_ends_a_worker_or_loses_a_job(
    server: ServerProcess, prefix: str, tmp_path: Path, runs: Runs
) -> None:
    """Each is answered a few times to each call while jobs run; then all of them complete."""
    with Proxy(server.port) as proxy:
        queue = queue_for(proxy, prefix, tmp_path)
        total = 0
        with WorkerProcess(queue.config, environment=runs.environment) as worker:
            children = worker.children()
            for error in PASSING:
                queue.publish([act(f"{error} {number}") for number in range(JOBS)])
                rules = [proxy.on(call, fate=Fate.REFUSE, times=2, error=error) for call in CALLS]
                queue.publish([act(f"{error} flaky", "flaky", times=1, after_secs=0), act(f"{error} after")])
                total += JOBS + 2
                _wait_for(rules[0], error)
                queue.wait_until_completed(total)
                proxy.clear()
            assert worker.children() == children
            assert worker.stop() == 0
        assert len(runs.ends()) == total
        assert queue.count("reclaimed") == 0


@pytest.mark.parametrize("error", REFUSING)
def test_an_error_that_a_person_must_mend_ends_the_worker_and_keeps_the_jobs(
    server: ServerProcess, prefix: str, tmp_path: Path, runs: Runs, error: str
) -> None:
    """It ends with 3, and says what the server has said."""
    with Proxy(server.port) as proxy:
        queue = queue_for(proxy, prefix, tmp_path)
        with WorkerProcess(queue.config, environment=runs.environment) as worker:
            worker.children()
            proxy.on("turn", fate=Fate.REFUSE, times=None, error=error)
            assert worker.wait() == 3
            assert error.partition(" ")[0] in worker.log
        proxy.clear()
        queue.publish([act("kept")])
        assert queue.stats().pending == 1


def test_one_result_that_is_refused_keeps_no_other_back(
    server: ServerProcess, prefix: str, tmp_path: Path, runs: Runs
) -> None:
    """It is put aside and tried again by itself; the worker goes on, and the result lands when it can."""
    with Proxy(server.port) as proxy:
        queue = queue_for(proxy, prefix, tmp_path)
        with WorkerProcess(queue.config, environment=runs.environment) as worker:
            rule = proxy.on("ack", fate=Fate.REFUSE, times=6, error="ERR this one not")
            queue.publish([act(str(number)) for number in range(JOBS)])
            wait_until(lambda: rule.fired == 6, what="six refusals")
            queue.publish([act(f"more {number}") for number in range(JOBS)])
            queue.wait_until_completed(2 * JOBS)
            assert worker.stop() == 0
            assert "outcome_refused" in worker.log
        assert len(runs.ends()) == 2 * JOBS, "no job has run twice"


def _wait_for(rule: Rule, error: str) -> None:
    wait_until(lambda: rule.fired > 0, what=f"a call that hears {error}")
