"""A key that somebody else has written over: a step refuses as a whole, or has no need of that key.

A script that fails in the middle keeps what it has done, which could lose a job; so every script reads the type of
each of its keys before it writes the first time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Redis

from fraiseql_observers._core import BlockingLane
from fraiseql_observers.errors import QueueError
from tests.support.audit import FIXED_KEYS
from tests.support.lanes import START_MS, TestLane, lane_on_server, member, tag_of
from tests.support.server import ServerProcess

NOW = ("now", 0)
LATER_MS = START_MS + 40_000
DEAD, PARKED, SCHEDULED, RUNNING, PENDING, SUSPECT = (member(n) for n in range(6))

#: Every step that writes, each with something to do in the lane that `busy_lane` makes.
STEPS: dict[str, Callable[[BlockingLane], object]] = {
    "enqueue": lambda lane: lane.enqueue([(member(90), NOW, b"{}"), (member(91), ("after", 1), b"{}")]),
    "join": lambda lane: lane.join("new", "{}"),
    "beat": lambda lane: lane.beat("alive", [member(7)]),
    "turn": lambda lane: lane.turn("alive", 100, 10),
    "turn for suspects": lambda lane: lane.turn("alive", 100, 10, "suspects"),
    "ack": lambda lane: lane.ack("alive", [(RUNNING, 9, b"{}")]),
    "nack to retry": lambda lane: lane.nack("alive", [(RUNNING, 9, ("retry", 0), b"h", b"", b"")]),
    "nack to park": lambda lane: lane.nack("alive", [(RUNNING, 9, ("park", LATER_MS), b"h", b"f", b"")]),
    "nack to bury": lambda lane: lane.nack("alive", [(RUNNING, 9, ("dead", 0), b"h", b"f", b"r")]),
    "nack to log": lambda lane: lane.nack("alive", [(RUNNING, 9, ("log", 0), b"h", b"", b"r")]),
    "release": lambda lane: lane.release("alive", [(RUNNING, 9)]),
    "release a suspect": lambda lane: lane.release("alive", [(RUNNING, 9)], "suspects"),
    "leave": lambda lane: lane.leave("idle"),
    "reclaim": lambda lane: lane.reclaim("lost", b"f"),
    "cancel a pending job": lambda lane: lane.cancel(PENDING),
    "cancel a scheduled job": lambda lane: lane.cancel(SCHEDULED),
    "cancel a parked job": lambda lane: lane.cancel(PARKED),
    "cancel a running job": lambda lane: lane.cancel(RUNNING),
    "replay": lambda lane: lane.replay([(DEAD, START_MS, b"h")]),
    "remove": lambda lane: lane.remove([(DEAD, START_MS)]),
    "unpark": lambda lane: lane.unpark([PARKED]),
    "bury a parked job": lambda lane: lane.unpark([PARKED], b"f"),
    "rotate": lambda lane: lane.rotate(),
}


@pytest.fixture
def redis(server: ServerProcess) -> Iterator[Redis]:
    """Give a client of the server."""
    with Redis(port=server.port) as client:
        yield client


@pytest.fixture
def busy_lane(server: ServerProcess, redis: Redis, prefix: str) -> TestLane:
    """Make a lane with a job in every place, a worker of every kind, and something due for every step."""
    lane = lane_on_server(server.url, redis, prefix, dead_letter_max=1, dedupe_window_secs=60)
    steps = lane.steps
    for name in ("alive", "idle", "lost", "dying", "dying too"):
        steps.join(name, "{}")

    def take(worker: str, call: int, job: bytes) -> None:
        steps.enqueue([(job, NOW, b"{}")])
        assert [lease.member for lease in steps.turn(worker, call, 1).leases] == [job]

    def pass_a_lease(*survivors: str) -> None:
        for _ in range(2):
            lane.pass_time(15_000)
            for name in survivors:
                assert steps.beat(name)[0]

    take("alive", 1, DEAD)
    steps.nack("alive", [(DEAD, 1, ("dead", 0), b"h", b"f", b"r")])
    take("alive", 2, PARKED)
    steps.nack("alive", [(PARKED, 2, ("park", START_MS + 1), b"h", b"f", b"")])
    take("alive", 3, member(6))
    steps.ack("alive", [(member(6), 3, b"{}")])
    take("alive", 4, member(7))
    steps.cancel(member(7))
    take("dying", 1, SUSPECT)
    pass_a_lease("alive", "idle", "lost", "dying too")
    steps.reclaim("dying", b"f")
    take("dying too", 1, SUSPECT)
    pass_a_lease("alive", "idle", "lost")
    steps.reclaim("dying too", b"f")
    take("lost", 1, member(8))
    pass_a_lease("alive", "idle")
    take("alive", 9, RUNNING)
    steps.enqueue([(SCHEDULED, ("after", 1), b"{}"), (PENDING, NOW, b"{}")])
    lane.pass_time(1)
    return lane


@pytest.mark.row(52)
def test_a_step_that_meets_a_key_of_another_type_changes_nothing(
    busy_lane: TestLane, redis: Redis, prefix: str
) -> None:
    """For every step and every key: the step works without that key, or leaves all the others as they were."""
    tag = tag_of(prefix)
    names = (FIXED_KEYS - {"clock"}) | {
        f"{kind}:{who}" for kind in ("running", "cancels") for who in ("alive", "lost", "idle")
    }
    whole = _dump(redis, tag)
    refused = 0
    for step, act in STEPS.items():
        for name in sorted(names):
            key = f"{tag}:{name}".encode()
            redis.delete(key)
            redis.set(key, "somebody else's")
            before = _dump(redis, tag)
            try:
                act(busy_lane.steps)
            except QueueError:
                refused += 1
                after = _dump(redis, tag)
                changed = [k.decode() for k in before.keys() | after.keys() if before.get(k) != after.get(k)]
                assert not changed, f"{step} met a wrong {name}, failed, and had changed {changed}"
            _restore(redis, tag, whole)
    assert refused > 100, "most steps need most keys"


def test_every_step_has_something_to_do(busy_lane: TestLane, redis: Redis, prefix: str) -> None:
    """Else the test above would show nothing."""
    tag = tag_of(prefix)
    whole = _dump(redis, tag)
    for step, act in STEPS.items():
        act(busy_lane.steps)
        assert _dump(redis, tag) != whole, f"{step} did nothing"
        _restore(redis, tag, whole)


def _dump(redis: Redis, tag: str) -> dict[bytes, Any]:
    keys = sorted(key for key in redis.keys(f"{tag}:*") if isinstance(key, bytes))
    with redis.pipeline(transaction=True) as pipe:
        for key in keys:
            pipe.dump(key)
        return dict(zip(keys, pipe.execute(), strict=True))


def _restore(redis: Redis, tag: str, dumped: dict[bytes, Any]) -> None:
    with redis.pipeline(transaction=True) as pipe:
        for key in redis.keys(f"{tag}:*"):
            pipe.delete(key)
        for key, value in dumped.items():
            pipe.restore(key, 0, value)
        pipe.execute()
