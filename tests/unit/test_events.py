"""Entity events: what the constructor and the readers take, what they refuse, and how they say so."""

from __future__ import annotations

import copy
import decimal
import pickle
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from enum import IntEnum, StrEnum
from typing import Any

import orjson
import pytest

from fraiseql_observers.errors import EventError
from fraiseql_observers.events import EntityEvent, EventKind

ENTITY_ID = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
#: The namespace of ids that are derived from lines; another would make every published file new again.
LINES = uuid.UUID("8c2f6a0e-53d1-5b7a-9f44-d0c31e8b7a26")
MIB = 1024 * 1024


def event(data: Any = None, **more: Any) -> EntityEvent:
    """Return an update of an order."""
    return EntityEvent("UPDATE", "Order", ENTITY_ID, {} if data is None else data, **more)


def line(**more: Any) -> dict[str, Any]:
    """Return the least event in wire form, with more fields."""
    return {"event_type": "UPDATE", "entity_type": "Order", "entity_id": ENTITY_ID, "data": {}, **more}


def test_kinds_are_their_words_on_the_wire() -> None:
    """FraiseQL's words, and members named as its are."""
    assert [(kind.name, kind.value) for kind in EventKind] == [
        ("Created", "INSERT"),
        ("Updated", "UPDATE"),
        ("Deleted", "DELETE"),
        ("Custom", "CUSTOM"),
    ]
    assert event().event_type is EventKind.Updated


def test_objects_and_text_make_the_same_event() -> None:
    """Kind, UUIDs and time are taken either way."""
    id, at = uuid.uuid4(), datetime(2025, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=-5)))
    objects = EntityEvent(EventKind.Created, "Order", uuid.UUID(ENTITY_ID), {}, id=id, timestamp=at)
    texts = EntityEvent("INSERT", "Order", ENTITY_ID.upper(), {}, id=str(id), timestamp=at.isoformat())
    assert objects == texts
    assert objects.timestamp == at
    assert objects.timestamp.tzinfo is UTC
    assert (objects.id, objects.entity_id) == (id, uuid.UUID(ENTITY_ID))


def test_absent_fields_have_defaults() -> None:
    """A random id of version 7, the time of now, and nothing else."""
    before = datetime.now(UTC)
    made = event()
    assert made.id.version == 7
    assert made.id != event().id
    assert before - timedelta(milliseconds=1) <= made.timestamp <= datetime.now(UTC)
    assert made.changes is None
    assert {made.user_id, made.tenant_id, made.actor_type, made.acting_for, made.duration_ms, made.seq} == {
        None
    }


def test_unchanged_and_untracked_fields_differ() -> None:
    """`{}` says that nothing changed, null that nobody looked."""
    assert event(changes={}).changes == {}
    assert event(changes={}) != event(id=event().id)
    assert b'"changes":{}' in event(changes={}).to_json()


def test_nanoseconds_survive_a_round_trip() -> None:
    """The attribute holds microseconds, the text all that was given."""
    given = event(timestamp="2025-01-02T03:04:05.123456789+02:00")
    assert given.timestamp == datetime(2025, 1, 2, 1, 4, 5, 123456, tzinfo=UTC)
    assert b'"timestamp":"2025-01-02T01:04:05.123456789Z"' in EntityEvent.from_json(given.to_json()).to_json()


