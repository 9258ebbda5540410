"""Queues as operators see them, over several queues and shards, on a server and in memory alike."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from fraiseql_observers._core import BlockingLane, EntityEvent, Job, JobView, MemoryQueue, Queue, RedisQueue
from fraiseql_observers.errors import CorruptJob
from tests.support.lanes import options_for
from tests.support.server import ServerProcess

QUEUES = ["default", "bulk"]
SHARDS = 3

#: Stores jobs.
Store = Callable[..., list[Job]]


@pytest.fixture(params=["redis", "memory"])
def queue(request: pytest.FixtureRequest, server: ServerProcess, prefix: str) -> Queue:
    """Make a queue of each kind, with three shards."""
    options = options_for(prefix, shards=SHARDS)
    return MemoryQueue(options) if request.param == "memory" else RedisQueue(server.url, options)


@pytest.fixture
def store(queue: Queue) -> Store:
    """Store new jobs."""

    def of(number: int, **fields: object) -> list[Job]:
        jobs = [job(**fields) for _ in range(number)]
        assert queue.enqueue_blocking(jobs, enqueue_timeout_secs=5) == [True] * number
        return jobs

    return of


def job(**fields: object) -> Job:
    """Return a job enqueued by hand."""
    values: dict[str, object] = {
        "action": {"type": "log"},
        "event": EntityEvent("INSERT", "Order", uuid.uuid4(), {}),
        "max_attempts": 3,
        "initial_delay_ms": 10,
        "max_delay_ms": 100,
        "max_age_secs": 3600,
    }
    return Job(**(values | fields))  # type: ignore[arg-type]  # keyword arguments of a test


class Worker:
    """Leases on every shard of every queue."""

    def __init__(self, queue: Queue) -> None:
        self.name = uuid.uuid4().hex
        self.lanes: list[BlockingLane] = [queue.lane_blocking(q, s) for q in QUEUES for s in range(SHARDS)]
        self.calls = count(1)
        for lane in self.lanes:
            lane.join(self.name, "{}")

    def take(self) -> list[tuple[BlockingLane, bytes, int]]:
        """Lease all that is pending: lane, member, call."""
        taken = []
        for lane in self.lanes:
            call = next(self.calls)
            taken += [(lane, lease.member, call) for lease in lane.turn(self.name, call, 100).leases]
        return taken

    def bury_all(self, failure: bytes = b'{"reason":"permanent_error","error":"boom"}') -> None:
        """Lease all that is pending, and make dead letters of it."""
        for lane, member, call in self.take():
            assert lane.nack(self.name, [(member, call, ("dead", 0), b"", failure, b"")]) == [True]


def ids(views: list[JobView]) -> set[uuid.UUID]:
    """Name the jobs of views."""
    return {view.id for view in views}


def test_a_job_is_found_whatever_queue_and_shard_it_is_on(queue: Queue, store: Store) -> None:
    """An id is enough, with the names of the queues."""
    jobs = store(10) + store(10, queue="bulk", priority="high")
    for made in jobs:
        view = queue.find_blocking(made.id, QUEUES)
        assert view is not None
        assert (view.id, view.state, view.job, view.queue) == (made.id, "pending", made, made.queue)
        assert (view.attempt, view.attempts, view.last_error, view.crashes) == (1, [], None, 0)
    assert len({view.shard for view in queue.list_jobs_blocking("pending", QUEUES, offset=0, limit=100)}) > 1
    assert queue.find_blocking(uuid.uuid4(), QUEUES) is None
    assert queue.state_blocking(uuid.uuid4(), QUEUES) is None


def test_jobs_are_paged_by_state(queue: Queue, store: Store) -> None:
    """Pages do not overlap, and together they are all."""
    later = datetime.now(UTC) + timedelta(hours=1)
    pending = store(7) + store(6, queue="bulk")
    delayed = [*store(1, scheduled_at=later + timedelta(seconds=2)), *store(1, scheduled_at=later)]
    pages = [queue.list_jobs_blocking("pending", QUEUES, offset=n, limit=5) for n in (0, 5, 10, 15)]
    assert [len(page) for page in pages] == [5, 5, 3, 0]
    assert ids([view for page in pages for view in page]) == {made.id for made in pending}
    scheduled = queue.list_jobs_blocking("scheduled", QUEUES, offset=0, limit=10)
    assert [view.id for view in scheduled] == [delayed[1].id, delayed[0].id]
    assert queue.list_jobs_blocking("running", QUEUES, offset=0, limit=10) == []
    assert queue.list_jobs_blocking("cancelled", QUEUES, offset=0, limit=10) == []
    Worker(queue).take()
    assert ids(queue.list_jobs_blocking("running", QUEUES, offset=0, limit=100)) == {
        made.id for made in pending
    }


def test_cancelling_says_what_the_job_was(queue: Queue, store: Store) -> None:
    """Once; after that it is cancelled."""
    (pending,) = store(1)
    (delayed,) = store(1, scheduled_at=datetime.now(UTC) + timedelta(hours=1))
    for made, was in ((pending, "pending"), (delayed, "scheduled")):
        assert queue.cancel_blocking(made.id, QUEUES) == was
        assert queue.cancel_blocking(made.id, QUEUES) == "cancelled"
        view = queue.find_blocking(made.id, QUEUES)
        assert view is not None
        assert (view.state, view.ended, view.job) == ("cancelled", "cancelled", None)
    assert queue.cancel_blocking(uuid.uuid4(), QUEUES) is None
    assert queue.list_jobs_blocking("pending", QUEUES, offset=0, limit=10) == []


def test_a_running_job_is_cancelled_under_its_worker(queue: Queue, store: Store) -> None:
    """The worker hears of it, and its result is refused."""
    (made,) = store(1)
    worker = Worker(queue)
    ((lane, member, call),) = worker.take()
    assert queue.cancel_blocking(made.id, QUEUES) == "running"
    assert lane.beat(worker.name) == (True, [member])
    assert lane.ack(worker.name, [(member, call, b"{}")]) == ["lost"]


def test_dead_letters_are_sent_back_once(queue: Queue, store: Store) -> None:
    """Two operators who look at the same death send it once; a new death is another one."""
    jobs = store(3) + store(2, queue="bulk")
    worker = Worker(queue)
    worker.bury_all()
    assert queue.dead_count_blocking(QUEUES) == 5
    letters = queue.list_jobs_blocking("dead_lettered", QUEUES, offset=0, limit=10)
    assert ids(letters) == {made.id for made in jobs}
    assert {(view.reason, view.last_error) for view in letters} == {("permanent_error", "boom")}
    assert [view.died_at for view in letters] == sorted((view.died_at or 0 for view in letters), reverse=True)
    assert queue.replay_blocking(letters[:2]) == [True, True]
    assert queue.replay_blocking(letters[:3]) == [False, False, True]
    assert queue.remove_blocking(letters) == [False, False, False, True, True]
    assert queue.dead_count_blocking(QUEUES) == 0
    view = queue.find_blocking(letters[0].id, QUEUES)
    assert view is not None
    assert (view.state, view.attempt) == ("pending", 1)
    assert view.replayed_at is not None
    assert queue.state_blocking(letters[3].id, QUEUES) == "dead_lettered"
    assert queue.replay_blocking([view]) == [False], "what is no dead letter is not sent back"


def test_letters_of_all_shards_are_one_list_newest_first(queue: Queue, store: Store) -> None:
    """Page after page, each once, however they are spread."""
    worker = Worker(queue)
    for _ in range(5):
        store(40)
        store(3, queue="bulk")
        worker.bury_all()
    seen: list[JobView] = []
    after: tuple[int, bytes] | None = None
    while True:
        page, after = queue.dead_letters_blocking(QUEUES, after=after, limit=10)
        assert page, "a page is empty only where there are no letters"
        seen += page
        if after is None:
            break
    assert len(seen) == len(ids(seen)) == 215
    places = [(view.died_at or 0, view.id.bytes) for view in seen]
    assert places == sorted(places, reverse=True)
    assert {(view.state, view.reason, view.last_error) for view in seen} == {
        ("dead_lettered", "permanent_error", "boom")
    }
    assert queue.replay_blocking(seen) == [True] * 215
    assert queue.dead_letters_blocking(QUEUES, limit=10) == ([], None)


def test_a_dead_letter_that_is_no_job_is_seen_and_taken_away(queue: Queue) -> None:
    """Its bytes are shown as they are."""
    id_ = uuid.uuid4()
    for lane in Worker(queue).lanes[:SHARDS]:
        lane.enqueue([(id_.bytes + b"h", ("now", 0), b"\xffno job")])
    with pytest.raises(CorruptJob, match="are no job"):
        queue.cancel_blocking(id_, QUEUES)
    Worker(queue).bury_all(b'{"reason":"corrupt"}')
    view = queue.find_blocking(id_, QUEUES)
    assert view is not None
    assert (view.job, view.raw, view.reason) == (None, b"\xffno job", "corrupt")
    assert view.to_dict()["state"] == "dead_lettered"
    assert queue.remove_blocking([view]) == [True]


def test_a_parked_job_says_what_it_waits_for(queue: Queue, store: Store) -> None:
    """It counts as scheduled."""
    (made,) = store(1)
    worker = Worker(queue)
    ((lane, member, call),) = worker.take()
    until = int(datetime(2040, 1, 1, tzinfo=UTC).timestamp() * 1000)
    lane.nack(worker.name, [(member, call, ("park", until), b"", b'{"reason":"rule_gone"}', b"")])
    (view,) = queue.list_jobs_blocking("scheduled", QUEUES, offset=0, limit=10)
    assert (view.id, view.state, view.parked, view.retry_at) == (made.id, "scheduled", "rule_gone", None)


def test_an_unknown_state_or_queue_is_refused(queue: Queue) -> None:
    """By name, with what is allowed."""
    with pytest.raises(ValueError, match=r"state: .* is none of pending, scheduled"):
        queue.list_jobs_blocking("done", QUEUES, offset=0, limit=1)
    with pytest.raises(ValueError, match=r"queue: .* is no name"):
        queue.find_blocking(uuid.uuid4(), ["a:b"])
    with pytest.raises(ValueError, match="shard: 3 is not below 3"):
        queue.lane_blocking("default", SHARDS)
    with pytest.raises(TypeError, match="id: not a UUID"):
        queue.find_blocking("1", QUEUES)  # type: ignore[arg-type]  # that is the mistake
