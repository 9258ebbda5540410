"""The enqueue side on a real server: what is stored when a call returns, and what a failed call means."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import uuid

import pytest

from fraiseql_observers._core import EntityEvent, QueueStats
from fraiseql_observers.config import Config
from fraiseql_observers.errors import (
    DurabilityNotConfirmed,
    EventError,
    QueueError,
    QueueFull,
    QueueUnavailable,
    ServerUnsuitable,
)
from fraiseql_observers.executor import build_with_queue, build_with_queue_sync
from tests.support.configs import config_for, log_observer
from tests.support.server import ServerProcess, free_port


def event(**data: object) -> EntityEvent:
    """Return an event of an order."""
    return EntityEvent("INSERT", "Order", uuid.uuid4(), data)


def stats_of(config: Config) -> QueueStats:
    """Return the counts of the default queue."""
    with build_with_queue_sync(config) as executor:
        return executor.queue.stats_blocking("default")[0]


def test_each_action_of_each_matching_observer_is_stored_once(server: ServerProcess, prefix: str) -> None:
    """Publishing the same event again adds nothing, and says so."""
    conditions = {"a": "total > 10", "b": None, "c": "missing == 1", "d": "total > 99"}
    observers = {name: log_observer(condition) for name, condition in conditions.items()}
    config = config_for(server.url, prefix, observers)

    async def publish() -> None:
        async with build_with_queue(config) as executor:
            order = event(total=11)
            first = await executor.process_event(order)
            again = await executor.process_event(order)
            assert (first.jobs_queued, first.duplicates, first.conditions_skipped) == (2, 0, 1)
            assert first.errors == ["Field not found: missing"]
            assert not first.is_success
            assert (again.jobs_queued, again.duplicates) == (0, 2)
            assert first.job_ids == again.job_ids
            assert first.job_ids == [uuid.uuid5(order.id, "0:a"), uuid.uuid5(order.id, "0:b")]

    asyncio.run(publish())
    assert stats_of(config).pending == 2


def test_the_blocking_twin_stores_the_same_jobs(server: ServerProcess, prefix: str) -> None:
    """An event stored by one twin is known to the other."""
    config = config_for(server.url, prefix, {"a": log_observer()})
    order = event()
    with build_with_queue_sync(config) as blocking:
        assert blocking.process_event(order).jobs_queued == 1

    async def publish() -> None:
        async with build_with_queue(config) as executor:
            assert (await executor.process_event(order)).duplicates == 1

    asyncio.run(publish())


def test_calls_at_the_same_time_are_each_answered_for_their_own_event(
    server: ServerProcess, prefix: str
) -> None:
    """A thousand concurrent calls share round trips and mix nothing up."""
    config = config_for(server.url, prefix, {"a": log_observer()})
    events = [event(number=number) for number in range(1000)]

    async def publish() -> None:
        async with build_with_queue(config) as executor:
            summaries = await asyncio.gather(*(executor.process_event(order) for order in events))
        assert [summary.job_ids for summary in summaries] == [[uuid.uuid5(o.id, "0:a")] for o in events]

    asyncio.run(publish())
    assert stats_of(config).counters["enqueued"] == 1000


def test_a_queue_that_cannot_be_reached_is_an_error_that_says_nothing_was_stored() -> None:
    """The error is transient, names the address, and carries the summary."""
    url = f"redis://user:pa55word@127.0.0.1:{free_port()}"
    config = config_for(url, "t", {"a": log_observer()}, storage={"enqueue_timeout_secs": 1})
    with build_with_queue_sync(config) as executor:
        with pytest.raises(QueueUnavailable, match="connection refused") as raised:
            executor.process_event(event())
        assert raised.value.transient
        assert raised.value.summary is not None
        assert raised.value.summary.queueing_errors == 1
        assert "pa55word" not in str(raised.value)
        assert not executor.process_event(event(), raise_on_error=False).is_success


def test_a_server_that_hangs_leaves_the_outcome_unknown(fresh_server: ServerProcess, prefix: str) -> None:
    """The request was sent, so the error does not claim that nothing is stored; repeating it stores one job."""
    config = config_for(fresh_server.url, prefix, {"a": log_observer()}, storage={"enqueue_timeout_secs": 1})
    order = event()
    with build_with_queue_sync(config) as executor:
        executor.process_event(event())
        with fresh_server.frozen(), pytest.raises(DurabilityNotConfirmed):
            executor.process_event(order)
        summary = executor.process_event(order)
        assert summary.jobs_queued + summary.duplicates == 1
    assert stats_of(config).pending == 2


def test_an_enqueue_waits_for_a_server_that_comes_back(fresh_server: ServerProcess, prefix: str) -> None:
    """A restart within ``enqueue_timeout_secs`` is not the caller's problem, and loses nothing."""
    config = config_for(fresh_server.url, prefix, {"a": log_observer()}, storage={"enqueue_timeout_secs": 30})

    async def publish() -> None:
        async with build_with_queue(config) as executor:
            await executor.process_event(event())
            fresh_server.kill()
            waiting = asyncio.ensure_future(executor.process_event(event()))
            await asyncio.to_thread(fresh_server.restart)
            assert (await waiting).jobs_queued == 1

    asyncio.run(publish())
    assert stats_of(config).pending == 2


