"""Rows 22–27 for texts: numbers, sizes, depths, and whatever is not strict JSON; JSON only, nothing else is loaded."""

from __future__ import annotations

import json
import pickle
import sys
from typing import Any

import pytest

from fraiseql_observers.errors import EventError
from fraiseql_observers.events import EntityEvent
from tests.bad_input.test_events import refused
from tests.bad_input.ways_in import ENTITY_ID, FROM_DICT, FROM_TEXT, LIMIT, Place, as_text, line

_HEAD = '{"event_type":"UPDATE","entity_type":"Order","entity_id":"' + ENTITY_ID + '","data":'


class _Bomb:
    """A pickle that would call `print` when it is loaded."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return print, ("loaded",)


#: Bytes that are no strict JSON object, with a part of what is said.
TEXTS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "not valid JSON"),
    "a space": (b" ", "not valid JSON"),
    "null": (b"null", "expected an object"),
    "a list": (b"[]", "expected an object"),
    "a text": (b'"x"', "expected an object"),
    "a number": (b"5", "expected an object"),
    "a list of events": (b"[" + as_text(line()) + b"]", "expected an object"),
    "byte order mark": (b"\xef\xbb\xbf" + as_text(line()), "byte order mark"),
    "UTF-16": (as_text(line()).decode().encode("utf-16"), "not UTF-8"),
    "UTF-16 little end": (as_text(line()).decode().encode("utf-16-le"), "not valid JSON"),
    "bad UTF-8": (as_text(line(user_id="a")).replace(b'"a"', b'"\xff"'), "not UTF-8"),
    "overlong UTF-8": (as_text(line(user_id="a")).replace(b'"a"', b'"\xc0\x80"'), "not UTF-8"),
    "surrogate in UTF-8": (as_text(line(data="\ud800")), "not UTF-8"),
    "lone surrogate": (as_text(line(data="x")).replace(b'"x"', b'"\\ud800"'), "data: not valid JSON"),
    "NUL in a text": (as_text(line(data="x")).replace(b'"x"', b'"\x00"'), "not valid JSON"),
    "line break in a text": (as_text(line(data="x")).replace(b'"x"', b'"\n"'), "not valid JSON"),
    "trailing text": (as_text(line()) + b"x", "trailing characters"),
    "two events": (as_text(line()) * 2, "trailing characters"),
    "trailing comma": (as_text(line())[:-1] + b",}", "not valid JSON"),
    "cut": (as_text(line())[:-1], "not valid JSON"),
    "comment": (as_text(line())[:-1] + b"/* */}", "not valid JSON"),
    "single quotes": (b"{'event_type':'UPDATE'}", "not valid JSON"),
    "bare key": (b"{event_type:1}", "not valid JSON"),
    "NaN": ((_HEAD + "NaN}").encode(), "not valid JSON"),
    "Infinity": ((_HEAD + "Infinity}").encode(), "not valid JSON"),
    "-Infinity": ((_HEAD + '{"a":-Infinity}}').encode(), "not valid JSON"),
    "1e400": ((_HEAD + '{"a":[1e400]}}').encode(), "data.a[0]: not valid JSON: number out of range"),
    "-1e999": ((_HEAD + "-1e999}").encode(), "number out of range"),
    "5,000 digits": ((_HEAD + "9" * 5000 + "}").encode(), "number out of range"),
    "a number with +": ((_HEAD + "+1}").encode(), "not valid JSON"),
    "a number with 0": ((_HEAD + "01}").encode(), "not valid JSON"),
    "a number without digits": ((_HEAD + "1.}").encode(), "not valid JSON"),
    "hexadecimal": ((_HEAD + "0x10}").encode(), "not valid JSON"),
    "True": ((_HEAD + "True}").encode(), "not valid JSON"),
    "undefined": ((_HEAD + "undefined}").encode(), "not valid JSON"),
    "a key twice": (as_text(line())[:-1] + b',"data":{}}', "data: given twice"),
    "an id twice": (
        as_text(line())[:-1] + b',"id":"' + ENTITY_ID.encode() + b'","id":"' + ENTITY_ID.encode() + b'"}',
        "id: given twice",
    ),
    "an unknown key twice": (as_text(line())[:-1] + b',"x":1,"x":1}', "x: given twice"),
    "a key twice by escapes": (as_text(line())[:-1] + b',"\\u0064ata":{}}', "data: given twice"),
    "pickle": (pickle.dumps(line()), "not UTF-8"),
    "pickle that runs": (pickle.dumps(_Bomb()), "not UTF-8"),
    "old pickle that runs": (pickle.dumps(_Bomb(), protocol=0), "not valid JSON"),
    "msgpack": (b"\x84\xaaevent_type\xa6UPDATE", "not UTF-8"),
    "BSON": (b"\x16\x00\x00\x00\x02hello\x00\x06\x00\x00\x00world\x00\x00", "not valid JSON"),
    "CBOR": (b"\xa1jevent_typefUPDATE", "not UTF-8"),
    "YAML": (b"event_type: UPDATE\nentity_type: Order\n", "not valid JSON"),
    "YAML that runs": (b"!!python/object/apply:os.system ['true']", "not valid JSON"),
    "XML": (
        b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
        "not valid JSON",
    ),
    "gzip": (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", "not UTF-8"),
    "Python": (b"__import__('os').system('true')", "not valid JSON"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_that_is_no_event_is_refused_by_every_way_in(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing but JSON is ever loaded, so nothing is ever run."""
    content, text = TEXTS[name]
    place = Place()
    for way, read in FROM_TEXT.items():
        if way == "from_line" and name in {"nothing", "a space"}:
            continue
        assert text in refused(place, read, content)
    assert "loaded" not in capfd.readouterr().out


