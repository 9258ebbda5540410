"""Forgetting an entity, a tenant or a user, on a server and in memory alike: in every place, and nobody else's."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from redis import Redis

from fraiseql_observers._core import EntityEvent, Job, MemoryQueue, Queue, RedisQueue
from fraiseql_observers.erasure import MOST_PASSES, Erasure, Subject
from fraiseql_observers.inspector import Inspector
from tests.support.audit import Audit
from tests.support.lanes import options_for
from tests.support.server import ServerProcess

T = TypeVar("T")
QUEUES = ["default", "bulk"]
SHARDS = 2
#: What must be nowhere afterwards.
CANARY = "canary-4711"
LATER = datetime.now(UTC) + timedelta(days=1)
FAR_MS = int((datetime.now(UTC) + timedelta(days=30)).timestamp() * 1000)


def run(call: Coroutine[Any, Any, T]) -> T:
    """Make one call on an event loop of its own."""
    return asyncio.run(call)


@pytest.fixture
def redis(server: ServerProcess) -> Iterator[Redis]:
    """Give a client of the server."""
    with Redis(port=server.port) as client:
        yield client


@pytest.fixture(params=["redis", "memory"])
def queue(request: pytest.FixtureRequest, server: ServerProcess, prefix: str) -> Queue:
    """Make a queue of each kind, with two shards."""
    options = options_for(prefix, shards=SHARDS)
    return MemoryQueue(options) if request.param == "memory" else RedisQueue(server.url, options)


def job(*, queue: str = "default", scheduled_at: datetime | None = None, **owner: Any) -> Job:
    """Make a job whose event carries the canary and belongs to `owner`."""
    entity = owner.pop("entity", ("Order", uuid.uuid4()))
    event = EntityEvent("INSERT", entity[0], entity[1], {"mail": f"{CANARY}@example.org"}, **owner)
    return Job(
        action={"type": "log"},
        event=event,
        max_attempts=3,
        initial_delay_ms=10,
        max_delay_ms=100,
        max_age_secs=3600,
        queue=queue,
        scheduled_at=scheduled_at,
    )


class Worker:
    """Leases on every shard of every queue."""

    def __init__(self, queue: Queue) -> None:
        self.name = uuid.uuid4().hex
        self.lanes = [queue.lane_blocking(name, shard) for name in QUEUES for shard in range(SHARDS)]
        self.call = 0
        for lane in self.lanes:
            lane.join(self.name, "{}")

    def take(self) -> list[tuple[Any, bytes, int]]:
        """Lease all that is pending: lane, member, call."""
        self.call += 1
        turns = [(lane, lane.turn(self.name, self.call, 100)) for lane in self.lanes]
        return [(lane, lease.member, self.call) for lane, turn in turns for lease in turn.leases]

    def end(self, verdict: str, time_ms: int = 0) -> None:
        """Lease all that is pending, and end the attempts with an error that repeats the canary."""
        for lane, member, call in self.take():
            failure = b'{"reason":"permanent_error","error":"%s"}' % CANARY.encode()
            history = b'{"n":1,"c":1,"e":"%s"}' % CANARY.encode()
            record = (
                b'{"id":"%s","observer":null,"queue":"default","created_at":1,"started_at":2,'
                b'"finished_at":3,"attempts":1,"outcome":"dead_lettered"}'
            ) % str(uuid.UUID(bytes=member[:16])).encode()
            nack = (member, call, (verdict, time_ms), history, failure, record if verdict == "dead" else b"")
            assert lane.nack(self.name, [nack]) == [True]


def fill(queue: Queue, *makers: Callable[..., Job]) -> list[dict[str, Job]]:
    """Bring a job of each of `makers` into every place that a job can be in; returns them by place."""
    worker = Worker(queue)
    made: list[dict[str, Job]] = [{} for _ in makers]

    def store(place: str, **fields: Any) -> None:
        for jobs, make in zip(made, makers, strict=True):
            jobs[place] = make(**fields)
            assert queue.enqueue_blocking([jobs[place]], enqueue_timeout_secs=5) == [True]

    store("dead")
    worker.end("dead")
    store("parked", queue="bulk")
    worker.end("park", FAR_MS)
    store("retried")
    worker.end("retry", 3_600_000)
    store("running")
    assert len(worker.take()) == len(makers)
    store("scheduled", scheduled_at=LATER)
    store("pending", queue="bulk")
    return made


def erase(queue: Queue, subject: Subject, *, dry_run: bool = False) -> Erasure:
    """Erase by the inspector."""
    return run(Inspector(queue, QUEUES).erase(subject, dry_run=dry_run))


ENTITY = ("Person", uuid.uuid4())
SUBJECTS: dict[str, tuple[Subject, dict[str, Any]]] = {
    "entity": (Subject.entity(*ENTITY), {"entity": ENTITY}),
    "tenant": (Subject.tenant("acme"), {"tenant_id": "acme"}),
    "user": (Subject.user("ann"), {"user_id": "ann"}),
    "acting for": (Subject.user("ann"), {"user_id": "bot", "acting_for": "ann"}),
}


@pytest.mark.parametrize("kind", SUBJECTS)
def test_a_subject_is_erased_in_every_place_and_nobody_else_is(kind: str, queue: Queue) -> None:
    """What was found is counted by place; a dry run finds the same and changes nothing."""
    subject, owner = SUBJECTS[kind]
    theirs, others = fill(
        queue,
        lambda **fields: job(**owner, **fields),
        lambda **fields: job(tenant_id="acme2", user_id="anna", **fields),
    )
    looked = erase(queue, subject, dry_run=True)
    assert {queue.state_blocking(one.id, QUEUES) for one in theirs.values()} == {
        *("pending", "scheduled", "running", "dead_lettered")
    }
    done = erase(queue, subject)
    assert done.jobs == looked.jobs == {"dead": 1, "parked": 1, "pending": 1, "running": 1, "scheduled": 2}
    assert (looked.records, done.records, looked.total, done.total) == (1, 1, 7, 7)
    assert (done.may_have_acted, done.is_complete, done.passes) == ([theirs["running"].id], True, 2)
    for place, one in theirs.items():
        view = queue.find_blocking(one.id, QUEUES)
        assert view is not None
        assert (view.job, view.raw, view.last_error) == (None, None, None)
        assert view.state == ("dead_lettered" if place == "dead" else "cancelled")
    for one in others.values():
        view = queue.find_blocking(one.id, QUEUES)
        assert view is not None
        assert view.job == one
    assert erase(queue, subject).total == 0
    assert queue.enqueue_blocking(list(theirs.values()), enqueue_timeout_secs=5) == [False] * 6


def test_nothing_personal_is_left_in_any_key(server: ServerProcess, redis: Redis, prefix: str) -> None:
    """Neither in jobs nor in errors and histories; and every job of the others is in exactly one place."""
    queue = RedisQueue(server.url, options_for(prefix, shards=SHARDS))
    fill(queue, lambda **fields: job(tenant_id="acme", user_id="ann", **fields))
    keys = list(redis.scan_iter(f"{{{prefix}:*"))
    assert any(CANARY.encode() in (redis.dump(key) or b"") for key in keys), "else this shows nothing"
    assert erase(queue, Subject.tenant("acme")).is_complete
    for key in redis.scan_iter(f"{{{prefix}:*"):
        text = everything(redis, key)
        for name in (CANARY, "acme", "ann"):
            assert name not in text, key
    for name in QUEUES:
        for shard in range(SHARDS):
            assert not Audit.read(redis, f"{{{prefix}:{name}:{shard}}}").problems()


def everything(redis: Redis, key: bytes) -> str:
    """Return all that a key holds, as text; hosts of workers are no data of a subject."""
    match redis.type(key):
        case b"string":
            return str(redis.get(key))
        case b"hash":
            return str(redis.hgetall(key))
        case b"list":
            return str(redis.lrange(key, 0, -1))
        case b"set":
            return str(redis.smembers(key))
        case b"zset":
            return str(redis.zrange(key, 0, -1))
        case b"stream":
            return str(redis.xrange(key))
        case kind:
            raise AssertionError(f"{key!r} is a {kind!r}")


def test_a_worker_hears_that_a_running_job_was_erased(queue: Queue) -> None:
    """Its result is refused, and the job does not come back."""
    made = job(tenant_id="acme")
    queue.enqueue_blocking([made], enqueue_timeout_secs=5)
    worker = Worker(queue)
    ((lane, member, call),) = worker.take()
    assert erase(queue, Subject.tenant("acme")).may_have_acted == [made.id]
    assert lane.beat(worker.name) == (True, [member])
    assert lane.nack(worker.name, [(member, call, ("retry", 0), b"h", b"", b"")]) == [False]
    assert lane.ack(worker.name, [(member, call, b"{}")]) == ["lost"]
    assert worker.take() == []


def test_what_is_no_job_is_erased_where_it_names_the_subject(queue: Queue) -> None:
    """In a pending entry, whose priority nobody can tell, the bytes are replaced; a dead letter goes."""
    worker = Worker(queue)
    lane = worker.lanes[0]
    dead, pending, other = (uuid.uuid4().bytes + b"h" for _ in range(3))
    lane.enqueue([(dead, ("now", 0), b'\xff "acme" rubbish')])
    worker.end("dead")
    lane.enqueue([(pending, ("now", 0), b'{"tenant":"acme"'), (other, ("now", 0), b'{"tenant":"acme2"')])
    done = erase(queue, Subject.tenant("acme"))
    assert (done.jobs, done.is_complete) == ({"blanked": 1, "dead": 1}, True)
    assert lane.find(dead[:16]).bytes is None
    assert lane.find(pending[:16]).bytes == b"-"
    assert lane.find(other[:16]).bytes == b'{"tenant":"acme2"'
    assert {member for _, member, _ in worker.take()} == {pending, other}


def test_a_job_is_only_erased_with_the_bytes_that_were_judged(queue: Queue) -> None:
    """What came under the same id meanwhile is another job."""
    lane = Worker(queue).lanes[0]
    member = uuid.uuid4().bytes + b"d"
    lane.enqueue([(member, ("now", 0), b"new")])
    assert lane.erase(member[:16], b"old", "d") == "gone"
    assert lane.find(member[:16]).bytes == b"new"
    assert lane.erase(member[:16], b"new", "d") == "pending"
    assert lane.erase(member[:16], b"new", "d") == "gone"
    stats = lane.stats()
    assert (stats.pending, stats.counters["cancelled"], stats.counters["erased"]) == (0, 1, 1)


def test_jobs_that_come_in_meanwhile_are_found_by_another_walk(queue: Queue) -> None:
    """Walks go on until one finds nothing, and end although jobs may come as fast as they go."""
    stored = 0

    def store_one(_: int) -> None:
        nonlocal stored
        stored += 1
        queue.enqueue_blocking([job(tenant_id="acme")], enqueue_timeout_secs=5)

    def store_three(found: int) -> None:
        if stored < 3:
            store_one(found)

    store_one(0)
    inspector = Inspector(queue, QUEUES)
    done = run(inspector.erase(Subject.tenant("acme"), on_progress=store_three))
    assert (done.is_complete, done.jobs) == (True, {"pending": 3})
    store_one(0)
    endless = run(inspector.erase(Subject.tenant("acme"), on_progress=store_one))
    assert (endless.is_complete, endless.passes) == (False, MOST_PASSES)


def test_records_of_others_stay_when_one_is_redacted(queue: Queue) -> None:
    """An entry keeps its other records; what is left of many is in the right order of time."""
    lane = Worker(queue).lanes[0]
    worker = Worker(queue)
    gone, stays = uuid.uuid4(), uuid.uuid4()

    def record(id_: uuid.UUID) -> bytes:
        return (
            b'{"id":"%s","observer":null,"queue":"default","created_at":1,"started_at":2,"finished_at":3,'
            b'"attempts":1,"outcome":"completed"}'
        ) % str(id_).encode()

    members = [id_.bytes + b"d" for id_ in (gone, stays)]
    lane.enqueue([(member, ("now", 0), b"{}") for member in members])
    turn = lane.turn(worker.name, 1, 10)
    lane.ack(worker.name, [(m, 1, record(id_)) for m, id_ in zip(members, (gone, stays), strict=True)])
    assert len(turn.leases) == 2
    (entry,) = lane.records(None, 10)
    assert queue.forget_records_blocking("default", 0, [gone], look_only=True) == 1
    assert lane.recent(10) == [record(stays), record(gone)]
    assert queue.forget_records_blocking("default", 0, [gone], look_only=False) == 1
    assert lane.recent(10) == [record(stays)]
    assert not lane.redact(entry, []), "what was read has been replaced"
    assert queue.forget_records_blocking("default", 0, [gone, stays], look_only=False) == 1
    assert lane.records(None, 10) == []


def test_a_walk_over_many_jobs_misses_none(queue: Queue) -> None:
    """Page after page, among many jobs of others."""
    jobs = [job(tenant_id=("acme" if n % 10 == 0 else "other")) for n in range(3000)]
    queue.enqueue_blocking(jobs, enqueue_timeout_secs=30)
    assert erase(queue, Subject.tenant("acme"), dry_run=True).jobs == {"pending": 300}
    assert erase(queue, Subject.tenant("acme")).jobs == {"pending": 300}
    assert sum(shard.pending for shard in queue.stats_blocking("default")) == 2700
