"""Jobs as records: their bytes, their ids, and what is refused."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraiseql_observers._core import EntityEvent, Job
from fraiseql_observers.errors import CorruptJob, QueueError

EVENT = EntityEvent("UPDATE", "Order", uuid.UUID(int=1), {"total": 10.50}, id=uuid.UUID(int=2))

KEYS = [
    *("id", "observer", "action_index", "action", "event", "queue", "priority", "created_at", "scheduled_at"),
    *("expires_at", "max_attempts", "backoff_strategy", "initial_delay_ms", "max_delay_ms", "jitter"),
    *("traceparent", "schema"),
]


def job(**fields: object) -> Job:
    """Return a job enqueued by hand."""
    values: dict[str, object] = {
        "action": {"type": "webhook", "url_env": "HOOK"},
        "event": EVENT,
        "max_attempts": 5,
        "initial_delay_ms": 100,
        "max_delay_ms": 5000,
        "max_age_secs": 3600,
    }
    return Job(**(values | fields))  # type: ignore[arg-type]  # a test may pass anything


def test_every_key_is_written_in_order_null_included() -> None:
    """The wire form is fixed."""
    written = json.loads(job().to_json())
    assert list(written) == KEYS
    assert written["observer"] is None
    assert written["traceparent"] is None
    assert written["schema"] == Job.schema == 1
    assert written["event"] == json.loads(EVENT.to_json())


def test_an_observer_s_job_carries_the_type_of_its_action_and_nothing_else() -> None:
    """The worker takes the rest from its own configuration, so no secret can reach the queue."""
    made = job(
        observer="order_shipped", action_index=2, action={"type": "webhook", "signing_secret": "s3cret"}
    )
    assert made.action == {"type": "webhook"}
    assert b"s3cret" not in made.to_json()
    assert made.id == uuid.uuid5(EVENT.id, "2:order_shipped")


def test_jobs_enqueued_by_hand_get_ids_that_grow_with_time() -> None:
    """Or the one that the caller gives."""
    first, second = job(), job()
    assert first.id.version == second.id.version == 7
    assert first.id < second.id
    own = uuid.uuid4()
    assert job(id=own).id == own


def test_a_job_is_due_at_once_or_when_the_caller_says() -> None:
    """Times are kept in UTC; the age counts from when the job is due."""
    made = job()
    assert made.scheduled_at == made.created_at
    due = datetime(2031, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    made = job(scheduled_at=due)
    assert made.scheduled_at == due
    assert made.scheduled_at.tzinfo == UTC
    assert made.expires_at == due + timedelta(hours=1)


def test_reading_what_was_written_gives_an_equal_job() -> None:
    """As bytes and as text."""
    made = job(observer="o", queue="bulk", priority="high", traceparent="00-ab-cd-01")
    assert Job.from_json(made.to_json()) == made
    assert Job.from_json(made.to_json().decode()) == made
    assert hash(Job.from_json(made.to_json())) == hash(made)
    assert made != job()
    assert made.event is EVENT
    assert Job.from_json(made.to_json()).event == EVENT


@given(extra=st.dictionaries(st.text(), st.integers() | st.lists(st.text()), max_size=3))
def test_keys_of_a_later_version_survive(extra: dict[str, object]) -> None:
    """A job that passes through an older process loses nothing."""
    extra = {key: value for key, value in extra.items() if key not in KEYS}
    written = json.loads(job().to_json()) | extra
    assert json.loads(Job.from_json(json.dumps(written)).to_json()) == written


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"schema": 2}, "schema 2"),
        ({"priority": "urgent"}, "priority"),
        ({"backoff_strategy": "fibonacci"}, "backoff_strategy"),
        ({"schema": 7, "max_attempts": "many"}, "schema 7"),
    ],
)
def test_a_newer_job_is_not_called_corrupt(change: dict[str, object], why: str) -> None:
    """It has to wait for a newer worker."""
    written = json.loads(job().to_json()) | change
    with pytest.raises(QueueError, match=why) as caught:
        Job.from_json(json.dumps(written))
    assert not isinstance(caught.value, CorruptJob)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "EOF"),
        (b"\x80\x04\x95", "expected value"),
        (b"[]", "expected an object"),
        (b"{}", "schema: missing"),
    ],
)
def test_bytes_that_are_no_job_say_why(data: bytes, why: str) -> None:
    """The text goes to the dead letter."""
    with pytest.raises(CorruptJob, match=why):
        Job.from_json(data)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"max_attempts": 0}, "max_attempts: 0 is below 1"),
        ({"queue": "a b"}, "queue: .* is no name"),
        ({"queue": ""}, "queue: .* is no name"),
        ({"queue": "x" * 65}, "queue: .* is no name"),
        ({"priority": "urgent"}, "priority: .* is not known"),
        ({"backoff_strategy": "none"}, "backoff_strategy: .* is not known"),
        ({"jitter": "some"}, "jitter: .* is not known"),
        ({"action": {}}, "action: has no type"),
        ({"action": {"type": 1}}, "action: has no type"),
        ({"action": {"type": "log", "level": object()}}, "action: .*is no JSON value"),
        ({"scheduled_at": datetime(2031, 1, 1)}, "scheduled_at: .*time zone"),  # noqa: DTZ001 - that is the mistake
    ],
)
def test_what_a_job_cannot_be_made_of_is_named(fields: dict[str, object], why: str) -> None:
    """With the field, and what is allowed."""
    with pytest.raises(ValueError, match=why):
        job(**fields)


def test_an_id_has_to_be_a_uuid() -> None:
    """Text is not taken for one."""
    with pytest.raises(TypeError, match="id: not a UUID"):
        job(id="018f0000-0000-7000-8000-000000000001")
