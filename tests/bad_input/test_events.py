"""Rows 21–27: what is no event, by every way in: refused by its path, alike, and nothing of it is stored."""

from __future__ import annotations

import collections
import decimal
import fractions
import io
import pickle
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from fraiseql_observers.errors import EventError
from fraiseql_observers.events import EntityEvent
from tests.bad_input.ways_in import ENTITY_ID, FROM_DICT, FROM_TEXT, Place, as_text, line, without

#: How long a message may be: path, what was got within 80 characters, what is allowed.
LONGEST_MESSAGE = 400


class _Custom:
    """No JSON value, and one that must not be asked for its text."""

    def __str__(self) -> str:
        raise AssertionError("nobody asked for a text")

    __repr__ = __str__


def _cyclic_list() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


def _cyclic_dict() -> dict[str, Any]:
    made: dict[str, Any] = {}
    made["self"] = made
    return made


def refused(place: Place, way: Callable[[Place, Any], object], event: object) -> str:
    """Feed an event that must be refused, and return what is said; nothing is stored."""
    with pytest.raises(EventError) as caught:
        way(place, event)
    error = caught.value
    assert (error.code, error.transient) == ("OB020", False)
    text = str(error)
    assert len(text) <= LONGEST_MESSAGE, text
    assert text.isprintable(), text
    assert place.stored == 0
    return text


#: Values of Python that JSON has none for, as `data`, and the path that is told.
NO_JSON: dict[str, tuple[Any, str]] = {
    "bytes": (b"x", "data: `bytes`"),
    "bytearray": (bytearray(b"x"), "data: `bytearray`"),
    "memoryview": (memoryview(b"x"), "data: `memoryview`"),
    "set": ({1}, "data: `set`"),
    "frozenset": ({"a": frozenset({1})}, "data.a: `frozenset`"),
    "generator": ((n for n in range(3)), "data: `generator`"),
    "iterator": ({"a": iter([])}, "data.a: `list_iterator`"),
    "range": ({"a": range(3)}, "data.a: `range`"),
    "map": ({"a": map(str, [])}, "data.a: `map`"),
    "deque": ({"a": collections.deque()}, "data.a: `deque`"),
    "file": ({"a": io.StringIO()}, "data.a: `StringIO`"),
    "path": ({"a": Path("/etc")}, "data.a: `PosixPath`"),
    "Decimal": ({"a": [{"b c": decimal.Decimal("0.1")}]}, 'data.a[0]["b c"]: `Decimal`'),
    "Fraction": ({"a": fractions.Fraction(1, 3)}, "data.a: `Fraction`"),
    "complex": ({"a": 1j}, "data.a: `complex`"),
    "date": ({"a": date(2025, 1, 1)}, "data.a: `date`"),
    "time": ({"a": time(1)}, "data.a: `time`"),
    "timedelta": ({"a": timedelta(1)}, "data.a: `timedelta`"),
    "naive datetime": ({"a": datetime(2025, 1, 1)}, "data.a: a datetime without a time zone"),  # noqa: DTZ001 - naive on purpose
    "class": ({"a": _Custom}, "data.a: `type`"),
    "custom": ({"a": [_Custom()]}, "data.a[0]: `_Custom`"),
    "function": ({"a": len}, "data.a: `builtin_function_or_method`"),
    "module": ({"a": pickle}, "data.a: `module`"),
    "ellipsis": (..., "data: `ellipsis`"),
    "NotImplemented": (NotImplemented, "data: `NotImplementedType`"),
    "exception": ({"a": ValueError("x")}, "data.a: `ValueError`"),
    "key of an int": ({1: 2}, "data: the key 1 is not a string"),
    "key of None": ({"a": {None: 2}}, "data.a: the key None is not a string"),
    "key of bytes": ({b"a": 2}, "data: the key b'a' is not a string"),
    "key of a tuple": ({("a", "b"): 2}, "data: the key ('a', 'b') is not a string"),
    "lone surrogate": ({"a": "\ud800"}, "data.a: a lone surrogate"),
    "key of a lone surrogate": ({"\udfff": 1}, "data: a lone surrogate"),
    "NaN": ({"a": [float("nan")]}, "data.a[0]: NaN is no JSON number"),
    "inf": ({"a": float("inf")}, "data.a: inf is no JSON number"),
    "-inf": ({"a": float("-inf")}, "data.a: -inf is no JSON number"),
    "10**400": ({"a": 10**400}, "data.a: an integer beyond the range of floats"),
    "5,001 digits": ({"a": 10**5000}, "data.a: an integer beyond the range of floats"),
    "-10**5000": (-(10**5000), "data: an integer beyond the range of floats"),
    "list in itself": (_cyclic_list(), "nested deeper than 128 levels, or an object that contains itself"),
    "dict in itself": (_cyclic_dict(), "nested deeper than 128 levels, or an object that contains itself"),
}


