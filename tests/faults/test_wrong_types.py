"""Keys that somebody else has written over: a step refuses as a whole, or has no need of what it met there.

A script that fails in the middle keeps what it has done, which could lose a job; so every script reads the type of
each of its keys before it writes the first time, and takes what should be a number and is none for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from redis import Redis

from fraiseql_observers._core import RedisQueue, Turn
from fraiseql_observers.errors import QueueError
from tests.support.audit import FIXED_KEYS, Audit
from tests.support.busy_lane import NOW, PENDING, STEPS, busy_lane, dump, restore
from tests.support.lanes import TestLane, member, options_for, tag_of
from tests.support.server import ServerProcess

#: No whole number, or one that nothing can be added to.
RUBBISH: Final = (b"", b"x", b"1.5", b"-0", b"007", b"9" * 40, b"9223372036854775807", b"nan", b" 1", b"\xff")
#: Whole numbers that no lease call can have: they would be taken for one that is far ahead, or long past.
NO_CALL: Final = (b"-7", b"-999999999999999", b"10101", b"999999999999999")
#: One of each sort, for a test that takes long: no number, no whole one, too large a one.
TYPICAL: Final = (b"x", b"1.5", b"9" * 40)
#: Fields of `:meta` that hold numbers.
NUMBERS: Final = (
    *(
        "epoch",
        "epoch_at",
        "hold_until",
        "lease_ms",
        "lease_ms_at",
        "lease_ms_before",
        "cursor",
        "recent",
        "ghosts",
        "mended_number",
    ),
    *("enqueued", "completed", "retried", "dead", "released", "reclaimed", "cancelled", "removed"),
    *("replayed", "trimmed", "logged", "parked", "unparked", "orphans", "clock_jumps"),
)


@pytest.fixture
def redis(server: ServerProcess) -> Iterator[Redis]:
    """Give a client of the server."""
    with Redis(port=server.port) as client:
        yield client


@pytest.fixture
def lane(server: ServerProcess, redis: Redis, prefix: str) -> TestLane:
    """Make a lane with something to do for every step."""
    return busy_lane(server.url, redis, prefix)


@pytest.mark.row(52)
def test_a_step_that_meets_a_key_of_another_type_changes_nothing(
    lane: TestLane, redis: Redis, prefix: str
) -> None:
    """For every step and every key: the step works without that key, or leaves all the others as they were."""
    tag = tag_of(prefix)
    names = (FIXED_KEYS - {"clock"}) | {
        f"{kind}:{who}" for kind in ("running", "cancels") for who in ("alive", "lost", "idle")
    }
    whole = dump(redis, tag)
    refused = 0
    for step, act in STEPS.items():
        for name in sorted(names):
            key = f"{tag}:{name}".encode()
            redis.delete(key)
            redis.set(key, "somebody else's")
            before = dump(redis, tag)
            try:
                act(lane.steps)
            except QueueError:
                refused += 1
                after = dump(redis, tag)
                changed = [k.decode() for k in before.keys() | after.keys() if before.get(k) != after.get(k)]
                assert not changed, f"{step} met a wrong {name}, failed, and had changed {changed}"
            restore(redis, tag, whole)
    assert refused > 100, "most steps need most keys"


def test_every_step_has_something_to_do(lane: TestLane, redis: Redis, prefix: str) -> None:
    """Else the test above would show nothing."""
    tag = tag_of(prefix)
    whole = dump(redis, tag)
    for step, act in STEPS.items():
        act(lane.steps)
        assert dump(redis, tag) != whole, f"{step} did nothing"
        restore(redis, tag, whole)


@pytest.mark.row(52)
@pytest.mark.parametrize(
    "rubbish", [pytest.param(one, marks=() if one in TYPICAL else pytest.mark.long) for one in RUBBISH]
)
def test_a_field_that_should_be_a_number_and_is_none_stops_no_step(
    lane: TestLane, redis: Redis, prefix: str, rubbish: bytes
) -> None:
    """Whichever it is: the step does what it would have done, no job loses its place, and the number is mended."""
    tag = tag_of(prefix)
    whole = dump(redis, tag)
    for step, act in STEPS.items():
        expected = _seen(act(lane.steps))
        restore(redis, tag, whole)
        for spoilt in NUMBERS:
            redis.hset(f"{tag}:meta", spoilt, rubbish)
            found = _seen(act(lane.steps))
            # A window of remembered ids whose start is not known begins anew.
            assert found == expected or step == "rotate", f"{step} with {spoilt}"
            _assert_in_one_place(Audit.read(redis, tag), f"{step} with {spoilt}")
            restore(redis, tag, whole)
        redis.hset(f"{tag}:meta", mapping=dict.fromkeys(NUMBERS, rubbish))
        act(lane.steps)
        _assert_in_one_place(Audit.read(redis, tag), step)
        restore(redis, tag, whole)


@pytest.mark.parametrize("key", ["calls", "crashes"])
@pytest.mark.parametrize("rubbish", RUBBISH)
def test_rubbish_beside_the_jobs_stops_no_step(
    lane: TestLane, redis: Redis, prefix: str, key: str, rubbish: bytes
) -> None:
    """Neither in the numbers of lease calls nor in the counts of crashes."""
    tag = tag_of(prefix)
    fields = [name for name in redis.hkeys(f"{tag}:{key}") if isinstance(name, bytes)]
    assert fields
    redis.hset(f"{tag}:{key}", mapping=dict.fromkeys(fields, rubbish))
    spoilt = dump(redis, tag)
    for step, act in STEPS.items():
        act(lane.steps)
        _assert_in_one_place(Audit.read(redis, tag), step)
        restore(redis, tag, spoilt)


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_a_count_of_ghosts_that_is_none_hides_one_entry(
    lane: TestLane, redis: Redis, prefix: str, rubbish: bytes
) -> None:
    """A cancelled job's list entry is dropped by the next turn, and jobs beside it are leased."""
    tag = tag_of(prefix)
    pending = [entry for entry in redis.lrange(f"{tag}:pending:d", 0, -1) if isinstance(entry, bytes)]
    lane.steps.cancel(pending[0])
    redis.hset(f"{tag}:ghosts", pending[0], rubbish)
    leased = {lease.member for lease in lane.steps.turn("alive", 100, 10).leases}
    assert leased
    assert pending[0] not in leased
    assert not redis.hlen(f"{tag}:ghosts")


