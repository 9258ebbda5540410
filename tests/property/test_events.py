"""Events survive what is done to them, and what is no strict JSON is no event."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from fraiseql_observers._core import EntityEvent
from fraiseql_observers.errors import EventError
from tests.property.strategies import KINDS, changes, keys, values
from tests.reference.values import Refused, check, equal, read

ENTITY_ID = "6f9619ff-8b86-d011-b42d-00c04fc964ff"

texts_or_none = st.none() | st.text(max_size=4)
offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
optional_fields = st.fixed_dictionaries(
    {},
    optional={
        "id": st.uuids() | st.uuids().map(str),
        "changes": st.none() | changes,
        "user_id": texts_or_none,
        "tenant_id": texts_or_none,
        "actor_type": texts_or_none,
        "acting_for": texts_or_none,
        "schema_version": texts_or_none,
        "cdc_source": texts_or_none,
        "timestamp": st.datetimes(
            min_value=datetime(2, 1, 1),  # noqa: DTZ001 - the zone is drawn separately
            max_value=datetime(9998, 12, 31),  # noqa: DTZ001 - as above
            timezones=offsets,
        ),
        "duration_ms": st.none() | st.integers(-(2**31), 2**31 - 1),
        "seq": st.none() | st.integers(-(2**63), 2**63 - 1),
    },
)
#: JSON texts, some of them spoilt: a piece taken out, doubled, or put in from a list of what readers stumble over.
spoilers = st.sampled_from(
    [
        "NaN",
        "Infinity",
        "-",
        "0",
        "1e999",
        "\\ud800",
        "\\u0000",
        "\n",
        "\ufeff",
        ",",
        '"',
        "[",
        "}",
        "9" * 400,
        "e5",
        "é",
    ]
)


@st.composite
def nearly_json(draw: st.DrawFn) -> str:
    """Draw a JSON text, or what is left of one."""
    text = json.dumps(draw(values), ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))
    for _ in range(draw(st.integers(0, 2))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 2)))
        text = text[:start] + draw(spoilers | st.just("")) + text[end:]
    return text


def written(event: EntityEvent) -> dict[str, Any]:
    """Return the JSON of an event as Python reads it."""
    fields = json.loads(event.to_json())
    assert isinstance(fields, dict)
    return fields


@given(st.sampled_from(KINDS), st.text(min_size=1, max_size=4), values, optional_fields)
def test_every_event_survives_a_round_trip(kind: str, entity: str, data: Any, more: dict[str, Any]) -> None:
    """What is written reads as an equal event, and says what was given."""
    event = EntityEvent(kind, entity, ENTITY_ID, data, **more)
    assert EntityEvent.from_json(event.to_json()) == event
    assert EntityEvent.from_json(event.to_json()).to_json() == event.to_json()
    fields = written(event)
    assert equal(fields["data"], check(data))
    assert equal(fields["changes"], check(more.get("changes")))
    assert equal(event.data, check(data))
    assert list(fields) == [
        "id",
        "event_type",
        "entity_type",
        "entity_id",
        "data",
        "changes",
        "user_id",
        "tenant_id",
        "actor_type",
        "acting_for",
        "schema_version",
        "cdc_source",
        "timestamp",
        "duration_ms",
        "seq",
    ]
    assert {name: fields[name] for name in more if name not in {"id", "changes", "timestamp"}} == {
        name: value for name, value in more.items() if name not in {"id", "changes", "timestamp"}
    }
    if "timestamp" in more:
        assert event.timestamp == more["timestamp"]
        assert datetime.fromisoformat(fields["timestamp"]) == more["timestamp"].astimezone(UTC)


@given(nearly_json())
@example("1e400")
@example("-0")
@example('{"a":1,"a":{"b":1,"b":2}}')
@example("[" * 127 + "]" * 127)
@example("[" * 128 + "]" * 128)
@example('"\\ud83d\\ude00"')
def test_the_same_texts_are_strict_json(text: str) -> None:
    """A value that the strict reader refuses is refused as data and in a field that we ignore; others are kept."""
    for field in ("data", "unknown"):
        base = '"event_type":"INSERT","entity_type":"E","entity_id":"' + ENTITY_ID + '"'
        line = "{" + base + ("" if field == "data" else ',"data":0') + f',"{field}":{text}' + "}"
        try:
            # As a part of the whole text, since a broken value may end the object early.
            whole = read(line)
            assert field in whole
            assert len(json.loads(line, object_pairs_hook=list)) == len(whole)
        except (Refused, AssertionError):
            _refused(line)
        else:
            event = EntityEvent.from_json(line)
            assert field != "data" or equal(event.data, whole["data"])


def _refused(line: str) -> None:
    try:
        event = EntityEvent.from_json(line)
    except EventError:
        return
    raise AssertionError(f"{line!r} is taken as {event!r}")


@given(values, values, keys, changes)
def test_changes_answer_by_value(old: Any, new: Any, field: str, more: dict[str, Any]) -> None:
    """The helpers compare as the reference does."""
    event = EntityEvent("UPDATE", "E", ENTITY_ID, {}, changes={**more, field: {"old": old, "new": new}})
    assert event.field_changed(field)
    assert event.field_changed_to(field, new)
    assert event.field_changed_from(field, old)
    assert event.field_changed_to(field, old) == equal(check(old), check(new))
    assert not event.field_changed("absent")


@given(st.binary(max_size=60))
def test_no_bytes_are_more_than_refused(line: bytes) -> None:
    """Whatever the bytes are, the answer is an event or an `EventError`."""
    try:
        EntityEvent.from_line(line)
    except EventError as error:
        assert ": " in str(error)  # noqa: PT017 - either outcome is right


@given(values)
def test_equal_lines_have_equal_ids(data: Any) -> None:
    """An id that is derived depends on the bytes of the line alone."""
    line = json.dumps({"event_type": "CUSTOM", "entity_type": "E", "entity_id": ENTITY_ID, "data": data})
    event, derived = EntityEvent.from_line(line.encode())
    again, _ = EntityEvent.from_line(f"  {line}\r\n")
    other, _ = EntityEvent.from_line(line.replace("CUSTOM", "INSERT"))
    assert derived
    assert event.id == again.id != other.id
