"""Clocks that jump or are wrong: the server's, a worker's, a producer's."""

from __future__ import annotations

import struct
import time
from pathlib import Path
from typing import Final

import orjson
import pytest

from tests.faults.rig.catalogue import Entry
from tests.faults.servers.kernel import shim
from tests.faults.servers.stand import LEASE_SECS, Offer, Stand
from tests.support.command import run_command
from tests.support.queue_under_test import act
from tests.support.server import ServerProcess
from tests.support.wait import wait_until

SLOTS = 10
HOUR_SECS: Final = 3_600
MINUTES_SECS: Final = 300
#: How long after its event the job of `LATE_RULE` is due.
LATE_SECS: Final = 2
#: By how much a busy machine may be late itself: little against each wrong clock.
SLACK_SECS: Final = 20
LATE_RULE: Final = f"""
[observers.late]
event_type = "INSERT"
entity = "Late"
delay_secs = {LATE_SECS}
[[observers.late.actions]]
type = "function"
handler = "tests.support.handlers:act"
"""
#: The time of day is off by what a file holds: 8 bytes, seconds. It asks the kernel itself, and takes no memory.
WRONG_CLOCK = """
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static volatile long long *offset;
static long long off(void) {
    if (!offset) {
        int file = open(getenv("CLOCK_OFFSET"), O_RDONLY);
        void *found = file < 0 ? MAP_FAILED : mmap(0, 8, PROT_READ, MAP_SHARED, file, 0);
        if (file >= 0) close(file);
        if (found == MAP_FAILED) return 0;
        offset = found;
    }
    return *offset;
}
int clock_gettime(clockid_t id, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, id, now);
    if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) now->tv_sec += off();
    return failed;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec exact;
    int failed = clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return failed;
}
time_t time(time_t *where) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (where) *where = now.tv_sec;
    return now.tv_sec;
}
"""


class WrongClock:
    """A clock that is off by as much as a test likes, for processes with its environment."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._file = folder / "offset"
        self.set(0)
        self.environment = {
            "LD_PRELOAD": str(shim(folder, WRONG_CLOCK)),
            "CLOCK_OFFSET": str(self._file),
        }

    def set(self, secs: int) -> None:
        """Put it so much ahead, or behind."""
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("q", secs))


@pytest.mark.row(48)
@pytest.mark.parametrize("jump_secs", [HOUR_SECS, pytest.param(-HOUR_SECS, marks=pytest.mark.long)])
def test_a_jump_of_the_servers_clock_loses_nothing_and_hangs_nobody(
    server_binary: Path, prefix: str, tmp_path: Path, catalogue: Entry, jump_secs: int
) -> None:
    """All leases are over at once, or last for an hour; workers are alive all the same, and renew them."""
    clock = WrongClock(tmp_path / "clock")
    with ServerProcess(server_binary, appendfsync="no", environment=clock.environment) as server:
        stand = Stand(tmp_path, server, prefix, slots=SLOTS)
        with stand.worker() as first, stand.worker() as second, server.client() as client:
            with stand.producing(secs=0.2):
                stand.wait_for_runs(20)
                before = int(client.time()[0])
                clock.set(jump_secs)
                wait_until(
                    lambda: abs(int(client.time()[0]) - before - jump_secs) <= 5,
                    what="a server that believes it",
                )
                jumped_at, ran = time.monotonic(), len(stand.ran())
                # Longer than a lease, and it does not stand still meanwhile.
                wait_until(lambda: time.monotonic() > jumped_at + LEASE_SECS + 1, what="more than a lease")
                assert len(stand.ran()) > ran + SLOTS
            drained = stand.drain()
            assert (first.stop(), second.stop()) == (0, 0)
        stand.judge(catalogue, bound=2 * SLOTS, drained_secs=drained, note=f"{jump_secs:+} s")


@pytest.mark.row(49)
@pytest.mark.parametrize("minutes", [5, pytest.param(-5, marks=pytest.mark.long)])
def test_a_worker_whose_clock_is_wrong_keeps_its_leases_and_starts_nothing_early(
    fresh_server: ServerProcess, prefix: str, tmp_path: Path, catalogue: Entry, minutes: int
) -> None:
    """Two workers ten minutes apart, one of which jumps by an hour: due times and leases are the server's."""
    clock, other = WrongClock(tmp_path / "clock"), WrongClock(tmp_path / "other")
    clock.set(minutes * 60)
    other.set(-minutes * 60)
    stand = Stand(tmp_path, fresh_server, prefix, slots=SLOTS, rules=LATE_RULE)
    with (
        stand.worker(environment=clock.environment) as first,
        stand.worker(environment=other.environment) as second,
    ):
        (child,) = first.children()
        stand.publish(50, secs=0.1)
        wait_until(
            lambda: any(note.pid == child for note in stand.runs.starts()), what="a start of the first"
        )
        wrong = [note.wall - time.time() for note in stand.runs.starts() if note.pid == child]
        # The library works.
        assert all(abs(off - minutes * 60) < 30 for off in wrong)
        late = act("late", "note")
        late["entity_type"] = "Late"
        stand.offers["late"] = Offer(late, None, [])
        asked_at = time.monotonic()
        stand.queue.publish([late])
        stand.offers["late"].confirmed_at = time.monotonic()
        clock.set(HOUR_SECS * (1 if minutes > 0 else -1))
        with stand.producing(secs=0.1):
            wait_until(lambda: time.monotonic() > asked_at + LEASE_SECS + 1, what="more than a lease")
        drained = stand.drain()
        assert (first.stop(), second.stop()) == (0, 0)
    (start,) = (note for note in stand.runs.starts() if note.label == "late")
    assert LATE_SECS - 0.1 <= start.at - asked_at <= LATE_SECS + SLACK_SECS
    assert stand.queue.count("reclaimed") == 0
    stand.judge(catalogue, bound=0, drained_secs=drained, note=f"{minutes:+} minutes")


@pytest.mark.row(49)
@pytest.mark.parametrize("secs", [MINUTES_SECS, pytest.param(-MINUTES_SECS, marks=pytest.mark.long)])
def test_a_producer_whose_clock_is_wrong_makes_jobs_that_are_due_when_they_should(
    fresh_server: ServerProcess, prefix: str, tmp_path: Path, catalogue: Entry, secs: int
) -> None:
    """What is for now runs now, and what is for later runs as much later by the server's clock."""
    clock = WrongClock(tmp_path / "clock")
    clock.set(secs)
    stand = Stand(tmp_path, fresh_server, prefix, slots=SLOTS, rules=LATE_RULE)
    events = {"now": act("now"), "late": act("late")}
    events["late"]["entity_type"] = "Late"
    (tmp_path / "events").write_bytes(b"\n".join(orjson.dumps(event) for event in events.values()))
    with stand.worker() as worker:
        asked_at = time.monotonic()
        ended = run_command(
            ["publish", str(tmp_path / "events"), "--config", str(stand.queue.config)],
            environment=clock.environment,
        )
        stored_at = time.monotonic()
        assert ended.code == 0
        for label, event in events.items():
            stand.offers[label] = Offer(event, stored_at, [])
        drained = stand.drain()
        assert worker.stop() == 0
    starts = {note.label: note.at for note in stand.runs.starts()}
    assert asked_at <= starts["now"] <= stored_at + SLACK_SECS
    assert asked_at + LATE_SECS - 0.1 <= starts["late"] <= stored_at + LATE_SECS + SLACK_SECS
    stand.judge(catalogue, bound=0, drained_secs=drained, note=f"{secs:+} s")
