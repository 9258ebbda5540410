"""The envelope of an event: core and reference take the same ones, and name the same path where they do not."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraiseql_observers._core import EntityEvent
from fraiseql_observers.errors import EventError
from tests.property.pools import NO_TIMES, TIMES
from tests.property.strategies import KINDS, changes, values
from tests.reference import events
from tests.reference.times import written

UUIDS = st.uuids().map(str) | st.uuids().map(lambda value: str(value).upper())
TEXTS = st.none() | st.text(max_size=3)
DATES = ("2024-06-30T23:59:59.123456789+05:45", "1900-02-28T00:00:00z", *TIMES)
valid = st.fixed_dictionaries(
    {
        "event_type": st.sampled_from(KINDS),
        "entity_type": st.text(min_size=1, max_size=3),
        "entity_id": UUIDS,
        "data": values,
        # Without one the core makes one of its own.
        "id": UUIDS,
        "timestamp": st.sampled_from(DATES),
    },
    optional={
        "changes": st.none() | changes,
        "duration_ms": st.none() | st.sampled_from([0, -(2**31), 2**31 - 1]),
        "seq": st.none() | st.sampled_from([0, -(2**63), 2**63 - 1, 2**53 + 1]),
        "unknown": values,
        **dict.fromkeys(events.TEXTS, TEXTS),
    },
)
WRONG: dict[str, tuple[Any, ...]] = {
    "event_type": ("insert", "", None, 1, "UPDATED", ["INSERT"], "*"),
    "entity_type": ("", None, 1, []),
    "entity_id": (
        None,
        "",
        1,
        "x",
        "6f9619ff8b86d011b42d00c04fc964ff",
        "{6f9619ff-8b86-d011-b42d-00c04fc964ff}",
    ),
    "id": (
        1,
        "",
        "urn:uuid:6f9619ff-8b86-d011-b42d-00c04fc964ff",
        " 6f9619ff-8b86-d011-b42d-00c04fc964ff",
        {},
    ),
    "timestamp": (0, *NO_TIMES, "2024-01-01T00:00:00Z ", "２024-01-01T00:00:00Z"),
    "changes": ([], 1, "x", {"a": 1}, {"a": {"old": 1}}, {"a": {"new": 1}}, {"a": {}}, {"a": None}),
    "duration_ms": (2**31, -(2**31) - 1, 1.0, "1", True, []),
    "seq": (2**63, -(2**63) - 1, 0.5, "1", False, {}),
    **dict.fromkeys(events.TEXTS, (1, True, [], {"a": 1})),
}
REQUIRED = ("event_type", "entity_type", "entity_id", "data")


@st.composite
def spoilt(draw: st.DrawFn) -> dict[str, Any]:
    """Draw an envelope with one mistake."""
    fields = draw(valid)
    name = draw(st.sampled_from([*WRONG, "data"]))
    if name == "data" or (name in REQUIRED and draw(st.booleans())):
        del fields[name]
    else:
        fields[name] = draw(st.sampled_from(WRONG[name]))
    return fields


def forms(fields: dict[str, Any]) -> list[bytes | str | dict[str, Any]]:
    """Return the forms in which an event comes."""
    line = json.dumps(fields, ensure_ascii=False)
    return [fields, line, line.encode(), json.dumps(fields, indent=1)]


def read(form: bytes | str | dict[str, Any]) -> EntityEvent:
    """Read an event from any of its forms."""
    return EntityEvent.from_dict(form) if isinstance(form, dict) else EntityEvent.from_json(form)


def expected(form: bytes | str | dict[str, Any]) -> events.Event:
    """Read an event from any of its forms by the reference."""
    return events.from_dict(form) if isinstance(form, dict) else events.from_json(form)


@given(valid)
def test_every_field_reads_alike(fields: dict[str, Any]) -> None:
    """Whatever form the event comes in, and written again in full."""
    for form in forms(fields):
        event, model = json.loads(read(form).to_json()), expected(form)
        for name in ("event_type", "entity_type", "entity_id", "id", "duration_ms", "seq", *events.TEXTS):
            assert event[name] == getattr(model, name)
        assert model.timestamp is not None
        assert event["timestamp"] == written(model.timestamp)
        for name in ("data", "changes"):
            assert json.dumps(event[name], sort_keys=True) == json.dumps(getattr(model, name), sort_keys=True)


@given(spoilt())
def test_the_same_mistakes_are_refused_by_the_same_path(fields: dict[str, Any]) -> None:
    """The error starts with the path of what is wrong."""
    for form in forms(fields):
        with pytest.raises(events.NotAnEvent) as named:
            expected(form)
        with pytest.raises(EventError) as refused:
            read(form)
        assert str(refused.value).startswith(f"{named.value.path}: "), str(refused.value)


@given(valid, st.data())
def test_no_key_of_the_envelope_comes_twice(fields: dict[str, Any], data: st.DataObject) -> None:
    """Known or unknown, with the same value or another; in `data` the last one wins."""
    name = data.draw(st.sampled_from(list(fields)))
    line = json.dumps(fields)
    twice = f"{line[:-1]}, {json.dumps(name)}: {json.dumps(data.draw(values))}}}"
    with pytest.raises(events.NotAnEvent) as named:
        events.from_json(twice)
    assert named.value.path == name
    with pytest.raises(EventError, match=f"{name}: "):
        EntityEvent.from_json(twice)
    inner = json.dumps({**fields, "data": 0}).replace('"data": 0', '"data": {"a": 1, "\\u0061": {"b": 2}}')
    assert EntityEvent.from_json(inner).data == events.from_json(inner).data == {"a": {"b": 2}}


@given(valid)
def test_ids_are_kept_in_small_letters(fields: dict[str, Any]) -> None:
    """They are read in any case."""
    event = read(fields)
    assert event.id == uuid.UUID(fields["id"])
    assert str(event.entity_id) == fields["entity_id"].lower()
