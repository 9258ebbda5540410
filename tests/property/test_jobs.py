"""Jobs survive what is done to them, and core and reference take the same bytes for a job."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fraiseql_observers._core import EntityEvent, Job
from fraiseql_observers.errors import CorruptJob, QueueError
from tests.property.strategies import events, scalars, values, wire_form
from tests.reference import jobs
from tests.reference.values import equal

_times = st.datetimes(
    min_value=datetime(2, 1, 1),  # noqa: DTZ001 - the zone is drawn separately
    max_value=datetime(9000, 1, 1),  # noqa: DTZ001 - as above
    timezones=st.integers(-720, 720).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
_names = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)

#: What `Job` takes, every value within its range.
arguments = st.fixed_dictionaries(
    {
        "action": st.builds(
            lambda more, kind: {**more, "type": kind}, st.dictionaries(_names, values), _names
        ),
        "event": events.map(wire_form).map(EntityEvent.from_dict),
        "max_attempts": st.integers(1, 101),
        "initial_delay_ms": st.integers(0, 2**53),
        "max_delay_ms": st.integers(0, 2**53),
        "max_age_secs": st.integers(60, 2_592_000),
    },
    optional={
        "id": st.uuids(),
        "observer": st.none() | _names,
        "action_index": st.integers(0, 2**31 - 1),
        "queue": st.text("abcXYZ019_-", min_size=1, max_size=64),
        "priority": st.sampled_from(jobs.PRIORITIES),
        "scheduled_at": _times,
        "backoff_strategy": st.sampled_from(jobs.STRATEGIES),
        "jitter": st.sampled_from(jobs.JITTERS),
        "traceparent": st.none() | _names,
    },
)
_GONE = object()
#: Values that some key of a job may have instead of its own.
_spoilers = scalars | st.sampled_from(
    ["high", "urgent", 2, 2**32, 2**64 - 1, -1, [], {}, "2026-02-30T00:00:00Z"]
)


def read(data: bytes) -> Job | str:
    """Return a job, or which sort of refusal there was."""
    try:
        return Job.from_json(data)
    except CorruptJob:
        return "no job"
    except QueueError:
        return "newer"


def reference(data: bytes) -> jobs.Job | str:
    """Return what the reference says."""
    try:
        return jobs.from_json(data)
    except jobs.NotAJob:
        return "no job"
    except jobs.NewerJob:
        return "newer"


@given(arguments)
def test_every_job_survives_a_round_trip_byte_for_byte(given_arguments: dict[str, Any]) -> None:
    """The reference reads the same fields, and finds every key in its place."""
    job = Job(**given_arguments)
    data = job.to_json()
    assert Job.from_json(data) == job
    assert Job.from_json(data).to_json() == data
    written = json.loads(data)
    assert list(written) == list(jobs.KEYS)
    assert equal(jobs.from_json(data).fields["event"], written["event"])
    for key in ("max_attempts", "initial_delay_ms", "max_delay_ms"):
        assert written[key] == given_arguments[key]
    if given_arguments.get("observer") is not None and "id" not in given_arguments:
        index, observer = given_arguments.get("action_index", 0), given_arguments["observer"]
        assert written["id"] == jobs.observer_job_id(str(job.event.id), index, observer)


#: One key with another value, or left out, since which of two mistakes counts is nobody's promise.
_spoilt = st.tuples(st.sampled_from(jobs.KEYS) | _names, _spoilers | st.just(_GONE))


@given(arguments, _spoilt)
def test_a_spoilt_job_is_read_alike(given_arguments: dict[str, Any], spoilt: tuple[str, Any]) -> None:
    """As a job with its unknown keys, as one of a newer version, or as none."""
    fields = json.loads(Job(**given_arguments).to_json()) | dict([spoilt])
    line = json.dumps({key: value for key, value in fields.items() if value is not _GONE}).encode()
    expected, found = reference(line), read(line)
    if isinstance(expected, str) or isinstance(found, str):
        assert found == expected
        return
    again = json.loads(found.to_json())
    assert list(again) == [*jobs.KEYS, *expected.more]
    assert equal(again, json.loads(jobs.to_json(expected)))
