"""Jobs that are nowhere, or in several places: an audit finds them and puts them right, and leaves all others alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.support.audit import Audit
from tests.support.busy_lane import PENDING, RUNNING, SCHEDULED, busy_lane, dump
from tests.support.lanes import TestLane, member, tag_of
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
    # It may be forgotten for a while that some worker has said so.
    redis.hset(f"{tag}:meta", mapping={"epoch_at": lane.now_ms - 60_000, "epoch": 0})
    assert lane.steps.rotate()
    redis.zadd(f"{tag}:leases", {"alive": lane.now_ms + 3_600_000, "idle": lane.now_ms + 7_200_000})
    lane.steps.audit()
    assert redis.zscore(f"{tag}:leases", "alive") == lane.now_ms + 3_600_000
    assert redis.zscore(f"{tag}:leases", "idle") == lane.now_ms + 3_600_000


@pytest.mark.timeout(120)
def test_a_worker_audits_its_queue_by_itself(
    server: ServerProcess, prefix: str, tmp_path: Path, runs: Runs
) -> None:
    """A job that somebody has taken from its list runs all the same."""
    queue = QueueUnderTest(tmp_path, server.url, prefix, worker="lease_duration_secs = 5")
    job = queue.publish([act("gone")])[0]
    server.client().lrem(queue.key("pending:d"), 1, job.bytes + b"d")  # type: ignore[arg-type]
    with WorkerProcess(queue.config, environment=runs.environment) as worker:
        queue.wait_until_completed(1, deadline_secs=60)
        assert worker.stop() == 0
    assert queue.count("mended_homeless") == 1
