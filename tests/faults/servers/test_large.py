"""A backlog of a million, all of it due at once, and a great many dead letters: nothing takes longer for it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

import pytest
from redis import Redis

from fraiseql_observers._core import BlockingLane, RedisQueue
from tests.faults.rig.catalogue import Entry
from tests.support.audit import Audit
from tests.support.lanes import member, options_for, tag_of
from tests.support.server import ServerProcess

#: Jobs in one call, as it is where nothing is configured.
BATCH: Final = 100
PAYLOAD: Final = b"x" * 300
#: What a pending job may take above its payload.
OVERHEAD_BYTES: Final = 180
#: How often each step is measured.
SAMPLES: Final = 400
#: Milliseconds below which a step is quick, whatever it was before: a machine with other work to do is that uneven.
QUICK_MS: Final = 20.0
#: How much more of the server's time a script may take with a backlog than without, at most; and where each turn
#: has a batch of due jobs to promote.
SERVER_TIMES: Final = 3.0
PROMOTING_TIMES: Final = 10.0
#: Calls slower than this are in the server's own log, in microseconds.
SLOW_US: Final = 10_000
UNLUCKY: Final = 500
NOW: Final = ("now", 0)


class Watched:
    """A lane whose calls are timed.

    Args:
        lane: The lane.
        client: Of its server.
    """

    def __init__(self, lane: BlockingLane, client: Redis) -> None:
        self.lane = lane
        #: How long the server has worked on a script on average, in microseconds, each time that it was measured.
        self.server_us: list[float] = []
        self._client = client
        self._call = 0
        self._number = 1 << 64

    def p99_ms(self) -> dict[str, float]:
        """Enqueue, lease and ack jobs one by one, and return the time of the slowest in a hundred of each."""
        times: dict[str, list[float]] = {"enqueue": [], "turn": [], "ack": []}

        def timed(step: str, call: Callable[[], Any]) -> Any:
            begun = time.perf_counter()
            result = call()
            times[step].append(time.perf_counter() - begun)
            return result

        self._client.config_resetstat()
        for _ in range(SAMPLES):
            self._number += 1
            self._call += 1
            new = [(member(self._number, "c"), NOW, PAYLOAD)]
            timed("enqueue", partial(self.lane.enqueue, new))
            # By their rates the others get their turn too.
            turn = timed("turn", partial(self.lane.turn, "worker", self._call, 1))
            acks = [(lease.member, lease.call, b"{}") for lease in turn.leases]
            timed("ack", partial(self.lane.ack, "worker", acks))
        stats = self._client.info("commandstats")
        assert isinstance(stats, dict)
        self.server_us.append(float(stats["cmdstat_evalsha"]["usec_per_call"]))
        return {step: sorted(all_)[len(all_) * 99 // 100] * 1000 for step, all_ in times.items()}

    def lease_all(self) -> int:
        """Lease a batch, and return how many jobs it had; they stay leased."""
        self._call += 1
        return len(self.lane.turn("worker", self._call, BATCH).leases)

    def bury_all(self) -> int:
        """Lease a batch and let it die, and return how many jobs it had."""
        self._call += 1
        leases = self.lane.turn("worker", self._call, BATCH).leases
        self.lane.nack(
            "worker", [(lease.member, lease.call, ("dead", 0), b"", b"{}", b"") for lease in leases]
        )
        return len(leases)


def hurry(server: ServerProcess) -> None:
    """Let a server run before everything else that the machine has to do, where that is allowed.

    Its log of slow calls has the time that other processes take from it too. What it forks is not urgent.
    """
    with suppress(AttributeError, PermissionError):
        os.sched_setscheduler(server.pid, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))


def slow_calls(client: Redis) -> list[str]:
    """Return what the server has logged as slow since it was last asked."""
    entries = client.slowlog_get(128)
    assert isinstance(entries, list)
    client.slowlog_reset()
    return [f"{entry['duration']} us: {entry['command'][:60]!r}" for entry in entries]


@pytest.mark.row(50)
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("jobs", "dead"), [(50_000, 5_000), pytest.param(1_000_000, 100_000, marks=pytest.mark.long)]
)
def test_a_backlog_makes_no_step_slower(
    fresh_server: ServerProcess, prefix: str, catalogue: Entry, jobs: int, dead: int
) -> None:
    """Enqueue, lease and ack cost the same with a million pending, a million due at once, and many dead letters."""
    options = options_for(prefix, batch_size=BATCH, dead_letter_max=2 * dead, lease_duration_secs=3600)
    hurry(fresh_server)
    lane = RedisQueue(fresh_server.url, options).lane_blocking("default")
    with fresh_server.client() as client:
        client.config_set("slowlog-log-slower-than", SLOW_US)
        lane.join("worker", "{}")
        watched = Watched(lane, client)
        idle = watched.p99_ms()
        used = _memory(client)
        for first in range(0, jobs, BATCH):
            lane.enqueue([(member(first + n), NOW, PAYLOAD) for n in range(BATCH)])
        each = (_memory(client) - used) / jobs
        pending = watched.p99_ms()
        buried = 0
        while buried < dead:
            buried += watched.bury_all()
        many_dead = watched.p99_ms()
        for first in range(0, jobs, BATCH):
            lane.enqueue([(member(jobs + first + n), ("after", 1), PAYLOAD) for n in range(BATCH)])
        all_due = watched.p99_ms()
        assert lane.stats().dead == buried
        assert len(lane.list("dead", buried // 2, 50)) == 50
        slow = slow_calls(client)
        audit = Audit.read(client, tag_of(prefix))
    figures = {"pending": pending, "dead": many_dead, "due": all_due}
    server_us = watched.server_us
    note = f"p99 idle {_shown(idle)}; " + "; ".join(f"{name} {_shown(p99)}" for name, p99 in figures.items())
    catalogue.record(
        lost=0,
        duplicated=0,
        bound=0,
        note=f"{note}; {each:.0f} B a job; {len(slow)} slow calls; server {[round(us) for us in server_us]} us a call",
    )
    assert audit.problems() == []
    assert max(server_us[:-1]) <= SERVER_TIMES * server_us[0], server_us
    assert server_us[-1] <= PROMOTING_TIMES * server_us[0], server_us
    for p99 in figures.values():
        assert all(p99[step] <= max(5 * idle[step], QUICK_MS) for step in idle)
    assert each <= len(PAYLOAD) + OVERHEAD_BYTES
    print(*slow, sep="\n")
    # What the machine itself takes from the server is in its log too: one call in so many may be there.
    calls = 2 * jobs // BATCH + 4 * 3 * SAMPLES
    assert len(slow) <= calls // UNLUCKY, slow


def _memory(client: Redis) -> int:
    info = client.info("memory")
    assert isinstance(info, dict)
    return int(info["used_memory_dataset"])


def _shown(p99: dict[str, float]) -> str:
    return ", ".join(f"{step} {ms:.2f} ms" for step, ms in p99.items())
