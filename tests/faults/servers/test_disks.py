"""The server's disk is full, slow, or written over and over."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import redis

from fraiseql_observers.errors import DurabilityNotConfirmed, QueueUnavailable
from tests.faults.rig.catalogue import Entry
from tests.faults.servers.kernel import shim, small_disk
from tests.faults.servers.stand import LEASE_SECS, Stand
from tests.support.server import ServerProcess
from tests.support.wait import wait_until

SLOTS = 10
#: Large jobs fill a disk soon.
LARGE = "x" * 40_000
SMALL_MEGABYTES, GROWN_MEGABYTES = 3, 64
#: A flush takes as long as a file says, in milliseconds.
SLOW_FLUSH = """
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static void wait_for_disk(void) {
    FILE *file = fopen(getenv("FLUSH_MS"), "r");
    int ms = 0;
    if (file && fscanf(file, "%d", &ms) == 1) usleep(ms * 1000);
    if (file) fclose(file);
}
int fdatasync(int fd) {
    wait_for_disk();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
int fsync(int fd) {
    wait_for_disk();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}
"""


def fill(stand: Stand, server: ServerProcess) -> int:
    """Enqueue large jobs until one is not confirmed; return how many were."""
    count = 0
    while stand.offer(f"large {count}", text=LARGE).confirmed_at is not None:
        count += 1
        assert count < 1_000, "the disk does not fill"
    assert count > 10
    return count


def lease_is_over(server: ServerProcess, stand: Stand) -> bool:
    """Whether the only worker's lease has run out, by the server's clock."""
    with server.client() as client:
        ((_, ends_at_ms),) = client.zrange(f"{stand.tag}:leases", 0, -1, withscores=True)
        return int(client.time()[0]) * 1000 > float(ends_at_ms)


@pytest.mark.row(19)
def test_a_full_disk_pauses_the_queue_and_loses_nothing(
    server_binary: Path, prefix: str, tmp_path: Path, catalogue: Entry
) -> None:
    """Acks wait, nothing new begins, and when the disk grows everything goes on by itself."""
    gate = tmp_path / "gate"
    with (
        small_disk(tmp_path / "disk", megabytes=SMALL_MEGABYTES) as disk,
        ServerProcess(server_binary, disk=disk.folder) as server,
    ):
        stand = Stand(tmp_path, server, prefix, slots=SLOTS)
        stand.publish(SLOTS, "wait", gate=str(gate))
        with stand.worker() as worker:
            wait_until(lambda: len(stand.runs.starts()) == SLOTS, what="the starts")
            count = fill(stand, server)
            refused = stand.offers[f"large {count}"].failures[0]
            assert isinstance(refused, QueueUnavailable | DurabilityNotConfirmed)
            assert "MISCONF" in str(refused)
            gate.touch()
            wait_until(lambda: len(stand.ran()) == SLOTS, what="the ends")
            worker_sees_it = "MISCONF" in worker.log
            stats = stand.queue.stats()
            assert (stats.running, stats.counters.get("completed", 0)) == (SLOTS, 0)
            # Nothing can renew the lease now.
            wait_until(lambda: lease_is_over(server, stand), what="the end of the lease")
            assert len(stand.runs.starts()) == SLOTS
            assert worker_sees_it or "MISCONF" in worker.log
            disk.grow(GROWN_MEGABYTES)
            drained = stand.drain()
            assert stand.offer(f"large {count}", text=LARGE).confirmed_at is not None
            drained = max(drained, stand.drain())
            assert worker.stop() == 0
        stand.judge(catalogue, bound=SLOTS, drained_secs=drained, note=f"full after {count} jobs")


@pytest.mark.row(20)
def test_a_full_disk_under_always_ends_the_server_and_loses_nothing(
    server_binary: Path, prefix: str, tmp_path: Path, catalogue: Entry
) -> None:
    """What it has answered is on the disk, so that it is there when the server is started on a larger one."""
    with (
        small_disk(tmp_path / "disk", megabytes=SMALL_MEGABYTES) as disk,
        ServerProcess(server_binary, appendfsync="always", disk=disk.folder) as server,
    ):
        stand = Stand(tmp_path, server, prefix, slots=SLOTS)
        with stand.worker() as worker:
            stand.publish(5, secs=0.2)
            count = fill(stand, server)
            wait_until(lambda: not server.is_running, what="the end of the server")
            disk.grow(GROWN_MEGABYTES)
            server.start()
            assert stand.offer(f"large {count}", text=LARGE).confirmed_at is not None
            drained = stand.drain()
            assert worker.stop() == 0
        stand.judge(catalogue, bound=SLOTS, drained_secs=drained, note=f"full after {count} jobs")


@pytest.mark.row(21)
@pytest.mark.parametrize(
    ("appendfsync", "flush_ms"), [("always", 250), pytest.param("everysec", 3_000, marks=pytest.mark.long)]
)
def test_a_slow_disk_costs_time_and_no_lease(
    server_binary: Path, prefix: str, tmp_path: Path, catalogue: Entry, appendfsync: str, flush_ms: int
) -> None:
    """Beats come through in time, however long each flush takes, and nothing runs twice."""
    slowness = tmp_path / "flush_ms"
    slowness.write_text("0")
    library = shim(tmp_path, SLOW_FLUSH)
    with ServerProcess(
        server_binary,
        appendfsync=appendfsync,
        environment={"LD_PRELOAD": str(library), "FLUSH_MS": str(slowness)},
    ) as server:
        stand = Stand(tmp_path, server, prefix, slots=SLOTS)
        with stand.worker() as worker:
            slowness.write_text(str(flush_ms))
            with stand.producing(pause_secs=0.06, secs=0.5):
                wait_until(lambda: _age(stand) > LEASE_SECS * 1.5, what="more than a lease")
            assert "slow" in server.log.lower() or appendfsync == "always"
            slowness.write_text("0")
            drained = stand.drain()
            assert worker.stop() == 0
        assert stand.queue.count("reclaimed") == 0
        stand.judge(catalogue, bound=0, drained_secs=drained, note=f"{flush_ms} ms a flush")


def _age(stand: Stand) -> float:
    """Say how long ago the first job was confirmed."""
    times = [offer.confirmed_at for offer in list(stand.offers.values()) if offer.confirmed_at is not None]
    return time.monotonic() - min(times, default=time.monotonic())


@pytest.mark.row(22)
def test_rewrites_and_saves_all_the_time_cost_time_alone(
    fresh_server: ServerProcess, prefix: str, tmp_path: Path, catalogue: Entry
) -> None:
    """The server forks for each of them and copies what is written meanwhile."""
    stand = Stand(tmp_path, fresh_server, prefix, slots=SLOTS)
    over = threading.Event()
    done = {"aof": 0, "rdb": 0}

    def storm() -> None:
        with fresh_server.client() as client:
            while not over.is_set():
                for kind, command in (("aof", "BGREWRITEAOF"), ("rdb", "BGSAVE")):
                    try:
                        client.execute_command(command)
                        done[kind] += 1
                    except redis.ResponseError:
                        # The one before it is not done yet.
                        over.wait(0.01)

    thread = threading.Thread(target=storm)
    with stand.worker() as worker:
        thread.start()
        try:
            with stand.producing(pause_secs=0.002):
                wait_until(lambda: min(done.values()) >= 10, what="a storm")
        finally:
            over.set()
            thread.join()
        drained = stand.drain()
        assert worker.stop() == 0
    stand.judge(catalogue, bound=0, drained_secs=drained, note=f"{done['aof']} rewrites, {done['rdb']} saves")
