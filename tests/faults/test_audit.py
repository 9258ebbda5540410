"""Jobs that are nowhere, or in several places: an audit finds them and puts them right, and leaves all others alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from fraiseql_observers._core import RedisQueue
from tests.support.audit import Audit
from tests.support.busy_lane import DEAD, PARKED, PENDING, RUNNING, SCHEDULED, SUSPECT, busy_lane, dump
from tests.support.lanes import TestLane, member, options_for, tag_of
from tests.support.queue_under_test import QueueUnderTest, act
from tests.support.runs import Runs
from tests.support.server import ServerProcess
from tests.support.worker_process import WorkerProcess


@pytest.fixture
def redis(server: ServerProcess) -> Iterator[Redis]:
    """Give a client of the server."""
    with Redis(port=server.port) as client:
        yield client


@pytest.fixture
def lane(server: ServerProcess, redis: Redis, prefix: str) -> TestLane:
    """Make a lane with a job in every place."""
    return busy_lane(server.url, redis, prefix)


def test_an_audit_of_a_sound_queue_changes_nothing(lane: TestLane, redis: Redis, prefix: str) -> None:
    """Apart from its own mark of when it was."""
    before = dump(redis, tag_of(prefix))
    assert lane.steps.audit() == (0, 0, 0)
    after = dump(redis, tag_of(prefix))
    meta = f"{tag_of(prefix)}:meta".encode()
    assert {key for key in after if before.get(key) != after[key]} <= {meta}


def test_a_job_that_is_nowhere_comes_to_the_head_of_its_list(
    lane: TestLane, redis: Redis, prefix: str
) -> None:
    """With the priority that its bytes tell; what is no job has the usual one."""
    tag = tag_of(prefix)
    redis.lrem(f"{tag}:pending:d", 1, PENDING)  # type: ignore[arg-type] # bytes are as good as text
    assert lane.steps.audit() == (1, 1, 0)
    assert redis.lindex(f"{tag}:pending:d", -1) == PENDING
    assert lane.steps.stats().counters["mended_homeless"] == 1
    assert lane.steps.audit() == (0, 0, 0)
    assert not Audit.read(redis, tag).problems()


def test_of_several_places_the_strongest_is_kept(lane: TestLane, redis: Redis, prefix: str) -> None:
    """A job that runs is not due at the same time."""
    tag = tag_of(prefix)
    redis.zadd(f"{tag}:scheduled", {RUNNING: 1})
    redis.zadd(f"{tag}:parked", {SCHEDULED: 1})
    assert lane.steps.audit() == (-2, 0, 2)
    assert redis.zscore(f"{tag}:scheduled", RUNNING) is None
    assert redis.zscore(f"{tag}:parked", SCHEDULED) is None
    assert not Audit.read(redis, tag).problems()


def test_jobs_of_a_worker_without_a_lease_are_reclaimed(lane: TestLane, redis: Redis, prefix: str) -> None:
    """Nobody would look after them, if nobody knew that they are held."""
    tag = tag_of(prefix)
    redis.zrem(f"{tag}:leases", "alive")
    lane.steps.audit()
    lost = lane.steps.turn("idle", 1, 0).lost
    assert "alive" in lost
    moved, held, _, refused = lane.steps.reclaim("alive", b"f")
    assert (moved, held, refused) == (1, 0, False)
    assert not Audit.read(redis, tag).problems()


def test_a_job_on_a_long_list_is_not_put_on_it_twice(lane: TestLane, redis: Redis, prefix: str) -> None:
    """Where a list is too long to be looked through, a job that seems to be nowhere waits until it is shorter."""
    tag = tag_of(prefix)
    strangers = [member(1_000_000 + number) for number in range(25_000)]
    redis.lpush(f"{tag}:pending:l", *strangers)
    redis.lrem(f"{tag}:pending:d", 1, PENDING)  # type: ignore[arg-type]
    assert lane.steps.audit()[1:] == (0, 0)
    redis.ltrim(f"{tag}:pending:l", 25_000, -1)
    assert lane.steps.audit()[1:] == (1, 0)


def test_a_job_that_is_listed_and_elsewhere_leaves_its_list(
    lane: TestLane, redis: Redis, prefix: str
) -> None:
    """Else a job that runs would be leased once more, and one that is due later would run at once."""
    tag = tag_of(prefix)
    redis.lpush(f"{tag}:pending:d", RUNNING, DEAD)
    redis.lpush(f"{tag}:suspects", PARKED)
    redis.rpush(f"{tag}:pending:d", SCHEDULED, PENDING)
    assert lane.steps.audit() == (-5, 0, 5)
    assert redis.lrange(f"{tag}:pending:d", 0, -1) == [PENDING]
    assert redis.lrange(f"{tag}:suspects", 0, -1) == [SUSPECT]
    assert not Audit.read(redis, tag).problems()
    assert _walks_of_later_audits(lane) == 0


def test_an_entry_of_a_cancelled_job_is_not_taken_for_a_second_one(
    lane: TestLane, redis: Redis, prefix: str
) -> None:
    """The next turn drops it; the job that was stored under the same id since then stays where it is."""
    tag = tag_of(prefix)
    lane.steps.cancel(PENDING)
    redis.srem(f"{tag}:done:0", PENDING[:16])
    redis.hdel(f"{tag}:ended:0", PENDING[:16])
    lane.steps.enqueue([(PENDING, ("now", 0), b"{}")])
    redis.lpush(f"{tag}:pending:d", RUNNING)
    assert lane.steps.audit() == (-1, 0, 1)
    assert redis.lrange(f"{tag}:pending:d", 0, -1) == [PENDING, PENDING]
    assert redis.hgetall(f"{tag}:ghosts") == {PENDING: b"1"}
    assert lane.steps.audit() == (0, 0, 0)


def test_places_without_a_job_are_taken_out(lane: TestLane, redis: Redis, prefix: str) -> None:
    """From the sorted sets and from what workers hold, and what is no member as well."""
    tag = tag_of(prefix)
    places = ("scheduled", "parked", "dead")
    for number, place in enumerate(places):
        redis.zadd(f"{tag}:{place}", {member(100 + number): 2**42, b"rubbish": 2**42})
        redis.hset(f"{tag}:failures", member(100 + number)[:16], b"f")
    redis.hset(f"{tag}:running:alive", mapping={member(110): "9", "rubbish": "9"})
    assert lane.steps.audit() == (-8, 0, 0)
    assert redis.hkeys(f"{tag}:running:alive") == [RUNNING]
    assert [redis.zcard(f"{tag}:{place}") for place in places] == [1, 1, 1]
    assert lane.steps.stats().counters["orphans"] == 8
    redis.hdel(f"{tag}:meta", "orphans")
    assert not Audit.read(redis, tag).problems()
    assert _walks_of_later_audits(lane) == 0


@pytest.mark.parametrize("counted", [0, 1, 7])
def test_marks_of_cancelled_jobs_that_are_on_no_list_go(
    lane: TestLane, redis: Redis, prefix: str, counted: int
) -> None:
    """And their count is what is there, whatever it was."""
    tag = tag_of(prefix)
    lane.steps.cancel(PENDING)
    redis.hset(
        f"{tag}:ghosts",
        mapping={PENDING: "2", member(120): "3", member(121): "rubbish", "rubbish": "1"},
    )
    redis.hset(f"{tag}:meta", "ghosts", 3 + counted)
    lane.steps.audit()
    assert redis.hgetall(f"{tag}:ghosts") == {PENDING: b"1"}
    assert redis.hget(f"{tag}:meta", "ghosts") == b"1"
    assert not Audit.read(redis, tag).problems()
    assert _walks_of_later_audits(lane) == 0


def test_what_cannot_be_mended_is_walked_over_once_an_hour(lane: TestLane, redis: Redis, prefix: str) -> None:
    """Fields that are no ids are left alone, and no audit walks for their sake, until something else is amiss too."""
    tag = tag_of(prefix)
    redis.hset(f"{tag}:jobs", mapping={"rubbish": "1", "more rubbish": "2"})
    assert lane.steps.audit() == (2, 0, 0)
    assert _walks_of_later_audits(lane) == 0
    redis.lrem(f"{tag}:pending:d", 1, PENDING)  # type: ignore[arg-type]
    assert lane.steps.audit() == (3, 1, 0)
    assert _walks_of_later_audits(lane) == 0
    lane.pass_time(3_600_000)
    assert _walks_of_later_audits(lane) == 1
    redis.hdel(f"{tag}:jobs", "rubbish", "more rubbish")
    assert lane.steps.audit() == (0, 0, 0)
    assert redis.hmget(f"{tag}:meta", "unmended", "walk_again", "walk_until") == [None, None, None]


def test_a_job_that_is_nowhere_and_one_too_many_are_found_within_an_hour(
    lane: TestLane, redis: Redis, prefix: str
) -> None:
    """Equal numbers say little: what makes up for each other is looked for from time to time."""
    tag = tag_of(prefix)
    assert lane.steps.audit() == (0, 0, 0)
    redis.lrem(f"{tag}:pending:d", 1, PENDING)  # type: ignore[arg-type]
    redis.lpush(f"{tag}:pending:d", SCHEDULED)
    assert _walks_of_later_audits(lane) == 0
    lane.pass_time(3_600_000)
    assert lane.steps.audit() == (0, 1, 1)
    assert redis.lrange(f"{tag}:pending:d", 0, -1) == [PENDING]
    assert not Audit.read(redis, tag).problems()
    assert _walks_of_later_audits(lane) == 0


def test_nobody_walks_while_somebody_does(lane: TestLane, redis: Redis, prefix: str) -> None:
    """Unless that one has not been heard of for a minute, or the clock was set back since."""
    tag = tag_of(prefix)
    redis.lrem(f"{tag}:pending:d", 1, PENDING)  # type: ignore[arg-type]
    redis.hset(f"{tag}:meta", "walk_until", lane.now_ms + 60_000)
    assert lane.steps.audit() == (1, 0, 0)
    redis.hset(f"{tag}:meta", "walk_until", lane.now_ms + 3_600_000)
    assert lane.steps.audit() == (1, 1, 0)
    redis.lrem(f"{tag}:pending:d", 1, PENDING)  # type: ignore[arg-type]
    redis.hset(f"{tag}:meta", "walk_until", lane.now_ms)
    assert lane.steps.audit() == (1, 1, 0)


def test_more_entries_than_a_walk_keeps_are_left_alone(lane: TestLane, redis: Redis, prefix: str) -> None:
    """Other places are mended all the same, and the lists are looked at when they are shorter."""
    tag = tag_of(prefix)
    for first in range(0, 201_000, 10_000):
        redis.lpush(f"{tag}:pending:l", *(member(1_000_000 + first + n, "l") for n in range(10_000)))
    redis.zadd(f"{tag}:parked", {member(100): 2**42})
    redis.lrem(f"{tag}:pending:d", 1, PENDING)  # type: ignore[arg-type]
    assert lane.steps.audit()[1:] == (0, 0)
    assert redis.zcard(f"{tag}:parked") == 1
    # What was mended makes another difference; then there is nothing left to mend but what is too much.
    assert _walks_of_later_audits(lane) == 1
    lane.pass_time(60_000)
    redis.unlink(f"{tag}:pending:l")
    assert lane.steps.audit()[1:] == (1, 0)


def test_leases_that_last_longer_than_any_are_shortened(lane: TestLane, redis: Redis, prefix: str) -> None:
    """Their workers may be dead, and a clock that was ahead has given them hours."""
    tag = tag_of(prefix)
    redis.zadd(f"{tag}:leases", {"alive": lane.now_ms + 7_200_000, "idle": lane.now_ms + 30_000})
    lane.steps.audit()
    assert redis.zscore(f"{tag}:leases", "alive") == lane.now_ms + 30_000
    assert lane.steps.stats().counters["mended_leases"] == 1
    # Some worker has said that its leases are longer.
    redis.hset(f"{tag}:meta", "lease_ms", 600_000)
    redis.zadd(f"{tag}:leases", {"alive": lane.now_ms + 600_000, "idle": lane.now_ms + 600_001})
    lane.steps.audit()
    assert redis.zscore(f"{tag}:leases", "idle") == lane.now_ms + 600_000
    assert lane.steps.stats().counters["mended_leases"] == 2


def test_a_long_lease_is_cut_short_by_no_hold_and_no_audit_of_others(
    lane: TestLane, server: ServerProcess, redis: Redis, prefix: str
) -> None:
    """What workers have told is forgotten now and then, and a slow one that lives has not told it again by then."""
    options = options_for(prefix, lease_duration_secs=3600, dedupe_window_secs=60)
    slow = RedisQueue(server.url, options, manual_clock=True).lane_blocking("default")
    leases = f"{tag_of(prefix)}:leases"
    slow.join("slow", "{}")
    for minute in range(1, 3 * 60):
        lane.pass_time(60_000)
        lane.steps.rotate()
        if minute % 20 == 0:
            assert slow.beat("slow")[0]
        ends_at = redis.zscore(leases, "slow")
        lane.steps.audit()
        # The others have leases of 30 s, and see the server's clock jump.
        assert lane.steps.hold() == lane.now_ms + 3_600_000
        redis.hdel(f"{tag_of(prefix)}:meta", "hold_until")
        assert redis.zscore(leases, "slow") == ends_at
        assert lane.steps.reclaim("slow", b"f")[0] == 0
    assert redis.hexists(f"{tag_of(prefix)}:meta", "lease_ms_before")


def test_a_long_lease_is_forgotten_when_no_worker_has_one_any_more(
    lane: TestLane, server: ServerProcess, redis: Redis, prefix: str
) -> None:
    """Else a hold would last for as long after years."""
    options = options_for(prefix, lease_duration_secs=3600)
    slow = RedisQueue(server.url, options, manual_clock=True).lane_blocking("default")
    slow.join("slow", "{}")
    slow.leave("slow")
    for _ in range(2):
        lane.steps.rotate()
        assert lane.steps.hold() == lane.now_ms + 3_600_000
        redis.hdel(f"{tag_of(prefix)}:meta", "hold_until")
        lane.pass_time(1_800_000)
    lane.steps.rotate()
    assert lane.steps.hold() == lane.now_ms + 30_000


def test_a_clock_that_is_set_back_keeps_no_long_lease_in_mind(
    lane: TestLane, redis: Redis, prefix: str
) -> None:
    """The time since when leases are told is then in the future."""
    meta = f"{tag_of(prefix)}:meta"
    for rubbish in (lane.now_ms + 3_600_000, "soon", -1):
        redis.hset(meta, "lease_ms_at", rubbish)
        lane.steps.rotate()
        assert redis.hget(meta, "lease_ms_at") == str(lane.now_ms).encode()


def test_a_worker_audits_its_queue_by_itself(
    server: ServerProcess, prefix: str, tmp_path: Path, runs: Runs
) -> None:
    """A job that somebody has taken from its list runs all the same."""
    queue = QueueUnderTest(tmp_path, server.url, prefix, worker="lease_duration_secs = 5")
    job = queue.publish([act("gone")])[0]
    server.client().lrem(queue.key("pending:d"), 1, job.bytes + b"d")  # type: ignore[arg-type]
    with WorkerProcess(queue.config, environment=runs.environment) as worker:
        queue.wait_until_completed(1)
        assert worker.stop() == 0
    assert queue.count("mended_homeless") == 1


def _walks_of_later_audits(lane: TestLane) -> int:
    """Count the walks of three more audits."""
    before = lane.steps.stats().counters.get("audit_walks", 0)
    for _ in range(3):
        lane.steps.audit()
    return lane.steps.stats().counters.get("audit_walks", 0) - before
