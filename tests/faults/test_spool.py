"""The queue is away, and what is enqueued meanwhile waits on the producer's disk."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fraiseql_observers import _core
from fraiseql_observers._core import EntityEvent, Job, QueueStats
from fraiseql_observers.config import Config
from fraiseql_observers.errors import ConfigError, QueueUnavailable
from fraiseql_observers.executor import build_with_queue, build_with_queue_sync
from tests.support.configs import config_for, log_observer
from tests.support.queue_under_test import QueueUnderTest
from tests.support.server import ServerProcess
from tests.support.wait import wait_until

#: Two processes end before somebody looks for what they left; that happens every 15 s.
ADOPTED_WITHIN_SECS = 40.0


def event(**data: object) -> EntityEvent:
    """Return an event of an order."""
    return EntityEvent("INSERT", "Order", uuid.uuid4(), data)


def config_at(server: ServerProcess, spool: Path, *, delay_secs: int = 0, **storage: object) -> Config:
    """Return a configuration with a spool."""
    settings = {"enqueue_timeout_secs": 1, "spool_dir": str(spool), **storage}
    return config_for(server.url, "t", {"a": log_observer(delay_secs=delay_secs)}, storage=settings)


def stats_of(server: ServerProcess) -> QueueStats:
    """Return the counts of the default queue, seen without a spool."""
    with build_with_queue_sync(config_for(server.url, "t", {})) as executor:
        return executor.queue.stats_blocking("default")[0]


def pending_ids(server: ServerProcess, prefix: str = "t") -> list[uuid.UUID]:
    """Return the jobs in the order in which they will be leased."""
    with server.client() as client:
        entries = client.lrange(f"{{{prefix}:default:0}}:pending:d", 0, -1)
    assert isinstance(entries, list)
    members = [entry for entry in reversed(entries) if isinstance(entry, bytes)]
    return [uuid.UUID(bytes=member[:16]) for member in members]


def counter(name: str) -> int:
    """Return what the core of this process has counted."""
    return int(json.loads(_core.counters_snapshot())[name])


def test_what_is_enqueued_while_the_server_is_away_arrives_in_order(
    tmp_path: Path, fresh_server: ServerProcess
) -> None:
    """The first call tries for its time, the others go to the spool at once; the ids are the same everywhere."""
    config = config_at(fresh_server, tmp_path / "spool")
    orders = [event() for _ in range(50)]
    spooled, replayed = counter("spooled"), counter("spool_replayed")
    with build_with_queue_sync(config) as executor:
        executor.process_event(orders[0])
        fresh_server.kill()
        first = executor.process_event(orders[1])
        assert (first.jobs_spooled, first.jobs_queued, first.is_success) == (1, 0, True)
        begun = time.monotonic()
        for order in orders[2:]:
            summary = executor.process_event(order)
            assert summary.job_ids == [uuid.uuid5(order.id, "0:a")]
            assert summary.jobs_spooled == 1
        assert time.monotonic() - begun < 20
        assert (counter("spooled") - spooled, counter("spool_jobs")) == (49, 49)
        assert counter("spool_bytes") > 0
        # What was stored before the outage is no second job after it.
        assert executor.process_event(orders[0]).jobs_spooled == 1
        fresh_server.start()
        wait_until(lambda: counter("spool_jobs") == 0, what="the replay")
        assert pending_ids(fresh_server) == [uuid.uuid5(order.id, "0:a") for order in orders]
        assert counter("spool_replayed") - replayed == 50
        assert executor.process_event(event()).jobs_queued == 1
    # Nothing of them is left on the disk but the head of one file.
    assert sum(path.stat().st_size for path in (tmp_path / "spool").iterdir()) <= 96


def test_concurrent_calls_of_an_event_loop_are_spooled_together(
    tmp_path: Path, fresh_server: ServerProcess
) -> None:
    """Each is answered for its own jobs, and a delay counts from when the call was made."""
    config = config_at(fresh_server, tmp_path / "spool", delay_secs=600)
    orders = [event() for _ in range(200)]

    async def publish() -> None:
        async with build_with_queue(config) as executor:
            await executor.process_event(event())
            fresh_server.kill()
            summaries = await asyncio.gather(*(executor.process_event(order) for order in orders))
            assert [summary.job_ids for summary in summaries] == [[uuid.uuid5(o.id, "0:a")] for o in orders]
            assert all(summary.jobs_spooled == 1 for summary in summaries)
            spooled_at = time.time()
            await asyncio.to_thread(fresh_server.start)
            await asyncio.to_thread(wait_until, lambda: counter("spool_jobs") == 0, what="the replay")
            with fresh_server.client() as client:
                due = client.zrange("{t:default:0}:scheduled", 0, -1, withscores=True)
            assert isinstance(due, list)
            assert len(due) == 201
            assert all(float(score) / 1000 - spooled_at < 601 for _, score in due)

    asyncio.run(publish())


def test_a_producer_that_is_killed_loses_nothing_that_it_was_promised(
    tmp_path: Path, fresh_server: ServerProcess
) -> None:
    """The next process that uses the directory takes its file over."""
    queue = QueueUnderTest(tmp_path, fresh_server.url, "t")
    config = with_spool(queue.config, tmp_path / "spool")
    evidence = tmp_path / "accepted"
    fresh_server.stop()
    for _ in range(3):
        before = len(accepted(evidence))
        command = producer(config, evidence, "100000")
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            wait_until(lambda: len(accepted(evidence)) >= before + 50, what="jobs")  # noqa: B023
            process.send_signal(signal.SIGKILL)
    promised = accepted(evidence)
    assert len(promised) >= 150
    fresh_server.start()
    assert subprocess.run(producer(config, evidence, "1"), check=False, timeout=60).returncode == 0
    # A process that only stores one event may end before it has replayed all.
    with build_with_queue_sync(config_at(fresh_server, tmp_path / "spool")):
        wait_until(
            lambda: set(promised) <= set(pending_ids(fresh_server)),
            what="what was promised",
        )
    # Nothing was made twice; beyond what was promised there is at most what each kill has cut off, and the last.
    stored = pending_ids(fresh_server)
    assert len(stored) == len(set(stored)) <= len(promised) + 3 + 1


def test_a_full_disk_refuses_and_claims_nothing(tmp_path: Path, fresh_server: ServerProcess) -> None:
    """What was accepted before arrives, and what was refused does not."""
    queue = QueueUnderTest(tmp_path, fresh_server.url, "t")
    config = with_spool(queue.config, tmp_path / "spool")
    evidence = tmp_path / "accepted"
    fresh_server.stop()
    done = subprocess.run(
        producer(config, evidence, "1000", "20000"),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 9
    assert "not spooled: File too large" in done.stdout
    promised = accepted(evidence)
    assert 5 < len(promised) < 40
    fresh_server.start()
    with build_with_queue_sync(config_at(fresh_server, tmp_path / "spool")):
        wait_until(lambda: stats_of(fresh_server).pending > 0, what="the replay")
        wait_until(lambda: counter("spool_jobs") == 0, what="its end")
    assert pending_ids(fresh_server) == promised


def test_a_bound_on_the_spool_is_kept(tmp_path: Path, fresh_server: ServerProcess) -> None:
    """Beyond it the error is that of a queue that is away, with the reason."""
    config = config_at(fresh_server, tmp_path / "spool", spool_max_bytes=65_536)
    fresh_server.stop()
    with build_with_queue_sync(config) as executor:
        # Larger than all that the bound leaves room for, in one call.
        orders = [event(text="x" * 1000) for _ in range(100)]
        with pytest.raises(QueueUnavailable, match=r"not spooled: the spool is full: .*spool_max_bytes"):
            executor.process_events(orders)
        assert counter("spool_jobs") == 0
        assert executor.process_events(orders[:30])[0].jobs_spooled == 1
        with pytest.raises(QueueUnavailable, match="not spooled"):
            executor.process_events(orders)
        assert sum(path.stat().st_size for path in (tmp_path / "spool").iterdir()) <= 65_536
        fresh_server.start()
        wait_until(lambda: counter("spool_jobs") == 0, what="the replay")
        assert executor.process_event(event()).jobs_queued == 1


def test_a_fork_has_a_file_of_its_own(tmp_path: Path, fresh_server: ServerProcess) -> None:
    """Parent and child spool side by side; when the child is gone, the parent replays its jobs too."""
    config = config_at(fresh_server, tmp_path / "spool")
    with build_with_queue_sync(config) as executor:
        fresh_server.stop()
        assert executor.process_event(event()).jobs_spooled == 1
        child = os.fork()
        if child == 0:
            os._exit(0 if executor.process_event(event()).jobs_spooled == 1 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert executor.process_event(event()).jobs_spooled == 1
        fresh_server.start()
        wait_until(
            lambda: len(pending_ids(fresh_server)) == 3,
            deadline_secs=ADOPTED_WITHIN_SECS,
            what="all three jobs",
        )


def test_a_child_that_lives_on_does_not_keep_its_parents_file(
    tmp_path: Path, fresh_server: ServerProcess
) -> None:
    """The child never uses the queue; when the parent is killed, what that has spooled is taken over all the same."""
    queue = QueueUnderTest(tmp_path, fresh_server.url, "t")
    config = with_spool(queue.config, tmp_path / "spool")
    evidence = tmp_path / "accepted"
    fresh_server.stop()
    with subprocess.Popen(
        producer(config, evidence, "3", "", "fork"), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        try:
            process.kill()
            process.wait(timeout=10)
            promised = accepted(evidence)
            assert len(promised) == 3
            fresh_server.start()
            with build_with_queue_sync(config_at(fresh_server, tmp_path / "spool")):
                wait_until(lambda: pending_ids(fresh_server) == promised, what="its jobs")
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_frozen_process_stops_no_other_for_ever(tmp_path: Path, fresh_server: ServerProcess) -> None:
    """One that was stopped while it held the directory's lock: others get an error in time, and go on after it."""
    config = config_at(fresh_server, tmp_path / "spool")
    hold = (
        "import fcntl, os, signal, sys\n"
        "with open(sys.argv[1], 'a') as lock:\n"
        "    fcntl.flock(lock, fcntl.LOCK_EX)\n"
        "    os.kill(os.getpid(), signal.SIGSTOP)\n"
    )
    with build_with_queue_sync(config) as executor:
        fresh_server.stop()
        with subprocess.Popen([sys.executable, "-c", hold, str(tmp_path / "spool" / "lock")]) as frozen:
            os.waitid(os.P_PID, frozen.pid, os.WSTOPPED | os.WNOWAIT)
            begun = time.monotonic()
            with pytest.raises(QueueUnavailable, match="not spooled: another process holds the lock"):
                executor.process_event(event())
            assert time.monotonic() - begun < 20
            frozen.kill()
        assert executor.process_event(event()).jobs_spooled == 1
        fresh_server.start()
        wait_until(lambda: len(pending_ids(fresh_server)) == 1, what="the job")


