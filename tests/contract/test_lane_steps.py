"""Bounds and turns of a lane that the model test does not reach, on a server and in memory alike."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from redis import Redis

from fraiseql_observers.errors import QueueFull
from tests.support.audit import Audit
from tests.support.lanes import TestLane, lane_in_memory, lane_on_server, member, tag_of
from tests.support.server import ServerProcess

NOW = ("now", 0)
FAILURE = b'{"reason":"crash_limit"}'
#: More than half of what one call carries.
LARGE = b"x" * (3 << 20)

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


def test_priorities_are_served_8_to_4_to_2_to_1(make_lane: MakeLane) -> None:
    """Under a flood of everything, each moves at its rate, in whatever batches it is leased."""
    lane = make_lane().steps
    for n, letter in enumerate("chdl"):
        lane.enqueue([(member(1000 * n + k, letter), NOW, b"{}") for k in range(100)])
    lane.join("w", "{}")
    leased: Counter[str] = Counter()
    for call, want in enumerate([1, 2, 3, 4, 5, 7, 8] * 2, start=1):
        leased.update(chr(lease.member[16]) for lease in lane.turn("w", call, want).leases)
    assert leased == {"c": 32, "h": 16, "d": 8, "l": 4}


def test_jobs_of_one_priority_come_out_in_the_order_they_went_in(make_lane: MakeLane) -> None:
    """Released ones come first again, in their order."""
    lane = make_lane().steps
    jobs = [member(n) for n in range(10)]
    lane.enqueue([(job, NOW, b"{}") for job in jobs])
    lane.join("w", "{}")
    leased = [lease.member for lease in lane.turn("w", 1, 6).leases]
    assert leased == jobs[:6]
    lane.release("w", [(job, 1) for job in leased[2:]])
    assert [lease.member for lease in lane.turn("w", 2, 10).leases] == jobs[2:]


def test_a_turn_carries_no_more_bytes_than_its_bound_but_one_job_at_least(make_lane: MakeLane) -> None:
    """What does not fit stays where it was."""
    lane = make_lane().steps
    for n in range(3):
        lane.enqueue([(member(n), NOW, LARGE)])
    lane.enqueue([(member(3), NOW, b"{}")])
    lane.join("w", "{}")
    for call in range(1, 3):
        turn = lane.turn("w", call, 10)
        assert [lease.member for lease in turn.leases] == [member(call - 1)]
        assert turn.waiting == 4 - call
    assert [lease.member for lease in lane.turn("w", 3, 10).leases] == [member(2), member(3)]


def test_a_full_queue_takes_nothing_of_a_batch_and_still_knows_its_jobs(make_lane: MakeLane) -> None:
    """All or nothing: the caller need not ask which of them got in."""
    lane = make_lane(max_pending=2).steps
    both = [(member(n), NOW, b"{}") for n in range(2)]
    assert lane.enqueue(both) == [True, True]
    assert lane.enqueue(both) == [False, False]
    with pytest.raises(QueueFull):
        lane.enqueue([both[0], (member(2), NOW, b"{}")])
    assert lane.stats().pending == 2


def test_entries_of_cancelled_jobs_do_not_keep_a_queue_full(make_lane: MakeLane) -> None:
    """They stay on the lists until a worker meets them; only as many as the bound are overlooked."""
    lane = make_lane(max_pending=3).steps
    for first in (0, 3):
        lane.enqueue([(member(first + n), NOW, b"{}") for n in range(3)])
        with pytest.raises(QueueFull):
            lane.enqueue([(member(99), NOW, b"{}")])
        if first == 0:
            for n in range(3):
                assert lane.cancel(member(n)) == "pending"
            assert lane.stats().pending == 0
    assert lane.cancel(member(3)) == "pending"
    with pytest.raises(QueueFull):
        lane.enqueue([(member(99), NOW, b"{}")])
    lane.join("w", "{}")
    assert len(lane.turn("w", 1, 2).leases) == 2
    assert lane.enqueue([(member(99), NOW, b"{}")]) == [True]


def test_an_id_counts_once_against_the_bound(make_lane: MakeLane) -> None:
    """However often a call names it, and under whatever priorities."""
    lane = make_lane(max_pending=2).steps
    same = [(member(1, letter), NOW, b"{}") for letter in "chdl"]
    assert lane.enqueue([*same, (member(2), NOW, b"{}")]) == [True, False, False, False, True]
    assert lane.enqueue(same) == [False] * 4
    assert lane.stats().pending == 2


def test_jobs_for_later_have_a_bound_of_their_own(make_lane: MakeLane) -> None:
    """A flood of delayed jobs is held back too, and does not stop what is due now."""
    lane = make_lane(max_pending=2).steps
    assert lane.enqueue([(member(n), ("after", 1000), b"{}") for n in range(2)]) == [True, True]
    with pytest.raises(QueueFull):
        lane.enqueue([(member(2), ("after", 1000), b"{}")])
    with pytest.raises(QueueFull):
        lane.enqueue([(member(2), NOW, b"{}"), (member(3), ("after", 1000), b"{}")])
    assert lane.enqueue([(member(n), NOW, b"{}") for n in range(4, 6)]) == [True, True]
    assert lane.enqueue([(member(n), ("after", 1000), b"{}") for n in range(2)]) == [False, False]
    stats = lane.stats()
    assert (stats.pending, stats.scheduled) == (2, 2)


def test_suspects_count_against_the_bound(make_lane: MakeLane) -> None:
    """They are pending, though they run alone."""
    lane = make_lane(max_pending=1)
    steps = lane.steps
    steps.enqueue([(member(1), NOW, b"{}")])
    for worker in ("a", "b"):
        steps.join(worker, "{}")
        assert len(steps.turn(worker, 1, 1).leases) == 1
        lane.pass_time(30_000)
        steps.reclaim(worker, FAILURE)
    assert steps.stats().suspects == 1
    with pytest.raises(QueueFull):
        steps.enqueue([(member(2), NOW, b"{}")])


def test_reclaiming_takes_batches_and_names_what_is_left(make_lane: MakeLane) -> None:
    """A worker that held more than one call may move is reclaimed by several."""
    lane = make_lane(batch_size=4)
    steps = lane.steps
    jobs = [member(n) for n in range(10)]
    for start in (0, 4, 8):
        steps.enqueue([(job, NOW, b"{}") for job in jobs[start : start + 4]])
    steps.join("w", "{}")
    for call in range(1, 4):
        steps.turn("w", call, 4)
    lane.pass_time(30_000)
    assert [steps.reclaim("w", FAILURE)[:2] for _ in range(3)] == [(4, 6), (4, 2), (2, 0)]
    assert steps.reclaim("w", FAILURE)[3], "there is nobody left to reclaim from"
    assert {entry for entry, _ in steps.list("pending", 0, 100)} == set(jobs)


def test_a_late_beat_keeps_what_is_not_reclaimed_yet(make_lane: MakeLane) -> None:
    """Half reclaimed, the worker that wakes finishes the other half."""
    lane = make_lane(batch_size=2)
    steps = lane.steps
    for n in range(4):
        steps.enqueue([(member(n), NOW, b"{}")])
    steps.join("w", "{}")
    held = [lease.member for call in (1, 2) for lease in steps.turn("w", call, 2).leases]
    lane.pass_time(30_000)
    assert steps.reclaim("w", FAILURE)[:2] == (2, 2)
    assert steps.beat("w")[0]
    outcomes = steps.ack("w", [(job, n // 2 + 1, b"{}") for n, job in enumerate(held)])
    assert Counter(outcomes) == {"acked": 2, "lost": 2}
    assert steps.stats().pending == 2


def test_a_crash_counts_for_72_hours(make_lane: MakeLane) -> None:
    """What crashed long ago is no suspect today."""
    lane = make_lane()
    steps = lane.steps
    steps.enqueue([(member(1), NOW, b"{}")])
    for worker in ("first", "second"):
        steps.join(worker, "{}")
        assert len(steps.turn(worker, 1, 1).leases) == 1
        lane.pass_time(30_000)
        steps.reclaim(worker, FAILURE)
        assert steps.stats().suspects == 0
        lane.pass_time(72 * 3600 * 1000)
    assert steps.find(member(1)[:16]).crashes == 1


def test_only_so_many_finished_jobs_are_remembered(make_lane: MakeLane) -> None:
    """By number, and by time once others finish."""
    lane = make_lane(completed_retention_max=3, completed_retention_secs=60)
    steps = lane.steps
    steps.join("w", "{}")

    def finish(number: int) -> None:
        steps.enqueue([(member(number), NOW, b"{}")])
        steps.turn("w", number, 1)
        steps.ack("w", [(member(number), number, b"%d" % number)])

    for number in range(1, 6):
        finish(number)
    assert steps.recent(10) == [b"5", b"4", b"3"]
    assert steps.recent(2) == [b"5", b"4"]
    lane.pass_time(20_000)
    steps.beat("w")
    lane.pass_time(20_000)
    steps.beat("w")
    lane.pass_time(20_000)
    steps.beat("w")
    finish(6)
    finish(7)
    assert steps.recent(10) == [b"7", b"6"]


def test_an_idle_worker_is_woken_by_whatever_makes_work(make_lane: MakeLane) -> None:
    """An enqueue, a release, a replay and an unpark each leave a token for somebody who waits."""
    lane = make_lane()
    steps = lane.steps
    steps.join("w", "{}")
    jobs = [member(n) for n in range(3)]
    _wakes(steps.wait_for_wake, lambda: steps.enqueue([(job, NOW, b"{}") for job in jobs]))
    for _ in range(2):
        steps.wait_for_wake()
    steps.turn("w", 1, 3)
    _wakes(steps.wait_for_wake, lambda: steps.release("w", [(jobs[0], 1)]))
    parked = (jobs[1], 1, ("park", lane.now_ms + 1), b"", b"why", b"")
    dead = (jobs[2], 1, ("dead", 0), b"", b"why", b"")
    assert steps.nack("w", [parked, dead]) == [True, True]
    _wakes(steps.wait_for_wake, lambda: steps.unpark([jobs[1]]))
    _wakes(steps.wait_for_wake, lambda: steps.replay([(jobs[2], lane.now_ms, b"")]))
    _wakes(steps.wait_for_wake, lambda: steps.enqueue([(member(9), ("after", 5), b"{}")]))


def _wakes(wait: Callable[[], bool], act: Callable[[], object]) -> None:
    """Check that somebody who waits is woken by an act."""
    woken: list[bool] = []
    waiter = threading.Thread(target=lambda: woken.append(wait()))
    waiter.start()
    act()
    waiter.join(10)
    assert woken == [True]


def test_a_lane_that_was_deleted_is_made_anew(server: ServerProcess, redis: Redis, prefix: str) -> None:
    """Workers that lived through it leave nothing behind that would keep the lane from being opened."""
    lane = lane_on_server(server.url, redis, prefix)
    steps = lane.steps
    steps.join("w", "{}")
    steps.enqueue([(member(1), NOW, b"{}")])
    steps.turn("w", 1, 1)
    clock = f"{tag_of(prefix)}:clock".encode()
    redis.delete(*(key for key in redis.keys(f"{tag_of(prefix)}:*") if key != clock))
    assert steps.reclaim("w", FAILURE)[3]
    assert steps.turn("w", 2, 1).standing == "lost"
    assert steps.ack("w", [(member(1), 1, b"{}")]) == ["lost"]
    assert steps.enqueue([(member(1), NOW, b"{}")]) == [True]
    assert Audit.read(redis, tag_of(prefix)).problems() == []
