"""Row 59: records that are cut, blown up, of another version or in two places: each is met once, the others go on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from redis import ResponseError

from tests.bad_input import handlers
from tests.bad_input.forged import ForgedQueue, job_fields
from tests.support.server import ServerProcess

GOOD = 10
WHOLE = json.dumps(job_fields()).encode()
#: Fields of a job with values that none of them can have.
WRONG: dict[str, list[Any]] = {
    "id": [..., None, 5, "", "x", "{" + str(uuid4()) + "}", [], "x" * 100_000],
    "observer": [5, [], {}, True],
    "action_index": [..., None, -1, 1.5, "0", 2**32, True],
    "action": [..., None, 5, "log", [], {}, {"type": None}, {"type": 5}, {"Type": "log"}],
    "event": [..., None, 5, "x", [], [{}]],
    "queue": [..., None, 5, []],
    "priority": [..., None, 5],
    "created_at": [..., None, 5, "", "2026-01-01", "10000-01-01T00:00:00Z"],
    "scheduled_at": [..., None, "now", 1e400],
    "expires_at": [..., None, "never", -1],
    "max_attempts": [..., None, 0, -1, 1.5, "3", 2**32],
    "backoff_strategy": [..., None, 5],
    "initial_delay_ms": [..., None, -1, 1.5, 2**64],
    "max_delay_ms": [..., None, -1, "x", 2**64],
    "jitter": [..., None, 5],
    "traceparent": [5, []],
    "schema": [..., None, 0, -1, 1.5, "1", 2**64],
}
#: Bytes that are no job, whatever is in them.
BYTES: dict[str, bytes] = {
    **{f"cut at {part} of 10": WHOLE[: len(WHOLE) * part // 10] for part in range(10)},
    "cut before the last byte": WHOLE[:-1],
    "a byte too many": WHOLE + b"}",
    "two jobs": WHOLE * 2,
    "a list of a job": b"[" + WHOLE + b"]",
    "a key twice": WHOLE[:-1] + b',"schema":1}',
    "10 MB of text": b'"' + b"x" * 10_000_000 + b'"',
    "10 MB of brackets": b"[" * 10_000_000,
    "10 MB of nothing": b" " * 10_000_000,
    "bad UTF-8": WHOLE.replace(b'"forged"', b'"\xff"') + b"\xff",
    "byte order mark": b"\xef\xbb\xbf" + WHOLE,
    "UTF-16": WHOLE.decode().encode("utf-16"),
    "NUL": WHOLE + b"\x00",
    "NaN": WHOLE.replace(b'"max_attempts": 1', b'"max_attempts": NaN'),
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
}
#: What only a newer worker can run, so that it waits for one.
NEWER: dict[str, dict[str, Any]] = {
    "another schema": {"schema": 2},
    "the last schema": {"schema": 2**63},
    "another schema, everything else unknown": {"schema": 3, "id": 5, "action": [], "event": None},
    "another priority": {"priority": "urgent"},
    "another backoff": {"backoff_strategy": "fibonacci"},
    "another jitter": {"jitter": "decorrelated"},
    "another action": {"action": {"type": "teleport"}},
}


@pytest.fixture
def queue(tmp_path: Path, server: ServerProcess, prefix: str, monkeypatch: pytest.MonkeyPatch) -> ForgedQueue:
    """Give a queue that can be written into by hand."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    handlers.ran.clear()
    return ForgedQueue(tmp_path, server, prefix)


def test_bytes_that_are_no_job_are_quarantined_once_and_kept_as_they_were(queue: ForgedQueue) -> None:
    """Each is one dead letter of its own, with its bytes; what stands before and behind it runs."""
    good = queue.good(GOOD)
    corrupt = {name: queue.forge(content) for name, content in BYTES.items()}
    good += queue.good(GOOD)
    queue.work(lambda: queue.stats().dead == len(BYTES) and len(queue.ids("completed")) == 2 * GOOD)
    for name, job_id in corrupt.items():
        view = queue.view(job_id)
        assert (view.state, view.reason) == ("dead_lettered", "corrupt"), name
        assert (view.raw or b"") == BYTES[name], name
        assert len(view.last_error or "") <= 1_024
    assert len(handlers.ran) == 2 * GOOD
    assert [queue.view(job).state for job in good] == ["completed"] * 2 * GOOD