def test_a_bound_on_pending_jobs_refuses_what_is_new_and_knows_what_is_not(
    server: ServerProcess, prefix: str
) -> None:
    """At the bound a repeated event is still a duplicate, not an error."""
    config = config_for(server.url, prefix, {"a": log_observer()}, storage={"max_pending": 2})
    orders = [event(), event()]
    with build_with_queue_sync(config) as executor:
        executor.process_events(orders)
        with pytest.raises(QueueFull, match="2 jobs are pending already"):
            executor.process_event(event())
        assert executor.process_event(orders[0]).duplicates == 1
    assert stats_of(config).pending == 2


def test_a_full_memory_stores_nothing_and_says_so(server_binary: object, prefix: str) -> None:
    """The script is refused before it starts."""
    with ServerProcess(server_binary, extra=("--maxmemory", "2mb")) as full:  # type: ignore[arg-type]
        config = config_for(full.url, prefix, {"a": log_observer()}, storage={"enqueue_timeout_secs": 1})
        with build_with_queue_sync(config) as executor:
            orders = [event(text="x" * 10_000) for _ in range(1000)]
            with pytest.raises(QueueFull, match="memory is full"):
                executor.process_events(orders)


def test_an_event_that_is_too_large_is_refused_by_its_size(server: ServerProcess, prefix: str) -> None:
    """Nothing of it reaches the server."""
    config = config_for(server.url, prefix, {"a": log_observer()}, storage={"max_payload_bytes": 1024})
    with build_with_queue_sync(config) as executor:
        with pytest.raises(EventError, match="1024"):
            executor.process_event(event(text="x" * 1024))
        assert executor.process_event(event(text="x")).jobs_queued == 1


def test_a_delayed_observer_schedules_its_jobs(server: ServerProcess, prefix: str) -> None:
    """Its jobs wait for their time from the moment the queue has accepted them."""
    config = config_for(server.url, prefix, {"a": log_observer(delay_secs=60)})
    with build_with_queue_sync(config) as executor:
        executor.process_event(event())
    stats = stats_of(config)
    assert (stats.pending, stats.scheduled) == (0, 1)


def test_keys_of_another_program_are_refused(server: ServerProcess, prefix: str) -> None:
    """Nothing is written over them."""
    client = server.client()
    key = f"{{{prefix}:default:0}}:meta"
    client.set(key, "theirs")
    config = config_for(server.url, prefix, {"a": log_observer()}, storage={"enqueue_timeout_secs": 1})
    with build_with_queue_sync(config) as executor, pytest.raises(ServerUnsuitable, match="are not ours"):
        executor.process_event(event())
    assert client.get(key) == b"theirs"


def test_an_observer_added_later_matches_and_one_taken_out_does_not(
    server: ServerProcess, prefix: str
) -> None:
    """Rules change while the executor is in use."""
    config = config_for(server.url, prefix, {"a": log_observer()})
    with build_with_queue_sync(config) as executor:
        executor.add_observer("b", log_observer())
        assert executor.process_event(event()).jobs_queued == 2
        executor.remove_observer("a")
        assert executor.process_event(event()).jobs_queued == 1
        with pytest.raises(KeyError):
            executor.remove_observer("a")


def test_a_buffer_stores_whole_batches_and_the_rest_at_its_end(server: ServerProcess, prefix: str) -> None:
    """What is left when the block ends is stored before it ends."""
    config = config_for(server.url, prefix, {"a": log_observer()}, job_queue={"batch_size": 10})

    async def publish() -> None:
        async with build_with_queue(config) as executor, executor.buffered() as buffer:
            for number in range(25):
                await buffer.add(event(number=number))
            assert len(buffer.take_summaries()) == 20
            await buffer.flush()
            assert [summary.jobs_queued for summary in buffer.take_summaries()] == [1] * 5
            await buffer.add(event())

    asyncio.run(publish())
    assert stats_of(config).pending == 26


