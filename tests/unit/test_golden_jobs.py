"""Jobs of the wire, byte for byte: what one version wrote every other must read, and write again unchanged."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fraiseql_observers._core import Job
from fraiseql_observers.errors import CorruptJob, QueueError
from tests.reference import jobs
from tests.reference.times import instant

GOLDEN = sorted((Path(__file__).parents[1] / "reference" / "golden").glob("*.json"))
golden = pytest.mark.parametrize("path", GOLDEN, ids=[path.stem for path in GOLDEN])
EXAMPLE = json.loads(GOLDEN[0].read_bytes())


@golden
def test_bytes_are_the_same_after_reading_and_writing(path: Path) -> None:
    """By the package and by the reference."""
    data = path.read_bytes()
    assert Job.from_json(data).to_json() == data
    assert jobs.to_json(jobs.from_json(data)) == data


@golden
def test_keys_in_another_order_are_written_in_ours(path: Path) -> None:
    """Those that are not known come last, as they were."""
    data = path.read_bytes()
    known = {key: value for key, value in json.loads(data).items() if key in jobs.KEYS}
    unknown = {key: value for key, value in json.loads(data).items() if key not in jobs.KEYS}
    shuffled = unknown | dict(reversed(known.items()))
    text = json.dumps(shuffled, ensure_ascii=False, separators=(",", ":"))
    assert Job.from_json(text).to_json() == jobs.to_json(jobs.from_json(text.encode())) == data


@golden
def test_fields_read_as_written(path: Path) -> None:
    """The package and the reference read the same values."""
    data = path.read_bytes()
    job, expected = Job.from_json(data), jobs.from_json(data).fields
    for key in ("observer", "action_index", "action", "queue", "priority", "max_attempts"):
        assert getattr(job, key) == expected[key]
    for key in ("backoff_strategy", "initial_delay_ms", "max_delay_ms", "jitter", "traceparent"):
        assert getattr(job, key) == expected[key]
    assert str(job.id) == expected["id"]
    assert json.loads(job.event.to_json()) == expected["event"]
    for key in jobs.TIMES:
        at: datetime = getattr(job, key)
        assert at.tzinfo == UTC
        assert instant(at.isoformat()) == (expected[key],)


def test_the_id_of_an_observer_s_job_comes_from_its_event() -> None:
    """So that the same event enqueued twice is one job."""
    job = json.loads((GOLDEN[0].parent / "observer_job.json").read_bytes())
    assert job["id"] == jobs.observer_job_id(job["event"]["id"], job["action_index"], job["observer"])


@pytest.mark.parametrize(
    "change",
    [
        *(
            {"id": "x"},
            {"id": None},
            {"observer": 5},
            {"action": {}},
            {"action": {"type": 1}},
            {"action": []},
        ),
        *(
            {"queue": None},
            {"max_attempts": 0},
            {"max_attempts": 2**32},
            {"max_attempts": 1.0},
            {"priority": 1},
        ),
        *({"action_index": -1}, {"action_index": 2**32}, {"initial_delay_ms": 2**64}, {"max_delay_ms": "1"}),
        *({"created_at": None}, {"created_at": "yesterday"}, {"expires_at": 5}, {"traceparent": 3}),
        *({"schema": 0}, {"schema": "1"}, {"schema": None}, {"schema": 1.0}, {"scheduled_at": "2026-11-24"}),
    ],
    ids=str,
)
def test_what_is_no_job_is_none_for_both(change: dict[str, Any]) -> None:
    """A wrong type, a number out of its range, a time that is none."""
    data = json.dumps(EXAMPLE | change).encode()
    with pytest.raises(jobs.NotAJob):
        jobs.from_json(data)
    with pytest.raises(CorruptJob):
        Job.from_json(data)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"priority": "urgent"},
        {"backoff_strategy": "Fixed"},
        {"jitter": "equal"},
        {"schema": 2**40},
    ],
    ids=str,
)
def test_what_is_newer_is_newer_for_both(change: dict[str, Any]) -> None:
    """It waits for a newer worker instead of being lost."""
    data = json.dumps(EXAMPLE | change).encode()
    with pytest.raises(jobs.NewerJob):
        jobs.from_json(data)
    with pytest.raises(QueueError) as caught:
        Job.from_json(data)
    assert not isinstance(caught.value, CorruptJob)