def test_jobs_go_to_the_queue_that_they_are_for(tmp_path: Path, fresh_server: ServerProcess) -> None:
    """Not to another prefix that shares the directory, and to the shards that there are when they arrive."""
    spool = tmp_path / "spool"
    orders = [event() for _ in range(40)]
    fresh_server.stop()
    with build_with_queue_sync(config_at(fresh_server, spool, shards=8)) as executor:
        assert all(summary.jobs_spooled == 1 for summary in executor.process_events(orders))
    fresh_server.start()
    settings = {"enqueue_timeout_secs": 1, "spool_dir": str(spool)}
    other = config_for(fresh_server.url, "other", {"a": log_observer()}, storage=settings)
    with build_with_queue_sync(other) as executor:
        assert executor.process_event(event()).jobs_queued == 1
        assert counter("spool_jobs") == 0
    replayed = counter("spool_replayed")
    with build_with_queue_sync(config_at(fresh_server, spool, shards=2)) as executor:
        wait_until(lambda: counter("spool_replayed") == replayed + 40, what="the replay")
        # Each is known where a queue of two shards has it.
        assert all(summary.duplicates == 1 for summary in executor.process_events(orders))
        assert len(executor.queue.stats_blocking("default")) == 2
    assert len(pending_ids(fresh_server, "other")) == 1