def test_data_is_plain_whatever_it_was() -> None:
    """Subclasses, tuples, UUIDs and aware times are taken as what JSON has for them."""

    class Word(StrEnum):
        A = "a"

    class Number(IntEnum):
        ONE = 1

    id = uuid.uuid4()
    at = datetime(2025, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    given = event({"word": Word.A, "number": Number.ONE, "tuple": (1, 2.5), "id": id, "at": at, Word.A: None})
    assert given.data == {
        "word": "a",
        "number": 1,
        "tuple": [1, 2.5],
        "id": str(id),
        "at": "2024-12-31T23:00:00Z",
        "a": None,
    }
    assert type(given.data["word"]) is str
    assert type(given.data["number"]) is int


def test_integers_are_exact_to_64_bits_and_floats_beyond() -> None:
    """As in text, whatever Python could hold."""
    data = event([2**64 - 1, -(2**63), 2**64, -(2**63) - 1]).data
    assert data == [2**64 - 1, -(2**63), float(2**64), float(-(2**63) - 1)]
    assert [type(number) for number in data] == [int, int, float, float]


def test_later_changes_of_what_was_given_change_nothing() -> None:
    """The objects are converted once."""
    data = {"items": [1]}
    made = event(data)
    data["items"].append(2)
    assert made.data == {"items": [1]}
    assert made.data is made.data


class _Circular(dict[str, Any]):
    def __init__(self) -> None:
        super().__init__(self=self)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"x", "data: `bytes` is no JSON value"),
        ({1}, "data: `set` is no JSON value"),
        (iter(()), "data: `tuple_iterator` is no JSON value"),
        ({"a": [{"b c": decimal.Decimal(1)}]}, 'data.a[0]["b c"]: `Decimal` is no JSON value'),
        (date(2025, 1, 1), "data: `date` is no JSON value"),
        (datetime(2025, 1, 1), "data: a datetime without a time zone"),  # noqa: DTZ001 - naive on purpose
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))), "data: a datetime outside the years"),
        ([float("nan")], "data[0]: NaN is no JSON number"),
        ([float("-inf")], "data[0]: -inf is no JSON number"),
        (10**400, "data: an integer beyond the range of floats"),
        ({1: 2}, "data: the key 1 is not a string"),
        ("\ud800", "data: a lone surrogate is no text"),
        ({"\ud800": 1}, "data: a lone surrogate is no text"),
        (_Circular(), "nested deeper than 128 levels, or an object that contains itself"),
    ],
)
def test_what_is_no_json_is_refused_by_its_path(data: Any, text: str) -> None:
    """Types that JSON lacks, numbers it cannot write, keys that are no strings, and cycles."""
    with pytest.raises(EventError) as refused:
        event(data)
    assert text in str(refused.value)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"event_type": "update"}, "event_type: not one of INSERT, UPDATE, DELETE, CUSTOM"),
        ({"event_type": None}, "event_type: not one of"),
        ({"entity_type": ""}, "entity_type: must not be empty"),
        ({"entity_type": 5}, "entity_type: not a string: 5"),
        ({"entity_id": "x"}, 'entity_id: not a UUID: "x"'),
        ({"entity_id": "{" + ENTITY_ID + "}"}, "entity_id: not a UUID"),
        ({"entity_id": ENTITY_ID.replace("-", "")}, "entity_id: not a UUID"),
        ({"id": "x" * 10_000}, "id: not a UUID"),
        ({"id": 5}, "id: not a UUID: 5"),
        ({"changes": []}, "changes: not an object of {field: {old, new}}: []"),
        ({"changes": {"a": {"old": 1}}}, "changes.a.new: missing"),
        ({"changes": {"a.b": {"new": 1}}}, 'changes["a.b"].old: missing'),
        ({"changes": {"a": 1}}, "changes.a: not an object with `old` and `new`: 1"),
        ({"user_id": 5}, "user_id: not a string: 5"),
        ({"timestamp": "2025-01-01"}, "timestamp: not an RFC 3339 time"),
        ({"timestamp": "2025-01-01T00:00:00"}, "timestamp: not an RFC 3339 time"),
        ({"timestamp": "2025-01-01T23:59:60Z"}, "timestamp: not an RFC 3339 time"),
        ({"timestamp": 5}, "timestamp: not an RFC 3339 time"),
        ({"duration_ms": 2**31}, "duration_ms: not an integer of 32 bits: 2147483648"),
        ({"duration_ms": 1.0}, "duration_ms: not an integer of 32 bits: 1.0"),
        ({"seq": True}, "seq: not an integer of 64 bits: true"),
        ({"seq": 2**63}, "seq: not an integer of 64 bits"),
    ],
)
def test_constructor_and_readers_refuse_a_bad_field_alike(fields: dict[str, Any], text: str) -> None:
    """The text starts with the path; long values are cut."""
    whole = line(**fields)
    makers: list[Callable[[], EntityEvent]] = [
        lambda: EntityEvent(**whole),
        lambda: EntityEvent.from_dict(whole),
        lambda: EntityEvent.from_json(orjson.dumps(whole)),
    ]
    for make in makers:
        with pytest.raises(EventError) as refused:
            make()
        assert str(refused.value).startswith(text)
        assert len(str(refused.value)) < 200
        assert (refused.value.code, refused.value.transient) == ("OB020", False)