def test_fields_that_are_wrong_are_quarantined_once_and_named(queue: ForgedQueue) -> None:
    """For every field of a job, whatever can stand in it."""
    good = queue.good(GOOD)
    corrupt: dict[UUID, str] = {}
    for name, values in WRONG.items():
        for value in values:
            fields = job_fields() | {name: value}
            kept = {key: held for key, held in fields.items() if held is not ...}
            corrupt[queue.forge(json.dumps(kept).encode())] = f"{name} = {value!r:.40}"
    queue.work(lambda: queue.stats().dead == len(corrupt) and len(queue.ids("completed")) == GOOD)
    dead = {view.id: view for view in queue.jobs("dead_lettered")}
    for job_id, what in corrupt.items():
        assert dead[job_id].reason == "corrupt", what
    assert [queue.view(job).state for job in good] == ["completed"] * GOOD


def test_what_is_newer_waits_and_keeps_nobody_else_waiting(queue: ForgedQueue) -> None:
    """It is parked, not lost, and looked at once."""
    good = queue.good(GOOD)
    newer = {}
    for name, changes in NEWER.items():
        fields = job_fields()
        job_id = UUID(fields["id"])
        newer[name] = queue.forge(json.dumps(fields | changes).encode(), job_id)
    queue.work(lambda: queue.stats().parked == len(NEWER) and len(queue.ids("completed")) == GOOD)
    assert queue.stats().dead == 0
    for name, job_id in newer.items():
        view = queue.view(job_id)
        assert view.state == "scheduled", name
        assert view.parked, name
    assert [queue.view(job).state for job in good] == ["completed"] * GOOD


def test_an_id_in_two_places_runs_and_ends_once_and_an_entry_without_bytes_not_at_all(
    queue: ForgedQueue,
) -> None:
    """Twice in a list, in two lists, in a list and a set; and entries whose job is not there."""
    client = queue.client
    twice = queue.good(4)
    first, second, third, fourth = (job.bytes + b"d" for job in twice)
    client.rpush(queue.key("pending:d"), first, first)
    client.rpush(queue.key("pending:h"), second[:-1] + b"h")
    client.zadd(queue.key("scheduled"), {third: 1})
    client.rpush(queue.key("suspects"), fourth)
    client.rpush(queue.key("pending:d"), *(uuid4().bytes + b"d" for _ in range(5)))
    client.zadd(queue.key("scheduled"), {uuid4().bytes + b"d": 1 for _ in range(5)})
    good = queue.good(GOOD)
    queue.work(lambda: len(queue.ids("completed")) == GOOD + len(twice))
    assert [queue.view(job).state for job in (*twice, *good)] == ["completed"] * (GOOD + len(twice))
    # An entry too many may have been leased beside the first: at least once each, and never more than there are.
    assert GOOD + len(twice) <= len(handlers.ran) <= GOOD + len(twice) + 5


def test_scores_of_no_time_keep_nobody_waiting(queue: ForgedQueue) -> None:
    """Due before time began is due now; due at the end of time is left where it is; NaN no server takes."""
    client = queue.client
    due = [queue.forge_job() for _ in range(3)]
    never = [queue.forge_job() for _ in range(3)]
    client.delete(queue.key("pending:d"))
    for job, score in zip(due, ("-inf", "-1", "0"), strict=True):
        client.zadd(queue.key("scheduled"), {job.bytes + b"d": float(score)})
    for job, score in zip(never, ("inf", "1e300", "9007199254740993"), strict=True):
        client.zadd(queue.key("scheduled"), {job.bytes + b"d": float(score)})
    with pytest.raises(ResponseError, match="not a valid float"):
        client.zadd(queue.key("scheduled"), {b"x": float("nan")})
    good = queue.good(GOOD)
    queue.work(lambda: len(queue.ids("completed")) == GOOD + len(due))
    assert [queue.view(job).state for job in (*due, *good)] == ["completed"] * (GOOD + len(due))
    assert [queue.view(job).state for job in never] == ["scheduled"] * len(never)


def test_a_lost_worker_of_odd_tokens_gives_its_jobs_back(queue: ForgedQueue) -> None:
    """A running hash whose lease ran out, with numbers of lease calls that are none, is reclaimed all the same."""
    client = queue.client
    jobs = queue.good(6)
    client.delete(queue.key("pending:d"))
    values = ["", "x", "-1", "nan", "9" * 40, "1e400"]
    client.hset(
        queue.key("running:lost"),
        mapping={job.bytes + b"d": value for job, value in zip(jobs, values, strict=True)},
    )
    client.zadd(queue.key("leases"), {"lost": 1})
    good = queue.good(GOOD)
    queue.work(lambda: len(queue.ids("completed")) == GOOD + len(jobs))
    assert [queue.view(job).state for job in (*jobs, *good)] == ["completed"] * (GOOD + len(jobs))
    assert not client.exists(queue.key("running:lost"))
