"""JSON values: how they are read, and when two are equal."""

from __future__ import annotations

import json
import math
from typing import Any

MAX_DEPTH = 128


class Refused(ValueError):
    """A text or object that is not the JSON we take."""


def type_name(value: Any) -> str:
    """Return the JSON name of a value's type."""
    names: dict[type, str] = {
        type(None): "null",
        bool: "boolean",
        int: "number",
        float: "number",
        str: "string",
        list: "array",
        dict: "object",
    }
    return names[type(value)]


def equal(left: Any, right: Any) -> bool:
    """Compare by value: numbers exactly, everything else strictly."""
    if type_name(left) != type_name(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    return bool(left == right)  # Python compares an int and a float exactly


def _integer(number: int) -> int | float:
    """Return an integer as it is held: exact within 64 bits, signed or unsigned, and a float beyond."""
    if -(2**63) <= number < 2**64:
        return number
    try:
        return float(number)
    except OverflowError as error:
        raise Refused("beyond the floats") from error


def _read_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise Refused("beyond the floats")
    return number


def _read_integer(text: str) -> int | float:
    if text == "-0":
        return -0.0  # no integer is negative and zero
    # Python refuses to read very long integers; all of them are beyond 64 bits, many beyond the floats.
    return _read_float(text) if len(text) > 30 else _integer(int(text))


def _read_constant(text: str) -> None:
    raise Refused(text)


def check(value: Any, depth: int = 1) -> Any:
    """Return a value as it is held; refuse lone surrogates, numbers beyond the floats, and what is too deep."""
    if isinstance(value, str):
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise Refused("lone surrogate")
        return value
    if isinstance(value, dict | list) and depth > MAX_DEPTH:
        raise Refused("too deep")
    if isinstance(value, dict):
        return {check(key): check(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [check(item, depth + 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise Refused("not a JSON number")
    if isinstance(value, int) and not isinstance(value, bool):
        return _integer(value)
    return value


def read(text: str) -> Any:
    """Read a JSON text strictly."""
    try:
        value = json.loads(
            text, parse_int=_read_integer, parse_float=_read_float, parse_constant=_read_constant
        )
    except RecursionError as error:
        raise Refused("too deep") from error
    except json.JSONDecodeError as error:
        raise Refused(str(error)) from error
    return check(value)


def scalar(text: str) -> tuple[Any] | None:
    """Return the JSON scalar that a text spells, in a tuple because it may be None; or None."""
    try:
        value = read(text)
    except Refused:
        return None
    return None if isinstance(value, list | dict) else (value,)