@pytest.mark.parametrize("way", FROM_DICT)
@pytest.mark.parametrize("name", NO_JSON)
def test_a_value_that_json_has_none_for_is_refused_by_its_path(name: str, way: str) -> None:
    """In whatever field and depth, by every way in, without being asked what it is."""
    value, text = NO_JSON[name]
    if name == "generator":
        value = (n for n in range(3))
    place = Place()
    assert text in refused(place, FROM_DICT[way], line(data=value))


@pytest.mark.parametrize("way", FROM_DICT)
@pytest.mark.parametrize("name", ["bytes", "set", "NaN", "Decimal", "10**400", "lone surrogate"])
def test_it_is_refused_among_the_changes_too(name: str, way: str) -> None:
    """Old and new values are held to the same."""
    value, _ = NO_JSON[name]
    place = Place()
    text = refused(place, FROM_DICT[way], line(changes={"a": {"old": value, "new": 1}}))
    assert text.startswith("changes.a.old")


#: Fields of the envelope that are wrong, with the start of what is said; the same for objects and for texts.
FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "no kind": (without("event_type"), "event_type: missing"),
    "no entity": (without("entity_type"), "entity_type: missing"),
    "no id of the entity": (without("entity_id"), "entity_id: missing"),
    "no data": (without("data"), "data: missing"),
    "kind of null": (line(event_type=None), "event_type: not one of INSERT, UPDATE, DELETE, CUSTOM"),
    "kind in lower case": (line(event_type="update"), "event_type: not one of"),
    "kind with a space": (line(event_type="UPDATE "), "event_type: not one of"),
    "unknown kind": (line(event_type="UPSERT"), "event_type: not one of"),
    "kind of every event": (line(event_type="*"), "event_type: not one of"),
    "long kind": (line(event_type="U" * 10_000), "event_type: not one of"),
    "kind of a number": (line(event_type=1), "event_type: not one of"),
    "kind of a list": (line(event_type=["UPDATE"]), "event_type: not one of"),
    "empty entity": (line(entity_type=""), "entity_type: must not be empty"),
    "entity of null": (line(entity_type=None), "entity_type: not a string"),
    "entity of a number": (line(entity_type=5), "entity_type: not a string: 5"),
    "entity of a list": (line(entity_type=["Order"]), "entity_type: not a string"),
    "empty id": (line(id=""), "id: not a UUID"),
    "id of 10 kB": (line(id="x" * 10_240), "id: not a UUID"),
    "id with a line break": (line(id=ENTITY_ID + "\r\n"), "id: not a UUID"),
    "id with a header": (line(id=ENTITY_ID[:-2] + "\r\n"), "id: not a UUID"),
    "id with a dot": (line(id=ENTITY_ID.replace("-", ".")), "id: not a UUID"),
    "id with NUL": (line(id=ENTITY_ID[:-1] + "\x00"), "id: not a UUID"),
    "id in braces": (line(id="{" + ENTITY_ID + "}"), "id: not a UUID"),
    "id as URN": (line(id="urn:uuid:" + ENTITY_ID), "id: not a UUID"),
    "id without hyphens": (line(id=ENTITY_ID.replace("-", "")), "id: not a UUID"),
    "id of other digits": (line(id="٦" + ENTITY_ID[1:]), "id: not a UUID"),
    "id of a number": (line(id=5), "id: not a UUID: 5"),
    "id of a list": (line(id=[ENTITY_ID]), "id: not a UUID"),
    "entity id of null": (line(entity_id=None), "entity_id: not a UUID"),
    "entity id that is none": (line(entity_id="42"), 'entity_id: not a UUID: "42"'),
    "entity id with a dot": (line(entity_id=ENTITY_ID.replace("-", ".")), "entity_id: not a UUID"),
    "entity id with spaces": (line(entity_id=f" {ENTITY_ID[1:]}"), "entity_id: not a UUID"),
    "user of a number": (line(user_id=5), "user_id: not a string: 5"),
    "tenant of a list": (line(tenant_id=[]), "tenant_id: not a string: []"),
    "actor of an object": (line(actor_type={}), "actor_type: not a string: {}"),
    "acting for a truth": (line(acting_for=True), "acting_for: not a string: true"),
    "version of a number": (line(schema_version=2), "schema_version: not a string: 2"),
    "source of a float": (line(cdc_source=1.5), "cdc_source: not a string: 1.5"),
    "changes of a list": (line(changes=[]), "changes: not an object"),
    "changes of a text": (line(changes="all"), "changes: not an object"),
    "a change of a value": (line(changes={"a": 1}), "changes.a: not an object with `old` and `new`"),
    "a change of null": (line(changes={"a": None}), "changes.a: not an object with `old` and `new`"),
    "a change without new": (line(changes={"a": {"old": 1}}), "changes.a.new: missing"),
    "a change without old": (line(changes={"a.b": {"new": 1}}), 'changes["a.b"].old: missing'),
    "time of a date": (line(timestamp="2025-01-01"), "timestamp: not an RFC 3339 time"),
    "time without an offset": (line(timestamp="2025-01-01T00:00:00"), "timestamp: not an RFC 3339 time"),
    "time of a number": (line(timestamp=1_735_689_600), "timestamp: not an RFC 3339 time"),
    "empty time": (line(timestamp=""), "timestamp: not an RFC 3339 time"),
    "30 February": (line(timestamp="2025-02-30T00:00:00Z"), "timestamp: not an RFC 3339 time"),
    "25 o'clock": (line(timestamp="2025-01-01T25:00:00Z"), "timestamp: not an RFC 3339 time"),
    "leap second": (line(timestamp="2016-12-31T23:59:60Z"), "timestamp: not an RFC 3339 time"),
    "ten digits": (line(timestamp="2025-01-01T00:00:00.1234567890Z"), "timestamp: not an RFC 3339 time"),
    "year 10000": (line(timestamp="10000-01-01T00:00:00Z"), "timestamp: not an RFC 3339 time"),
    "year -1": (line(timestamp="-0001-01-01T00:00:00Z"), "timestamp: not an RFC 3339 time"),
    "offset of a day": (line(timestamp="2025-01-01T00:00:00+24:00"), "timestamp: not an RFC 3339 time"),
    "duration of 2^31": (line(duration_ms=2**31), "duration_ms: not an integer of 32 bits"),
    "duration of a float": (line(duration_ms=1.0), "duration_ms: not an integer of 32 bits: 1.0"),
    "duration of a text": (line(duration_ms="1"), 'duration_ms: not an integer of 32 bits: "1"'),
    "duration of a truth": (line(duration_ms=True), "duration_ms: not an integer of 32 bits: true"),
    "sequence of 2^63": (line(seq=2**63), "seq: not an integer of 64 bits"),
    "sequence of -2^63-1": (line(seq=-(2**63) - 1), "seq: not an integer of 64 bits"),
    "sequence of a float": (line(seq=1.5), "seq: not an integer of 64 bits"),
    "sequence of 10^30": (line(seq=10**30), "seq: not an integer of 64 bits"),
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_bad_field_is_refused_alike_by_every_way_in(name: str) -> None:
    """As object and as text, the path first, the value cut to 80 characters."""
    fields, text = FIELDS[name]
    place = Place()
    said = set()
    for way, take in FROM_DICT.items():
        if way == "constructor" and "missing" in text and "changes" not in text:
            with pytest.raises(TypeError):
                EntityEvent(**fields)
            continue
        said.add(refused(place, take, fields))
    for read in FROM_TEXT.values():
        said.add(refused(place, read, as_text(fields)))
    (message,) = said
    assert message.startswith(text)
    assert len(message) < 250


@pytest.mark.parametrize("value", [5, 1.5, True, ["a"], (), {1}, object()], ids=lambda v: type(v).__name__)
def test_what_is_neither_event_nor_text_nor_dict_is_refused(value: Any) -> None:
    """Executors and matchers take the three forms, and say so."""
    place = Place()
    for take in (
        place.blocking.process_event,
        place.asynchronous,
        place.beside_others,
        place.matcher.find_matches,
    ):
        with pytest.raises((EventError, TypeError)):
            take(value)
    assert place.stored == 0