def test_jobs_do_not_go_to_another_server(tmp_path: Path, fresh_server: ServerProcess) -> None:
    """Databases stand for servers: what one has spooled the other leaves alone, and counts."""
    spool = tmp_path / "spool"
    fresh_server.stop()
    with build_with_queue_sync(config_at(fresh_server, spool)) as executor:
        (job,) = executor.process_event(event()).job_ids
    fresh_server.start()
    elsewhere = fresh_server.url.removesuffix("/0") + "/1"
    other = config_for(elsewhere, "t", {"a": log_observer()}, storage={"spool_dir": str(spool)})
    with build_with_queue_sync(other) as executor:
        assert executor.process_event(event()).jobs_queued == 1
        assert (counter("spool_foreign"), counter("spool_jobs")) == (1, 0)
    assert stats_of(fresh_server).pending == 0
    with build_with_queue_sync(config_at(fresh_server, spool)):
        wait_until(lambda: pending_ids(fresh_server) == [job], deadline_secs=20, what="the replay")
        assert counter("spool_foreign") == 0


def test_a_closed_executor_replays_no_more(tmp_path: Path, fresh_server: ServerProcess) -> None:
    """What it has left goes to the queue as soon as somebody opens the spool again, were it by using it once more."""
    config = config_at(fresh_server, tmp_path / "spool")
    fresh_server.stop()
    with build_with_queue_sync(config) as executor:
        left = [*executor.process_event(event()).job_ids]
    (file,) = (tmp_path / "spool").glob("*.spool")
    with file.open("rb") as spooled:
        # It belongs to nobody any more, and only its owner replays it.
        fcntl.flock(spooled, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fresh_server.start()
    assert pending_ids(fresh_server) == []
    left += executor.process_event(event()).job_ids
    wait_until(lambda: pending_ids(fresh_server) == left, deadline_secs=5, what="both jobs")
    executor.close()
    executor.close()
    assert not list((tmp_path / "spool").glob("*.spool"))


def test_jobs_in_a_spool_can_be_found_and_erased(tmp_path: Path, fresh_server: ServerProcess) -> None:
    """By what they hold, in files of a process that lives; what is erased never reaches the queue."""
    config = config_at(fresh_server, tmp_path / "spool")
    fresh_server.stop()
    with build_with_queue_sync(config) as executor:
        keep, forget = event(who="them"), event(who="canary")
        executor.process_events([keep, forget, event(who="canary")])

        def is_forgotten(stored: bytes) -> bool:
            return bool(Job.from_json(stored).event.data["who"] == "canary")

        erased = _core.erase_spooled(tmp_path / "spool", is_forgotten)
        assert len(erased) == 2
        assert uuid.uuid5(forget.id, "0:a") in erased
        assert not any(b"canary" in path.read_bytes() for path in (tmp_path / "spool").iterdir())
        fresh_server.start()
        wait_until(lambda: counter("spool_jobs") == 0, what="the replay")
    assert pending_ids(fresh_server) == [uuid.uuid5(keep.id, "0:a")]


def test_a_queue_that_takes_nothing_holds_up_no_other(tmp_path: Path, fresh_server: ServerProcess) -> None:
    """Its jobs wait, in order, while those of other queues arrive, new ones at once; a stray file is no matter."""
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "0.spool").mkdir()
    rules = {"bad": log_observer(queue="bad"), "good": log_observer(queue="good")}
    storage = {"enqueue_timeout_secs": 1, "spool_dir": str(tmp_path / "spool")}
    config = config_for(fresh_server.url, "t", rules, storage=storage)
    orders = [event() for _ in range(5)]
    with fresh_server.client() as client:
        client.set("{t:bad:0}:pending:d", "foreign")
    with build_with_queue_sync(config) as executor:
        fresh_server.stop()
        for order in orders:
            assert executor.process_event(order).jobs_spooled == 2
        fresh_server.start()
        wait_until(lambda: counter("spool_jobs") == 5, what="the other queue's jobs")
        assert counter("spool_unreadable") == 1
        with fresh_server.client() as client:
            wait_until(lambda: client.llen("{t:good:0}:pending:d") == 5, what="all of them")
            wait_until(
                lambda: executor.process_event(event()).jobs_queued == 1,
                what="a new job of the other queue, sent directly",
            )
            client.delete("{t:bad:0}:pending:d")
            wait_until(lambda: counter("spool_jobs") == 0, what="the rest")
            stored: list[Any] = client.lrange("{t:bad:0}:pending:d", 0, -1)
        assert [member[:16] for member in reversed(stored)][:5] == [
            uuid.uuid5(order.id, "0:bad").bytes for order in orders
        ]


def test_a_spool_that_cannot_be_used_is_said_at_the_start(
    tmp_path: Path, fresh_server: ServerProcess
) -> None:
    """Not when the server is away and the spool is needed."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"storage\.spool_dir cannot be used"):
        build_with_queue_sync(config_at(fresh_server, tmp_path / "file"))


def with_spool(config: str | Path, spool: Path) -> str:
    """Add a spool to a configuration file."""
    path = Path(config)
    settings = f'[storage]\nspool_dir = "{spool}"\nenqueue_timeout_secs = 1\n'
    path.write_text(path.read_text().replace("[storage]\n", settings))
    return str(path)


def producer(*arguments: str | Path) -> Sequence[str]:
    """Return the command of a producer in a process of its own."""
    return [sys.executable, "-m", "tests.support.spooling_producer", *map(str, arguments)]


def accepted(evidence: Path) -> list[uuid.UUID]:
    """Return what a producer has written down; a line that it was killed in is not there yet."""
    if not evidence.exists():
        return []
    return [uuid.UUID(line) for line in evidence.read_text().split("\n")[:-1]]
