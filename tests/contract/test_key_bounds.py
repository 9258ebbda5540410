"""Every key keeps its bound, however much goes through a queue; and every key is on the page that says its bound."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from fraiseql_observers.errors import QueueFull
from tests.support.audit import FIXED_KEYS, Audit
from tests.support.lanes import TestLane, lane_on_server, member, tag_of
from tests.support.server import ServerProcess

ROOT = Path(__file__).parents[2]
NOW = ("now", 0)
DAY_MS = 24 * 3600 * 1000
WINDOW_SECS = 60
BATCH = 10
#: Small bounds, so that each is passed many times over.
BOUNDS = {
    "batch_size": BATCH,
    "max_pending": 20,
    "dead_letter_max": 7,
    "completed_retention_max": 9,
    "completed_retention_secs": 30,
    "dedupe_window_secs": WINDOW_SECS,
}
ROUNDS = 60


@pytest.fixture
def redis(server: ServerProcess) -> Iterator[Redis]:
    """Give a client of the server."""
    with Redis(port=server.port) as client:
        yield client


@pytest.fixture
def lane(server: ServerProcess, redis: Redis, prefix: str) -> TestLane:
    """Make a lane with small bounds."""
    return lane_on_server(server.url, redis, prefix, **BOUNDS)


class Mill:
    """A worker through which many jobs go, each to an end of its own."""

    #: Verdicts in turn; `None` acks.
    ENDS = (None, ("dead", 0), ("log", 0), ("retry", 1_000), None, ("park", 0), ("dead", 0))

    def __init__(self, lane: TestLane) -> None:
        self.lane = lane
        self.name = "0" * 32
        self.call = 0
        self.number = 0
        #: Jobs that succeed with their second attempt.
        self.retried: set[bytes] = set()
        lane.steps.join(self.name, "{}")

    def store(self, count: int, *, later: bool = False) -> list[bytes]:
        """Store new jobs, and return their members."""
        members = []
        for _ in range(count):
            self.number += 1
            members.append(member(self.number, "chdl"[self.number % 4]))
        due = ("after", 5_000) if later else NOW
        assert all(self.lane.steps.enqueue([(one, due, b"{}") for one in members]))
        return members

    def end_all(self) -> None:
        """Lease all that is pending, and bring each to the end whose turn it is."""
        steps, history = self.lane.steps, b'{"n":1,"e":"%s"}' % (b"x" * 100)
        steps.beat(self.name)
        while True:
            self.call += 1
            leases = steps.turn(self.name, self.call, BATCH).leases
            if not leases:
                return
            for lease in leases:
                end = self.ENDS[int.from_bytes(lease.member[:16], "big") % len(self.ENDS)]
                if end is None or lease.member in self.retried:
                    assert steps.ack(self.name, [(lease.member, self.call, b'{"id":1}')]) == ["acked"]
                    continue
                if end[0] == "retry":
                    self.retried.add(lease.member)
                until = self.lane.now_ms + 3_000 if end[0] == "park" else end[1]
                nack = (lease.member, self.call, (end[0], until), history, b"why", b'{"id":2}')
                assert steps.nack(self.name, [nack]) == [True]

    def tend(self) -> None:
        """Do what a worker does every few seconds."""
        steps = self.lane.steps
        steps.rotate()
        while steps.trim():
            pass
        parked = [one for one, expires in steps.list("parked", 0, 100) if expires <= self.lane.now_ms]
        if parked:
            steps.unpark(parked[:BATCH], b"expired")


def test_no_key_grows_with_what_has_gone_through(lane: TestLane, redis: Redis, prefix: str) -> None:
    """Sizes after sixty rounds are bounded by the settings, not by the rounds."""
    mill = Mill(lane)
    steps = lane.steps
    largest: Counter[str] = Counter()
    for turn in range(ROUNDS):
        cancelled = mill.store(10)
        for one in cancelled[:5]:
            steps.cancel(one)
        mill.store(5, later=True)
        if turn % 10 == 0:
            lost = f"{turn + 1:032x}"
            steps.join(lost, "{}")
            held = steps.turn(lost, 1, 3).leases
            steps.cancel(held[0].member)
            lane.pass_time(15_000)
            steps.beat(mill.name)
            lane.pass_time(15_000)
            steps.reclaim(lost, b"crash_limit")
        mill.end_all()
        lane.pass_time(4_000)
        mill.tend()
        sizes = sizes_of(redis, prefix)
        largest = Counter(
            {name: max(size, largest[name]) for name, size in sizes.items()}
            | {name: size for name, size in largest.items() if name not in sizes}
        )
    audit = Audit.read(redis, tag_of(prefix))
    assert not audit.problems()
    assert mill.number > 40 * BOUNDS["max_pending"]
    # Fifteen jobs come in every four seconds; ids are remembered for two windows and one look.
    remembered = 15 * (2 * WINDOW_SECS // 4 + 10)
    alive = 2 * BOUNDS["max_pending"] + 40
    bounds = {
        "meta": 50,
        "jobs": alive + BOUNDS["dead_letter_max"],
        "history": alive + BOUNDS["dead_letter_max"],
        "scheduled": BOUNDS["max_pending"] + 20,
        "parked": 20,
        "suspects": 3,
        "dead": BOUNDS["dead_letter_max"],
        "failures": BOUNDS["dead_letter_max"] + 20,
        "crashes": 3,
        "ghosts": BOUNDS["max_pending"],
        "recent": BOUNDS["completed_retention_max"],
        "wake": 4,
        "leases": 2,
        "workers": 2,
        "calls": 2,
        "clock": 1,
        **{f"pending:{letter}": 2 * BOUNDS["max_pending"] for letter in "chdl"},
        **{f"{kind}:{half}": remembered for kind in ("done", "ended") for half in (0, 1)},
    }
    for name, size in largest.items():
        kind = name.partition(":")[0]
        bound = BATCH if kind in {"running", "cancels"} else bounds[name]
        assert size <= bound, f"{name} has had {size} entries, more than {bound}"
    assert largest["dead"] == BOUNDS["dead_letter_max"], "the bound was reached"
    assert audit.count("trimmed") > 50
    assert sum(count for count, _ in audit.recent) <= BOUNDS["completed_retention_max"]


def test_all_that_is_left_of_a_quiet_queue_goes_too(lane: TestLane, redis: Redis, prefix: str) -> None:
    """After the windows and a month a worker has let go of everything but a few small keys."""
    mill = Mill(lane)
    for _ in range(5):
        mill.store(10)
        mill.end_all()
        lane.pass_time(4_000)
    for passed_ms in (
        4_000,
        31 * DAY_MS,
        WINDOW_SECS * 1000,
        WINDOW_SECS * 1000,
        31 * DAY_MS,
        WINDOW_SECS * 2000,
    ):
        lane.pass_time(passed_ms)
        mill.end_all()
        for _ in range(5):
            mill.tend()
    for _ in range(3):
        lane.pass_time(WINDOW_SECS * 1000)
        mill.tend()
    assert set(sizes_of(redis, prefix)) - {"wake", "recent"} == {
        "meta",
        "leases",
        "workers",
        "calls",
        "clock",
    }
    assert lane.steps.recent(100) == []


def test_a_history_stays_below_its_bound_whatever_is_tried(lane: TestLane, redis: Redis, prefix: str) -> None:
    """Twenty attempts and four KiB, after thirty attempts with long errors, through the policy of real jobs."""
    from fraiseql_observers._core import EntityEvent, Job  # as a worker's own

    job = Job(
        action={"type": "log"},
        event=EntityEvent("INSERT", "Order", "00112233-4455-6677-8899-aabbccddeeff", {}),
        max_attempts=100,
        initial_delay_ms=10,
        max_delay_ms=100,
        max_age_secs=3600,
    )
    steps, one = lane.steps, job.id.bytes + b"d"
    steps.enqueue([(one, NOW, job.to_json())])
    steps.join("w", "{}")
    for call in range(1, 31):
        lane.pass_time(1_000)
        steps.beat("w")
        (lease,) = steps.turn("w", call, 1).leases
        failed = lease.failed(started_at_ms=1, duration_ms=2, worker="w" * 500, error="\x01é" * 5_000)
        assert steps.nack("w", [failed]) == [True]
        stored = redis.hget(f"{tag_of(prefix)}:history", job.id.bytes)
        assert isinstance(stored, bytes)
        assert len(stored) <= 4096
        assert stored.count(b'"worker"') <= 20
        assert lease.attempt == call


def test_nothing_more_is_stored_than_the_bound_allows(lane: TestLane, redis: Redis, prefix: str) -> None:
    """Whoever stores and cancels for ever, without any worker, does not fill the server."""
    mill = Mill(lane)

    def store_and_cancel(times: int) -> None:
        for _ in range(times):
            for one in mill.store(5):
                lane.steps.cancel(one)

    with pytest.raises(QueueFull):
        store_and_cancel(100)
    sizes = sizes_of(redis, prefix)
    assert sum(sizes[f"pending:{letter}"] for letter in "chdl") <= 2 * BOUNDS["max_pending"]
    assert sizes["ghosts"] <= 2 * BOUNDS["max_pending"]


def test_every_key_is_on_the_page_of_bounds(lane: TestLane) -> None:
    """The page and the code know the same keys."""
    page = (ROOT / "docs" / "reference" / "key-bounds.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`:.*?) \|", page, re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`:([^`]+)`", row)}
    source = (ROOT / "rust" / "src" / "queue" / "keys.rs").read_text(encoding="utf-8")
    built = {name.replace("{}", "PRIORITY") for name in re.findall(r'key\((?:&format!\()?"([^"]+)"', source)}
    built |= {f"{name}:INCARNATION" for name in re.findall(r'format!\("\{\}:(\w+):\{\}"', source)}
    assert listed == built
    fixed = {
        name for name in listed if not name.isupper() and "PRIORITY" not in name and "INCARNATION" not in name
    }
    assert fixed | {f"pending:{letter}" for letter in "chdl"} >= FIXED_KEYS


def sizes_of(redis: Redis, prefix: str) -> dict[str, int]:
    """Count the entries of each key of the lane."""
    tag = tag_of(prefix)
    sizes = {}
    for key in redis.scan_iter(f"{tag}:*", count=1000):
        name = key.decode().removeprefix(f"{tag}:")
        match redis.type(key):
            case b"hash":
                size = redis.hlen(key)
            case b"list":
                size = redis.llen(key)
            case b"set":
                size = redis.scard(key)
            case b"zset":
                size = redis.zcard(key)
            case b"stream":
                size = redis.xlen(key)
            case _:
                size = 1
        sizes[name] = int(size)
    return sizes
