"""What is said of an enqueue of which nobody knows what became: never that nothing is stored, never too much."""

from __future__ import annotations

import asyncio
import threading
import uuid
from pathlib import Path

import pytest

from fraiseql_observers._core import EntityEvent
from fraiseql_observers.config import Config
from fraiseql_observers.errors import DurabilityNotConfirmed
from fraiseql_observers.executor import build_with_queue, build_with_queue_sync
from tests.faults.rig.proxy import Proxy
from tests.faults.rig.rules import Fate
from tests.support.configs import config_for, log_observer
from tests.support.server import ServerProcess

#: Seconds within which the calls of a test must have gone out.
DEADLINE_SECS = 10.0
#: What a server may say that is no passing state.
REFUSALS = (
    "OOM command not allowed when used memory > 'maxmemory'.",
    "NOPERM this user has no permissions to run the 'evalsha' command",
    "ERR something that nobody has thought of",
)


def event() -> EntityEvent:
    """Return an event of an order."""
    return EntityEvent("INSERT", "Order", uuid.uuid4(), {})


def config_at(url: str, prefix: str, **storage: object) -> Config:
    """Return a configuration with one observer of everything."""
    return config_for(url, prefix, {"a": log_observer()}, storage=storage)


def stored(server: ServerProcess, prefix: str) -> int:
    """Count the jobs that a server holds."""
    with server.client() as client:
        count = client.hlen(f"{{{prefix}:default:0}}:jobs")
    assert isinstance(count, int)
    return count


@pytest.mark.parametrize("error", REFUSALS)
@pytest.mark.parametrize("level", ["auto", "disk"])
def test_a_refused_repetition_does_not_make_an_unknown_outcome_a_refusal(
    fresh_server: ServerProcess, prefix: str, level: str, error: str
) -> None:
    """The answer to the first try was lost, the second is refused: the jobs may be stored, and here they are."""
    with fresh_server.client() as client:
        client.config_set("appendfsync", "always")
    with (
        Proxy(fresh_server.port) as proxy,
        build_with_queue_sync(config_at(proxy.url, prefix, durability=level)) as executor,
    ):
        executor.process_event(event())
        proxy.on("enqueue", fate=Fate.CUT_AFTER)
        refusing = proxy.on("enqueue", fate=Fate.REFUSE, times=None, error=error)
        order = event()
        with pytest.raises(DurabilityNotConfirmed) as raised:
            executor.process_event(order)
        assert refusing.fired > 0
        assert raised.value.job_ids == (uuid.uuid5(order.id, "0:a"),)
        proxy.clear()
        assert executor.process_event(order).duplicates == 1
    assert stored(fresh_server, prefix) == 2


def test_calls_that_went_out_together_are_all_unknown(server: ServerProcess, prefix: str) -> None:
    """The answer to a write for several callers was lost; each of them hears that its jobs may be stored."""
    orders = [event() for _ in range(20)]
    held, others_wait = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        others_wait.wait(DEADLINE_SECS)

    async def publish(proxy: Proxy) -> list[object]:
        async with build_with_queue(config_at(proxy.url, prefix)) as executor:
            await executor.process_event(event())
            proxy.on("enqueue", fate=Fate.PASS, then=hold)
            proxy.on("enqueue", fate=Fate.CUT_AFTER)
            proxy.on("enqueue", fate=Fate.REFUSE, times=None, error=REFUSALS[0])
            first = asyncio.ensure_future(executor.process_event(event()))
            assert await asyncio.to_thread(held.wait, DEADLINE_SECS)
            calls = [asyncio.ensure_future(executor.process_event(order)) for order in orders]
            # Behind the calls, which have handed over their jobs by then.
            asyncio.get_running_loop().call_soon(others_wait.set)
            await first
            return list(await asyncio.gather(*calls, return_exceptions=True))

    with Proxy(server.port) as proxy:
        answers = asyncio.run(publish(proxy))
    assert [type(answer) for answer in answers] == [DurabilityNotConfirmed] * len(orders)
    assert stored(server, prefix) == 2 + len(orders)


def test_a_level_is_not_believed_of_a_server_that_has_not_been_asked(
    fresh_server: ServerProcess, server_binary: Path, prefix: str
) -> None:
    """Another server takes over between the proof and the write, and keeps no file: its answer is not enough."""
    with (
        ServerProcess(server_binary, appendonly=False) as other,
        Proxy(fresh_server.port) as proxy,
        build_with_queue_sync(config_at(proxy.url, prefix, durability="process")) as executor,
    ):
        executor.process_event(event())
        proxy.on("enqueue", fate=Fate.CUT_BEFORE, then=lambda: setattr(proxy, "target", other.port))
        with pytest.raises(DurabilityNotConfirmed, match="appendonly no"):
            executor.process_event(event())
        assert stored(other, prefix) == 1


def test_a_server_that_takes_over_is_asked_and_then_believed(
    fresh_server: ServerProcess, server_binary: Path, prefix: str
) -> None:
    """The job is new, however often it had to be written."""
    with (
        ServerProcess(server_binary) as other,
        Proxy(fresh_server.port) as proxy,
        build_with_queue_sync(config_at(proxy.url, prefix, durability="process")) as executor,
    ):
        executor.process_event(event())
        proxy.on("enqueue", fate=Fate.CUT_BEFORE, then=lambda: setattr(proxy, "target", other.port))
        assert executor.process_event(event()).jobs_queued == 1
        assert stored(other, prefix) == 1