@pytest.mark.parametrize(
    ("json", "text"),
    [
        (b"", "event: not valid JSON"),
        (b"[]", "event: not valid JSON: invalid type: sequence, expected an object"),
        (b"\x80\x04K\x01.", "event: not UTF-8 after byte 0"),
        (b"\xef\xbb\xbf{}", "event: starts with a byte order mark"),
        ('{"a":"\ud800"}', "event: a lone surrogate is no text"),
        (b"{} {}", "event: not valid JSON: trailing characters"),
        (b'{"x":1,"x":2}', "x: given twice"),
        (b'{"data":{"a":[1e400]}}', "data.a[0]: not valid JSON: number out of range"),
        (b'{"x":{"y":"\\ud800"}}', "x.y: not valid JSON"),
        (b'{"event_type":"INSERT"}', "entity_type: missing"),
    ],
)
def test_a_text_that_is_no_event_is_refused(json: bytes | str, text: str) -> None:
    """What a strict reader refuses is refused in fields that nobody looks at, too."""
    with pytest.raises(EventError) as refused:
        EntityEvent.from_json(json)
    assert str(refused.value).startswith(text)


def test_unknown_keys_are_ignored_but_checked() -> None:
    """In dicts as in text."""
    assert "unknown" not in repr(EntityEvent.from_dict(line(unknown=[1])).to_json())
    with pytest.raises(EventError, match=r"unknown: `bytes` is no JSON value"):
        EntityEvent.from_dict(line(unknown=b""))
    with pytest.raises(EventError, match="event: a key is not a string"):
        EntityEvent.from_dict({**line(), 5: 6})  # type: ignore[dict-item]


def test_the_size_limit_is_exact_to_the_byte() -> None:
    """For texts it counts the text, for objects the text that they make."""
    text = orjson.dumps(line(data="é"))
    assert EntityEvent.from_json(text, len(text)).data == "é"
    with pytest.raises(EventError, match=f"event: more than {len(text) - 1} bytes of JSON"):
        EntityEvent.from_json(text, len(text) - 1)
    size = len(event("", timestamp="2025-01-01T00:00:00Z").to_json())
    most = event("x" * (MIB - size), timestamp="2025-01-01T00:00:00Z")
    assert len(most.to_json()) == MIB
    for more in ("x" * (MIB - size + 1), ["x" * 1000] * 2000, "\n" * (MIB - 1)):
        with pytest.raises(EventError, match="event: more than 1048576 bytes of JSON"):
            event(more, timestamp="2025-01-01T00:00:00Z")
    assert event("x" * MIB, max_payload_bytes=2 * MIB).data == "x" * MIB


def test_128_levels_are_read_and_no_more() -> None:
    """The event itself is the first level, so data may have 127 more."""
    data: Any = 0
    for _ in range(127):
        data = [data]
    made = event(data)
    assert EntityEvent.from_json(made.to_json()) == made
    assert made.data == data
    with pytest.raises(EventError, match="nested deeper than 128 levels"):
        event([data])