def test_a_buffer_holds_a_partial_batch_only_for_its_time(server: ServerProcess, prefix: str) -> None:
    """After ``batch_timeout_secs`` what waits is stored without a further call."""
    config = config_for(server.url, prefix, {"a": log_observer()}, job_queue={"batch_timeout_secs": 1})

    async def publish() -> None:
        async with build_with_queue(config) as executor, executor.buffered() as buffer:
            await buffer.add(event())
            async with asyncio.timeout(60):
                while not buffer.take_summaries():
                    await asyncio.sleep(0.02)

    asyncio.run(publish())


def test_a_buffer_keeps_its_events_when_they_could_not_be_stored() -> None:
    """The error is raised, and a later flush tries the same events again."""
    url = f"redis://127.0.0.1:{free_port()}"
    config = config_for(url, "t", {"a": log_observer()}, storage={"enqueue_timeout_secs": 1})

    async def publish() -> None:
        async with build_with_queue(config) as executor:
            buffer = executor.buffered()
            await buffer.add(event())
            for _ in range(2):
                with pytest.raises(QueueError):
                    await buffer.flush()

    asyncio.run(publish())


def test_forked_children_enqueue_beside_their_parent(server: ServerProcess, prefix: str) -> None:
    """Each process has its own connections and threads, made when it first needs them."""
    config = config_for(server.url, prefix, {"a": log_observer()})
    with build_with_queue_sync(config) as executor:
        executor.process_event(event())
        children = []
        for _ in range(4):
            pid = os.fork()
            if pid == 0:
                done = executor.process_events([event() for _ in range(50)])
                os._exit(0 if all(summary.jobs_queued == 1 for summary in done) else 1)
            children.append(pid)
        executor.process_event(event())
        assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0] * 4
        executor.process_event(event())
    assert stats_of(config).counters["enqueued"] == 203


def test_a_process_without_files_to_spare_is_told_and_enqueues_when_it_has_some(
    server: ServerProcess, prefix: str
) -> None:
    """The first enqueue of a process starts threads of the core, which need some."""
    with build_with_queue_sync(config_for(server.url, prefix, {"a": log_observer()})) as executor:
        pid = os.fork()
        if pid == 0:
            try:
                soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
                resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
                with pytest.raises(QueueUnavailable, match="Too many open files"):
                    executor.process_event(event())
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                os._exit(0 if executor.process_event(event()).jobs_queued == 1 else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_process_that_gets_one_thread_and_no_other_is_told() -> None:
    """There is memory for the stack of one: it does not wait for the second."""
    program = (
        "import resource\n"
        "from fraiseql_observers.errors import QueueUnavailable\n"
        "from tests.support.lanes import options_for\n"
        "from fraiseql_observers._core import MemoryQueue\n"
        "queue = MemoryQueue(options_for('t'))\n"
        "pages = int(open('/proc/self/statm').read().split()[0])\n"
        "hard = resource.getrlimit(resource.RLIMIT_AS)[1]\n"
        "resource.setrlimit(resource.RLIMIT_AS, (pages * 4096 + (3 << 20), hard))\n"
        "try:\n"
        "    queue.stats_blocking('default')\n"
        "except QueueUnavailable as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, "not available" in done.stdout) == (0, True), done


def test_a_server_that_keeps_less_than_asked_is_refused_before_anything_is_stored(
    server: ServerProcess, prefix: str
) -> None:
    """The server writes its file, so that ``process`` is what it gives; it has no replica."""
    observers = {"a": log_observer()}
    for level in ("process", "replica:1"):
        config = config_for(server.url, prefix, observers, storage={"durability": level})
        with build_with_queue_sync(config) as executor:
            if level == "process":
                assert executor.process_event(event()).jobs_queued == 1
            else:
                with pytest.raises(ServerUnsuitable, match="connected replicas 0; needed: 1"):
                    executor.process_event(event())
    assert stats_of(config_for(server.url, prefix, observers)).pending == 1


def test_a_bad_event_does_not_hold_up_the_others_of_a_buffer(server: ServerProcess, prefix: str) -> None:
    """A malformed event is refused when it is added, and one too large is dropped by the flush that meets it."""
    config = config_for(server.url, prefix, {"a": log_observer()}, storage={"max_payload_bytes": 1024})

    async def publish() -> None:
        async with build_with_queue(config) as executor, executor.buffered() as buffer:
            await buffer.add(event())
            with pytest.raises(EventError, match="entity_id"):
                await buffer.add({"event_type": "INSERT", "entity_type": "Order", "data": {}})
            await buffer.add(event(text="x" * 1024))
            await buffer.add(event())
            with pytest.raises(EventError, match="1024"):
                await buffer.flush()
            assert [summary.jobs_queued for summary in buffer.take_summaries()] == [1, 0, 1]
            await buffer.add(event())

    asyncio.run(publish())
    assert stats_of(config).pending == 3
