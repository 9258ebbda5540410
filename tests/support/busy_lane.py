"""A lane with a job in every place, for tests that spoil its keys and see what each step makes of that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from redis import Redis

from fraiseql_observers._core import BlockingLane
from tests.support.lanes import START_MS, TestLane, lane_on_server, member, tag_of

NOW = ("now", 0)
LATER_MS = START_MS + 40_000
#: The dead letter is older than any is kept.
DIED_MS = START_MS - 31 * 24 * 3600 * 1000
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
    "replay": lambda lane: lane.replay([(DEAD, DIED_MS, b"h")]),
    "remove": lambda lane: lane.remove([(DEAD, DIED_MS)]),
    "unpark": lambda lane: lane.unpark([PARKED]),
    "bury a parked job": lambda lane: lane.unpark([PARKED], b"f"),
    "hold": lambda lane: lane.hold(),
    "rotate": lambda lane: lane.rotate(),
    "trim": lambda lane: lane.trim(),
    "erase a pending job": lambda lane: lane.erase(PENDING[:16], b"{}", "d"),
    "erase a scheduled job": lambda lane: lane.erase(SCHEDULED[:16], b"{}", "d"),
    "erase a running job": lambda lane: lane.erase(RUNNING[:16], b"{}", "d"),
    "erase a dead letter": lambda lane: lane.erase(DEAD[:16], b"{}", "d"),
    "blank a pending job": lambda lane: lane.erase(PENDING[:16], b"{}", None),
    "redact": lambda lane: [lane.redact(entry, []) for entry in lane.records(None, 10)],
}


def busy_lane(url: str, redis: Redis, prefix: str) -> TestLane:
    """Make a lane with a job in every place, a worker of every kind, and something due for every step."""
    lane = lane_on_server(url, redis, prefix, dead_letter_max=1, dedupe_window_secs=60)
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
    redis.zadd(f"{tag_of(prefix)}:dead", {DEAD: DIED_MS})
    return lane


def dump(redis: Redis, tag: str) -> dict[bytes, Any]:
    """Keep all keys of a lane."""
    keys = sorted(key for key in redis.keys(f"{tag}:*") if isinstance(key, bytes))
    with redis.pipeline(transaction=True) as pipe:
        for key in keys:
            pipe.dump(key)
        return dict(zip(keys, pipe.execute(), strict=True))


def restore(redis: Redis, tag: str, dumped: dict[bytes, Any]) -> None:
    """Put all keys of a lane back as they were kept."""
    with redis.pipeline(transaction=True) as pipe:
        for key in redis.keys(f"{tag}:*"):
            pipe.delete(key)
        for key, value in dumped.items():
            pipe.restore(key, 0, value)
        pipe.execute()