def test_a_line_without_id_gets_one_from_its_bytes() -> None:
    """Publishing a file again must make the same events."""
    text = orjson.dumps(line())
    first, derived = EntityEvent.from_line(text + b"\n")
    again, _ = EntityEvent.from_line(text + b"\r\n")
    assert derived
    assert first.id == again.id == uuid.uuid5(LINES, text.decode())
    kept, derived = EntityEvent.from_line(event(id=first.id).to_json())
    assert not derived
    assert kept.id == first.id


def test_equality_is_by_value_and_hash_by_id() -> None:
    """Numbers compare by value, as in conditions; everything else strictly."""
    id, at = uuid.uuid4(), datetime.now(UTC)
    one = event({"n": 100, "m": 2**53}, id=id, timestamp=at)
    assert one == event({"m": float(2**53), "n": 100.0}, id=id, timestamp=at)
    assert one != event({"n": 100, "m": float(2**53 + 2)}, id=id, timestamp=at)
    assert one != event({"n": "100", "m": 2**53}, id=id, timestamp=at)
    assert one != event({"n": 100, "m": 2**53}, id=id, timestamp=at, seq=1)
    assert one != "event"
    assert hash(one) == hash(event(id=id))


def test_helpers_answer_from_tracked_changes() -> None:
    """By value, and false where nothing was tracked, as FraiseQL's do."""
    made = event(changes={"total": {"old": 1, "new": 100}})
    assert made.field_changed("total")
    assert made.field_changed_to("total", 100.0)
    assert made.field_changed_from("total", 1)
    assert not made.field_changed_to("total", "100")
    assert not made.field_changed("status")
    assert not event().field_changed("total")
    with pytest.raises(EventError, match="value: `bytes` is no JSON value"):
        made.field_changed_to("total", b"")


def test_copies_and_pickles_are_equal() -> None:
    """An event may go to another process; it never changes, so a copy may be the same."""
    made = event({"a": [1]}, changes={"a": {"old": None, "new": [1]}}, seq=5)
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301 - our own bytes
    assert copy.copy(made) is made
    assert copy.deepcopy(made) is made


def test_repr_names_the_event_and_hides_its_data() -> None:
    """Data may be secret, and log lines hold reprs."""
    shown = repr(event({"password": "secret"}))
    assert ENTITY_ID in shown
    assert "Order" in shown
    assert "secret" not in shown


def test_events_do_not_change() -> None:
    """Attributes are read-only."""
    with pytest.raises(AttributeError):
        event().seq = 5  # type: ignore[misc]


def test_a_dict_that_changes_while_it_is_read_harms_nothing() -> None:
    """A time zone written in Python may let another thread run in the middle of the conversion."""
    data: dict[str, Any] = {}

    class Zone(tzinfo):
        def utcoffset(self, _when: datetime | None) -> timedelta:
            data[f"key {len(data)}"] = 1
            return timedelta(0)

        def dst(self, _when: datetime | None) -> None:
            return None

        def tzname(self, _when: datetime | None) -> None:
            return None

    data |= {"at": datetime(2025, 1, 1, tzinfo=Zone()), "last": 2}
    assert event(data).data == {"at": "2025-01-01T00:00:00Z", "last": 2}


@pytest.fixture
def _nobody_is_interrupted() -> Iterator[None]:
    """Let a thread keep the interpreter until it gives it up by itself."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("_nobody_is_interrupted")
def test_large_texts_are_read_while_other_threads_run() -> None:
    """The interpreter is given up for them, so a thread that waits for it gets on meanwhile."""
    text = event({"rows": ["x" * 50] * 15_000}).to_json()
    gate, passed = threading.Lock(), threading.Event()
    gate.acquire()

    def pass_the_gate() -> None:
        with gate:
            passed.set()

    thread = threading.Thread(target=pass_the_gate)
    thread.start()
    gate.release()
    assert not passed.is_set()
    deadline = time.monotonic() + 10
    while not passed.is_set() and time.monotonic() < deadline:
        EntityEvent.from_json(text)
    assert passed.is_set()
    thread.join()