@pytest.mark.row(52)
@pytest.mark.parametrize("rubbish", [*RUBBISH, *NO_CALL])
def test_rubbish_in_the_place_of_a_lease_call_keeps_no_worker_from_leasing(
    lane: TestLane, redis: Redis, prefix: str, rubbish: bytes
) -> None:
    """Whatever it is: it is forgotten and counted, and a call made again still returns what it has leased."""
    calls = f"{tag_of(prefix)}:calls"
    lane.steps.enqueue([(member(60), NOW, b"{}")])
    redis.hset(calls, "alive", rubbish)
    leased = [lease.member for lease in lane.steps.turn("alive", 100, 1).leases]
    assert len(leased) == 1
    assert redis.hget(calls, "alive") == b"100"
    redis.hset(calls, "alive", rubbish)
    assert [lease.member for lease in lane.steps.turn("alive", 100, 1).leases] == leased
    assert [lease.member for lease in lane.steps.turn("alive", 100, 1).leases] == leased
    assert not lane.steps.turn("alive", 99, 1).leases, "a late one leases nothing"
    assert lane.steps.turn("alive", 101, 1).leases
    assert lane.steps.stats().counters["mended_number"] == 2
    _assert_in_one_place(Audit.read(redis, tag_of(prefix)), "turn")


def test_a_number_that_is_mended_goes_on_from_there(lane: TestLane, redis: Redis, prefix: str) -> None:
    """What was lost of it is said by a counter of its own."""
    meta = f"{tag_of(prefix)}:meta"
    redis.hset(meta, "released", "many")
    STEPS["release"](lane.steps)
    assert redis.hmget(meta, "released", "mended_number") == [b"1", b"1"]