@pytest.mark.parametrize("way", [way for way in FROM_TEXT if way != "matcher"])
def test_a_text_of_one_byte_too_many_is_refused_before_it_is_read(way: str) -> None:
    """What is larger is not even looked at. A matcher stores nothing, and has the limit of events themselves."""
    place = Place()
    for content in (_of_size(LIMIT + 1), b"\x80" * (LIMIT + 1), b"[" * (LIMIT + 1)):
        assert f"more than {LIMIT} bytes" in refused(place, FROM_TEXT[way], content)


def test_a_text_at_the_limit_is_read() -> None:
    """Else the test above would show nothing."""
    assert len(EntityEvent.from_json(_of_size(LIMIT), LIMIT).data) > LIMIT // 2
    assert EntityEvent.from_line(b" " + _of_size(LIMIT) + b"\r\n", LIMIT)[1]


def _of_size(size: int) -> bytes:
    empty = as_text(line(data=""))
    return empty.replace(b'""', b'"' + b"x" * (size - len(empty)) + b'"')


#: Data that is too much in one way or another.
TOO_MUCH: dict[str, Any] = {
    "a long text": "x" * (LIMIT + 1),
    "a long text of escapes": "\n" * (LIMIT // 2),
    "a long text of characters": "é" * (LIMIT // 2 + 1),
    "a key of 64 kB": {"k" * 65_536: 1},
    "a million keys": None,
    "a long list": [0] * LIMIT,
    "many texts": ["x" * 100] * 200,
    "a wide tree": [[["x"] * 30] * 30] * 30,
}


@pytest.mark.parametrize("way", [way for way in FROM_DICT if way != "matcher"])
@pytest.mark.parametrize("name", TOO_MUCH)
def test_an_object_that_would_be_too_large_is_refused(name: str, way: str) -> None:
    """Before anything is copied to the queue, and while it is written, not after."""
    data = TOO_MUCH[name] if name != "a million keys" else dict.fromkeys(map(str, range(1_000_000)))
    place = Place()
    assert f"more than {LIMIT} bytes" in refused(place, FROM_DICT[way], line(data=data))


@pytest.mark.parametrize("depth", [128, 129, 1_000, 100_000])
def test_an_object_that_is_nested_too_deep_is_refused(depth: int) -> None:
    """127 levels below the event itself are the most; no depth breaks the reader's stack."""
    data: Any = 0
    for _ in range(depth):
        data = [data]
    place = Place()
    for take in FROM_DICT.values():
        assert "nested deeper than 128 levels" in refused(place, take, line(data=data))
    # Python's own writer would fail first.
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        text = f"{_HEAD}{opening * depth}0{closing * depth}}}".encode()
        for read in FROM_TEXT.values():
            said = refused(place, read, text)
            assert "nested deeper than 128 levels" in said or f"more than {LIMIT} bytes" in said


def test_what_is_odd_and_right_is_kept_as_it_is() -> None:
    """The limits of depth and size, numbers of 64 bits, and names that mean something elsewhere are plain data."""
    data: Any = 0
    for _ in range(127):
        data = [data]
    for value in (
        data,
        2**53 + 1,
        2**64 - 1,
        -(2**63),
        -0.0,
        5e-324,
        sys.float_info.max,
        {"__proto__": {"a": 1}, "__class__": "x", "constructor": 1, "$ref": "#", "": 0, "a.b": 1},
        "{{7*7}} ${x} {a.__class__} %(x)s",
        "\x00\x01\x1b[31m\u2028\u202e",
    ):
        event = EntityEvent.from_json(as_text(line(data=value)))
        assert event.data == value
        assert EntityEvent.from_json(event.to_json()) == event
        assert EntityEvent(**line(data=value)).data == value


def test_an_integer_beyond_64_bits_is_a_float_by_every_way_in() -> None:
    """Exact to 64 bits, a float beyond, refused beyond floats."""
    for number in (2**64, -(2**63) - 1, 10**300):
        text = as_text(line(data=number))
        assert EntityEvent.from_json(text).data == float(number)
        assert EntityEvent(**line(data=number)).data == float(number)


def test_the_last_of_two_keys_in_data_wins_as_in_any_reader_of_json() -> None:
    """Only the envelope is held to more, since two ids or two kinds would be two events."""
    text = as_text(line(data="x")).replace(b'"x"', b'{"a":1,"a":2}')
    assert EntityEvent.from_json(text).data == {"a": 2}


@pytest.mark.parametrize(
    "content", [None, 5, [], bytearray(b"{}"), memoryview(b"{}")], ids=lambda v: type(v).__name__
)
def test_a_text_that_is_neither_bytes_nor_str_is_a_mistake_of_the_caller(content: Any) -> None:
    """It is told by its type, and never guessed."""
    for read in (EntityEvent.from_json, EntityEvent.from_line):
        with pytest.raises((TypeError, EventError)):
            read(content)


def test_python_writes_what_a_strict_reader_refuses() -> None:
    """Else the rows above would show nothing."""
    assert json.dumps([float("nan"), float("inf")]) == "[NaN, Infinity]"
