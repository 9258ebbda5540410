"""Dead letters read page by page and let go, on a server and in memory alike."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from redis import Redis

from fraiseql_observers._core import BlockingLane
from tests.support.lanes import TestLane, lane_in_memory, lane_on_server, member
from tests.support.server import ServerProcess

NOW = ("now", 0)
DAY_MS = 24 * 3600 * 1000
#: How long a dead letter is kept: a limit of the layout, said in the documentation.
MAX_AGE_MS = 30 * DAY_MS

#: Makes a lane with the bounds that a test is about.
MakeLane = Callable[..., TestLane]


@pytest.fixture
def redis(server: ServerProcess) -> Iterator[Redis]:
    """Give a client of the server."""
    with Redis(port=server.port) as client:
        yield client


@pytest.fixture(params=["redis", "memory"])
def make_lane(request: pytest.FixtureRequest, server: ServerProcess, redis: Redis, prefix: str) -> MakeLane:
    """Make a lane of each kind."""
    if request.param == "memory":
        return lane_in_memory
    return lambda **bounds: lane_on_server(server.url, redis, prefix, **bounds)


class Undertaker:
    """A worker that makes dead letters of what it leases."""

    def __init__(self, lane: TestLane) -> None:
        self.lane = lane
        self.calls = count(1)

    def bury(self, *numbers: int, payload: bytes = b"{}") -> None:
        """Make dead letters with these ids, all in the same ms."""
        steps, name = self.lane.steps, f"{self.lane.now_ms:032x}"
        steps.join(name, "{}")
        steps.enqueue([(member(n), NOW, payload) for n in numbers])
        left = len(numbers)
        while left:
            call = next(self.calls)
            leases = steps.turn(name, call, left).leases
            done = steps.nack(
                name, [(lease.member, call, ("dead", 0), b"h", b"why", b"") for lease in leases]
            )
            assert all(done)
            left -= len(leases)


def walk(
    steps: BlockingLane, limit: int, between: Callable[[int], object] = lambda page: None
) -> list[list[int]]:
    """Read all letters and return the numbers on each page; `between` is called before each page but the first."""
    pages: list[list[int]] = []
    after: tuple[int, bytes] | None = None
    while True:
        letters, after, more = steps.letters(after, limit=limit)
        pages.append([int.from_bytes(letter[0][:16], "big") for letter in letters])
        if not more:
            return pages
        between(len(pages))


def test_pages_are_newest_first_without_gap_or_overlap(make_lane: MakeLane) -> None:
    """Many that died in the same ms are parted by their ids."""
    lane = make_lane()
    undertaker = Undertaker(lane)
    undertaker.bury(*range(100, 170))
    lane.pass_time(1)
    undertaker.bury(3, 2, 1)
    pages = walk(lane.steps, 8)
    assert [len(page) for page in pages] == [8] * 9 + [1]
    assert [number for page in pages for number in page] == [3, 2, 1, *range(169, 99, -1)]


def test_a_page_begins_where_the_last_one_ended_although_letters_come_and_go(make_lane: MakeLane) -> None:
    """What leaves is not there, what dies meanwhile is not seen, and nothing else is missed or comes twice."""
    lane = make_lane()
    steps, undertaker = lane.steps, Undertaker(lane)
    undertaker.bury(*range(100, 200))
    died_at = lane.now_ms
    chance = random.Random(7)
    gone: set[int] = set()
    new = count(1000)

    def disturb(_: int) -> None:
        removed = chance.sample(range(100, 200), 5)
        for number, was_there in zip(
            removed, steps.remove([(member(number), died_at) for number in removed]), strict=True
        ):
            gone.update([number] if was_there else [])
        lane.pass_time(1)
        undertaker.bury(next(new))

    seen = [number for page in walk(steps, 10, disturb) for number in page]
    assert seen == sorted(set(seen), reverse=True)
    assert set(seen) <= set(range(100, 200))
    assert set(range(100, 200)) - set(seen) <= gone, "only what left may be missing"
    assert next(new) > 1003, "letters died meanwhile"


def test_a_page_can_begin_at_a_time(make_lane: MakeLane) -> None:
    """It has what died before, not what died then."""
    lane = make_lane()
    undertaker = Undertaker(lane)
    for number in range(1, 6):
        lane.pass_time(10)
        undertaker.bury(number)
    letters, _, more = lane.steps.letters((lane.now_ms - 20, b""), limit=10)
    assert [letter[0] for letter in letters] == [member(2), member(1)]
    assert not more
    assert lane.steps.letters((0, b""), limit=10) == ([], None, False)


def test_a_page_has_everything_that_is_kept_of_a_letter(make_lane: MakeLane) -> None:
    """So that nobody has to ask for each letter again."""
    lane = make_lane()
    Undertaker(lane).bury(1, payload=b"a job")
    assert lane.steps.letters(limit=10) == (
        [(member(1), lane.now_ms, b"a job", b"why", b"h")],
        (lane.now_ms, member(1)),
        False,
    )


def test_a_page_carries_no_more_bytes_than_its_bound_but_one_letter_at_least(make_lane: MakeLane) -> None:
    """Large letters make short pages."""
    lane = make_lane()
    Undertaker(lane).bury(1, 2, 3, payload=b"x" * (3 << 20))
    assert walk(lane.steps, 100) == [[3], [2], [1]]


def test_letters_that_are_too_old_go_and_are_counted(make_lane: MakeLane) -> None:
    """At 30 days, not before; their ids stay known, and stats say how many went."""
    lane = make_lane()
    steps, undertaker = lane.steps, Undertaker(lane)
    undertaker.bury(1, 2)
    lane.pass_time(DAY_MS)
    undertaker.bury(3)
    lane.pass_time(MAX_AGE_MS - DAY_MS - 1)
    assert steps.trim() == 0
    lane.pass_time(1)
    assert steps.trim() == 2
    assert walk(steps, 10) == [[3]]
    counters = steps.stats().counters
    assert (counters["trimmed"], counters["trimmed_by_age"]) == (2, 2)
    assert steps.find(member(1)[:16]).place == "trimmed"
    assert steps.enqueue([(member(1), NOW, b"{}")]) == [False]


def test_a_bound_that_was_lowered_is_reached_in_steps(
    server: ServerProcess, redis: Redis, prefix: str
) -> None:
    """No call lets more than two batches go, however many there are; the oldest go first."""
    lane = lane_on_server(server.url, redis, prefix, batch_size=10)
    undertaker = Undertaker(lane)
    for number in range(50):
        lane.pass_time(1)
        undertaker.bury(number)
    narrow = lane_on_server(server.url, redis, prefix, batch_size=10, dead_letter_max=7)
    assert [narrow.steps.trim() for _ in range(4)] == [20, 20, 3, 0]
    assert walk(narrow.steps, 100) == [list(range(49, 42, -1))]
    assert "trimmed_by_age" not in narrow.steps.stats().counters


def test_entries_of_cancelled_jobs_take_no_room_on_a_page(make_lane: MakeLane) -> None:
    """Pages of pending jobs are full as long as there are jobs, and an id that came back is there once."""
    lane = make_lane(dedupe_window_secs=60)
    steps = lane.steps
    for number in range(60):
        steps.enqueue([(member(number), NOW, b"{}")])
    cancelled = [number for number in range(60) if number % 3 != 0]
    for number in cancelled:
        assert steps.cancel(member(number)) == "pending"
    jobs = [member(number) for number in range(0, 60, 3)]
    pages = [[entry for entry, _ in steps.list("pending", first, 7)] for first in range(0, 28, 7)]
    assert [len(page) for page in pages] == [7, 7, 6, 0]
    assert [entry for page in pages for entry in page] == jobs
    for _ in range(2):
        lane.pass_time(60_000)
        assert steps.rotate()
    assert steps.enqueue([(member(1), NOW, b"again")]) == [True]
    assert [entry for entry, _ in steps.list("pending", 0, 100)] == [*jobs, member(1)]
    assert steps.stats().pending == 21