@pytest.mark.row(52)
def test_what_stands_in_the_place_of_held_jobs_keeps_up_no_other_reclaim(
    lane: TestLane, redis: Redis, prefix: str
) -> None:
    """More lost workers than a turn names: they are forgotten, and what they held is put back by an audit."""
    tag = tag_of(prefix)
    overwritten = [f"overwritten {number}" for number in range(6)]
    jobs = [member(number) for number in range(50, 57)]
    for worker, job in zip([*overwritten, "sound"], jobs, strict=True):
        lane.steps.join(worker, "{}")
        lane.steps.enqueue([(job, NOW, b"{}")])
        while job not in {lease.member for lease in lane.steps.turn(worker, 1, 1).leases}:
            redis.delete(f"{tag}:running:{worker}")
            redis.hdel(f"{tag}:calls", worker)
    lane.pass_time(15_000)
    lane.steps.beat("alive")
    lane.pass_time(16_000)
    redis.zadd(f"{tag}:leases", dict.fromkeys(overwritten, 1))
    for worker in overwritten:
        redis.rename(f"{tag}:running:{worker}", f"{tag}:running:aside")
        redis.set(f"{tag}:running:{worker}", "somebody else's")
        redis.set(f"{tag}:cancels:{worker}", "somebody else's")
    redis.set(f"{tag}:cancels:sound", "somebody else's")
    redis.delete(f"{tag}:running:aside")
    moved = 0
    for call in range(100, 103):
        for lost in lane.steps.turn("alive", call, 0).lost:
            moved += lane.steps.reclaim(lost, b"f")[0] if lost != "lost" else 0
    assert moved == 1
    assert lane.steps.find(jobs[-1][:16]).place == "pending"
    assert redis.get(f"{tag}:running:{overwritten[0]}") == b"somebody else's"
    assert lane.steps.stats().counters["orphans"] == len(overwritten)
    amiss, homeless, _ = lane.steps.audit()
    assert amiss == homeless >= len(overwritten)
    assert {lane.steps.find(job[:16]).place for job in jobs} == {"pending"}


def test_a_repeated_turn_drops_what_is_no_job_any_more(lane: TestLane, redis: Redis, prefix: str) -> None:
    """Whose bytes were deleted since, and what was never one."""
    tag = tag_of(prefix)
    jobs = [lease.member for lease in lane.steps.turn("alive", 10, 2).leases]
    gone, stays = jobs
    redis.hdel(f"{tag}:jobs", gone[:16])
    redis.hset(f"{tag}:running:alive", mapping={b"x": 10, b"y" * 17: 10})
    assert [lease.member for lease in lane.steps.turn("alive", 10, 2).leases] == [stays]
    assert lane.steps.stats().counters["orphans"] == 3
    assert lane.steps.turn("alive", 11, 2).standing == "alive"


def test_a_lane_whose_mark_was_deleted_is_opened_anew_whatever_has_run_since(
    server: ServerProcess, lane: TestLane, redis: Redis, prefix: str
) -> None:
    """Each step counts into it or not: a producer that comes later must not take it for somebody else's."""
    tag = tag_of(prefix)
    whole = dump(redis, tag)
    written = 0
    for step, act in STEPS.items():
        redis.delete(f"{tag}:meta")
        act(lane.steps)
        written += redis.exists(f"{tag}:meta") and not redis.hexists(f"{tag}:meta", "marker")
        late = RedisQueue(server.url, options_for(prefix), manual_clock=True)
        late.open_blocking()
        assert late.lane_blocking("default").enqueue([(member(70), NOW, b"{}")]) == [True], step
        _assert_in_one_place(Audit.read(redis, tag), step)
        restore(redis, tag, whole)
    assert written > 10, "most steps write"


def test_a_hash_with_fields_of_others_is_not_taken_over(
    server: ServerProcess, redis: Redis, prefix: str
) -> None:
    """Not even where some fields have names like ours."""
    redis.hset(f"{tag_of(prefix)}:meta", mapping={"completed": 3, "colour": "red"})
    with pytest.raises(QueueError, match="a hash without our marker"):
        RedisQueue(server.url, options_for(prefix), manual_clock=True).open_blocking()


def test_entries_of_cancelled_jobs_are_not_owed_once_they_are_met(
    lane: TestLane, redis: Redis, prefix: str
) -> None:
    """A count of them that was deleted comes right with the last one."""
    lane.steps.cancel(PENDING)
    redis.delete(f"{tag_of(prefix)}:meta")
    while lane.steps.turn("idle", 1, 10).leases:
        redis.hdel(f"{tag_of(prefix)}:calls", "idle")
        for job, call in redis.hgetall(f"{tag_of(prefix)}:running:idle").items():
            assert isinstance(job, bytes)
            lane.steps.ack("idle", [(job, int(call), b"{}")])
    assert redis.hget(f"{tag_of(prefix)}:meta", "ghosts") == b"0"
    assert lane.steps.audit() == (0, 0, 0)


def _seen(answer: object) -> object:
    if isinstance(answer, Turn):
        return answer.standing, sorted(lease.member for lease in answer.leases)
    return answer


def _assert_in_one_place(audit: Audit, what: str) -> None:
    wrong = {id_.hex(): where for id_, where in audit.places().items() if len(where) != 1}
    assert not wrong, what
    alive = {id_ for id_, where in audit.places().items() if where != ["ended"]}
    assert alive == audit.jobs.keys(), what
