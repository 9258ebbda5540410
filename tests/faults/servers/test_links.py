"""The link between workers and server: partitions, slowness, single bytes, resets and half-closed connections."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.faults.rig.catalogue import Entry
from tests.faults.rig.proxy import Proxy
from tests.faults.servers.stand import DRAIN_SECS, LEASE_SECS, Stand
from tests.support.server import ServerProcess
from tests.support.wait import wait_until

SLOTS = 10
#: No side effect starts in the last part of a lease.
MARGIN_SECS: Final = 2.0
#: Ten round trips of the slowest link.
ENQUEUE_SECS: Final = 20


@pytest.fixture
def proxy(fresh_server: ServerProcess) -> Iterator[Proxy]:
    """A proxy before a server of the test's own."""
    with Proxy(fresh_server.port) as proxy:
        yield proxy


@pytest.mark.row(40)
@pytest.mark.parametrize(
    "leases", [pytest.param(0.5, marks=pytest.mark.long), pytest.param(1.0, marks=pytest.mark.long), 3.0]
)
def test_a_worker_that_is_cut_off_stops_by_itself_and_others_take_over(
    fresh_server: ServerProcess, proxy: Proxy, prefix: str, tmp_path: Path, catalogue: Entry, leases: float
) -> None:
    """It begins nothing when its lease may be over, and what it then says of old jobs counts for nothing."""
    stand = Stand(tmp_path, fresh_server, prefix, url=proxy.url, slots=SLOTS)
    with stand.worker() as cut_off:
        stand.move(fresh_server.url)
        with stand.worker() as worker:
            (cut_pid,) = cut_off.children()
            # The producer is on the side of the server.
            stand.publish(200, secs=0.3)
            wait_until(lambda: len({note.pid for note in stand.runs.starts()}) == 2, what="both at work")
            begun = time.monotonic()
            proxy.blackhole()
            # How long it lasts is the fault itself.
            wait_until(lambda: time.monotonic() > begun + leases * LEASE_SECS, what="the end of the fault")
            healed = time.monotonic()
            proxy.heal()
            late = [
                note
                for note in stand.runs.starts()
                if note.pid == cut_pid and begun + LEASE_SECS - MARGIN_SECS + 0.5 < note.at < healed
            ]
            assert late == []
            stand.publish(50, secs=0.05)
            drained = stand.drain()
            assert (cut_off.stop(), worker.stop()) == (0, 0)
    stand.judge(catalogue, bound=SLOTS, drained_secs=drained, note=f"cut off for {leases} leases")


@pytest.mark.row(43)
@pytest.mark.parametrize(
    "delay_secs", [0.05, pytest.param(0.5, marks=pytest.mark.long), pytest.param(2.0, marks=pytest.mark.long)]
)
def test_a_slow_link_costs_time_alone(
    fresh_server: ServerProcess,
    proxy: Proxy,
    prefix: str,
    tmp_path: Path,
    catalogue: Entry,
    delay_secs: float,
) -> None:
    """However late each reply is, as long as a lease lasts much longer than it takes.

    Two seconds are too late for a lease of five: the last renewal that a worker has heard of is up to 3.7 seconds old
    then, and nothing begins in the last two seconds of a lease. An enqueue has the time that a first connection takes,
    with all its round trips, and is tried once.
    """
    lease_secs = LEASE_SECS if delay_secs < 1 else 30
    stand = Stand(tmp_path, fresh_server, prefix, url=proxy.url, slots=SLOTS, lease_secs=lease_secs)
    config = Path(stand.queue.config)
    config.write_text(
        config.read_text().replace("[storage]\n", f"[storage]\nenqueue_timeout_secs = {ENQUEUE_SECS}\n", 1)
    )
    with stand.worker() as worker:
        proxy.delay(delay_secs)
        for number in range(3):
            assert stand.offer(f"slow {number}").confirmed_at is not None
        proxy.delay(0)
        stand.publish(40)
        proxy.delay(delay_secs)
        wait_until(
            lambda: len(stand.ran()) == 43, deadline_secs=DRAIN_SECS + 40 * delay_secs, what="the runs"
        )
        proxy.heal()
        drained = stand.drain()
        assert worker.stop() == 0
    assert stand.queue.count("reclaimed") == 0
    stand.judge(catalogue, bound=0, drained_secs=drained, note=f"replies {delay_secs * 1000:.0f} ms late")


@pytest.mark.row(43)
def test_bytes_that_come_one_by_one_are_put_together(
    fresh_server: ServerProcess, proxy: Proxy, prefix: str, tmp_path: Path, catalogue: Entry
) -> None:
    """Requests and replies alike, on every connection."""
    proxy.drip(1)
    stand = Stand(tmp_path, fresh_server, prefix, url=proxy.url, slots=SLOTS)
    stand.publish(20)
    for number in range(3):
        assert stand.offer(f"dripped {number}", text="xéÿ" * 100).confirmed_at is not None
    with stand.worker() as worker:
        drained = stand.drain()
        assert worker.stop() == 0
    assert stand.queue.count("reclaimed") == 0
    stand.judge(catalogue, bound=0, drained_secs=drained)


@pytest.mark.row(43)
@pytest.mark.parametrize("size", [pytest.param(1, marks=pytest.mark.long), 1_000])
def test_connections_that_break_at_any_byte_lose_nothing_and_mix_nothing_up(
    fresh_server: ServerProcess,
    proxy: Proxy,
    prefix: str,
    tmp_path: Path,
    seed: int,
    catalogue: Entry,
    size: int,
) -> None:
    """Resets in the middle of requests and replies, again and again, under a producer that repeats what it must."""
    rng = random.Random(seed)
    stand = Stand(tmp_path, fresh_server, prefix, url=proxy.url, slots=SLOTS)
    cuts = 0
    with stand.worker() as worker:
        proxy.drip(size)
        with stand.producing(pause_secs=0.001, secs=0.01):
            while cuts < 40:
                ran = len(stand.ran())
                time.sleep(rng.uniform(0.0, 0.1))
                cuts += proxy.cut()
                if rng.random() < 0.1:
                    stand.wait_for_runs(ran + 1)
        proxy.heal()
        drained = stand.drain()
        assert worker.stop() == 0
    # A reply that is lost costs no run: the same call is asked again, under the same lease.
    stand.judge(catalogue, bound=0, drained_secs=drained, note=f"{cuts} connections reset")


@pytest.mark.row(43)
def test_a_server_that_says_no_more_and_still_listens_is_left(
    fresh_server: ServerProcess, proxy: Proxy, prefix: str, tmp_path: Path, catalogue: Entry
) -> None:
    """Half a connection is none: everybody makes a new one, at once."""
    stand = Stand(tmp_path, fresh_server, prefix, url=proxy.url, slots=SLOTS)
    with stand.worker() as worker:
        with stand.producing(secs=0.02):
            for _ in range(5):
                ran = len(stand.ran())
                stand.wait_for_runs(ran + 20)
                proxy.half_close()
        drained = stand.drain()
        assert worker.stop() == 0
    stand.judge(catalogue, bound=0, drained_secs=drained)
