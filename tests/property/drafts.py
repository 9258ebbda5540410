"""Leaves of conditions, each with what should stand in an event so that it is often true, often false or an error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.property.pools import (
    ATOMS,
    COMPARISONS,
    CONTAINERS,
    ENVELOPE,
    KEYS,
    MISSING,
    NAMES,
    NO_TIMES,
    NUMBERS,
    REPEATS,
    SCALARS,
    STRINGS,
    TIMES,
    near,
    numbers_near,
)
from tests.property.spelling import Spelling


@dataclass(frozen=True)
class Field:
    """What should stand somewhere: in the data, in the changes or in the envelope."""

    steps: tuple[str | int, ...]
    fits: tuple[Any, ...]
    breaks: tuple[Any, ...] = (MISSING,)
    where: str = "data"


Draft = tuple[str, list[Field]]


class Pen:
    """Draws a structure from Hypothesis and writes it down."""

    def __init__(self, draw: st.DrawFn, spelling: Spelling) -> None:
        self.draw = draw
        self.spelling = spelling

    def one(self, *choices: Any) -> Any:
        """Draw one of the choices; the first is the simplest."""
        return choices[0] if len(choices) == 1 else choices[self.draw(st.integers(0, len(choices) - 1))]

    def odd(self, one_in: int) -> bool:
        """Whether this is one of the rarer examples."""
        return self.draw(st.integers(0, one_in - 1)) == one_in - 1

    def steps(self) -> tuple[str | int, ...]:
        """Draw a path, mostly a short one."""
        steps: list[str | int] = [self.one(*NAMES[:4], *NAMES)]
        steps += [self.one(*KEYS, 0, 0, 1, 2) for _ in range(self.one(0, 0, 0, 0, 1, 2))]
        return tuple(steps)

    def call(self, name: str, *arguments: str) -> str:
        """Write a call."""
        spell = self.spelling
        inner = ",".join(f"{spell.gap()}{argument}{spell.gap()}" for argument in arguments)
        return f"{name}{spell.pick('', '', ' ')}({inner})"


def _optional(pen: Pen, breaks: tuple[Any, ...]) -> tuple[str, tuple[Any, ...], tuple[Any, ...]]:
    """Draw whether `?` follows: then a missing field fits as well."""
    if pen.odd(4):
        others = tuple(value for value in breaks if value is not MISSING)
        return pen.spelling.gap() + "?", (MISSING,), others
    return "", (), breaks


def _right_side(pen: Pen, pool: tuple[Any, ...]) -> tuple[str, str, list[Any]]:
    """Draw an operator with what stands right of it."""
    spell = pen.spelling
    if pen.odd(3):
        values = [pen.one(*pool) for _ in range(pen.one(1, 2, 3))]
        listed = ",".join(f"{spell.gap()}{spell.value(value)}{spell.gap()}" for value in values)
        operator = pen.one("in", f"not{spell.between()}in")
        return f"{spell.between()}{operator}{spell.gap()}({listed})", operator, values
    value, operator = pen.one(*pool), pen.one(*COMPARISONS)
    return f"{spell.wide(operator)}{spell.value(value)}", operator, [value]


def _fitting(operator: str, values: list[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return what an operator can compare with its right side, and what not."""
    if operator[0] in "<>":
        return numbers_near(values[0]), (MISSING, "x", None, True, [1])
    fits = tuple(other for value in values for other in near(value))
    return (*fits, *CONTAINERS[:2]), (MISSING,)


def comparison(pen: Pen) -> Draft:
    """Draw `path op literal`."""
    steps = pen.steps()
    right, operator, values = _right_side(pen, pen.one(NUMBERS, SCALARS, STRINGS))
    fits, breaks = _fitting(operator, values)
    mark, more, breaks = _optional(pen, breaks)
    return f"{pen.spelling.path(steps)}{mark}{right}", [Field(steps, fits + more, breaks)]


def old_or_new(pen: Pen) -> Draft:
    """Draw `old(path) op literal`."""
    steps = pen.steps()
    right, operator, values = _right_side(pen, pen.one(NUMBERS, SCALARS))
    fits, breaks = _fitting(operator, values)
    mark, more, breaks = _optional(pen, breaks)
    call = pen.call(pen.one("old", "new"), pen.spelling.path(steps) + mark)
    return f"{call}{right}", [Field(steps, fits + more, breaks, pen.one("changes", "changes", "data"))]


def size(pen: Pen) -> Draft:
    """Draw `size(path) op literal`."""
    steps = pen.steps()
    right, _, _ = _right_side(pen, pen.one((0, 1, 2, 1.0), (0, 1, 2, 3, 2.5), (1, "1")))
    mark, more, breaks = _optional(pen, (MISSING, 1, None, True))
    fits = (*CONTAINERS, "", "ab", "😀", "e\u0301", *more)
    return f"{pen.call('size', pen.spelling.path(steps) + mark)}{right}", [Field(steps, fits, breaks)]


def time(pen: Pen) -> Draft:
    """Draw `time(path) op literal`."""
    steps = pen.steps()
    # The literal must be in quotes: a colon is no part of a bare one.
    right, _, _ = _right_side(pen, TIMES)
    mark, more, breaks = _optional(pen, (MISSING, 1, None, *NO_TIMES))
    return f"{pen.call('time', pen.spelling.path(steps) + mark)}{right}", [
        Field(steps, (*TIMES, *more), breaks)
    ]


def envelope(pen: Pen) -> Draft:
    """Draw `@name op literal`."""
    name = pen.one(*ENVELOPE)
    right, _, _ = _right_side(pen, (*(ENVELOPE[name]), pen.one(1, "x", None)))
    return f"@{name}{right}", [Field((name,), ENVELOPE[name], ENVELOPE[name], "envelope")]


def _key_or_path(pen: Pen) -> tuple[str, tuple[str | int, ...]]:
    """Draw a quoted key, or a path."""
    if pen.odd(3):
        key = pen.one(*KEYS)
        return pen.spelling.quoted(key), (key,)
    steps = pen.steps()
    return pen.spelling.path(steps), steps


def has_field(pen: Pen) -> Draft:
    """Draw `has_field(x)`."""
    written, steps = _key_or_path(pen)
    return pen.call("has_field", written), [Field(steps, (MISSING, None, 1, "x"), ())]


def field_changed(pen: Pen) -> Draft:
    """Draw `field_changed(x)` or one with a value."""
    written, steps = _key_or_path(pen)
    name = pen.one("field_changed_to", "field_changed_from", "field_changed")
    if name == "field_changed":
        return pen.call(name, written), [
            Field(steps, (1, 1.0, 2, None, "x", MISSING, *CONTAINERS[1:5], {"a": 1.0}), (), "changes")
        ]
    value = pen.one(*pen.one(NUMBERS, SCALARS))
    spelled = pen.spelling.value(value) or "''"
    if pen.odd(3):
        # A string that spells a scalar, also with white space around, or a JSON string that spells itself.
        spelled = pen.spelling.quoted(pen.one("", " ") + (pen.spelling.value(value) or "x"))
    return pen.call(name, written, spelled), [Field(steps, (*near(value), value, MISSING), (), "changes")]


def _x(pen: Pen, fits: tuple[Any, ...], breaks: tuple[Any, ...]) -> tuple[str, Field]:
    """Draw the first argument of a value function."""
    if pen.odd(8):
        name = pen.one(*ENVELOPE)
        return f"@{name}", Field((name,), ENVELOPE[name], ENVELOPE[name], "envelope")
    written, steps = _key_or_path(pen)
    if written[0] in "'\"":
        return written, Field(steps, fits, breaks)
    mark, more, breaks = _optional(pen, breaks)
    return written + mark, Field(steps, fits + more, breaks)


def is_null(pen: Pen) -> Draft:
    """Draw `is_null(x)`."""
    written, field = _x(pen, (None, None, 0, "", False, []), (MISSING,))
    return pen.call("is_null", written), [field]


def contains(pen: Pen) -> Draft:
    """Draw `contains(x, v)`."""
    value = pen.one(*SCALARS)
    lists = tuple([other] for other in near(value))
    strings = (value, f"x{value}", f"{value}y", "", "z") if isinstance(value, str) else ()
    wrong = (MISSING, None, 1, {}, *(() if strings else ("x",)))
    written, field = _x(pen, (*lists, *strings, [1, value]), wrong)
    return pen.call("contains", written, pen.spelling.value(value) or "''"), [field]


def string_function(pen: Pen) -> Draft:
    """Draw one of the functions that compare two strings."""
    name = pen.one("starts_with", "ends_with", "ieq")
    value = pen.one(*STRINGS)
    cases = (value.upper(), value.lower(), value.swapcase(), value.casefold()) if name == "ieq" else ()
    fits = (value, f"{value}x", f"x{value}", "", *cases)
    written, field = _x(pen, fits, (MISSING, None, 1, [value], {}))
    return pen.call(name, written, pen.spelling.word(value)), [field]


def like(pen: Pen) -> Draft:
    """Draw `like(x, pattern)`."""
    parts = [pen.one("a", "", "ab", "b", ".", "\n", "é", "?") for _ in range(pen.one(2, 3, 1, 4))]
    fillers = [pen.one("", "a", "x\n", "ab", "*") for _ in parts]
    filled = "".join(part + filler for part, filler in zip(parts, fillers, strict=True))
    # The second lets the ends of the pattern overlap, which is no match.
    fits = ("".join(parts), f"{parts[0]}{parts[-1][1:]}", filled, filled.removesuffix(fillers[-1]), "")
    written, field = _x(pen, fits, (MISSING, None, 1, ["a"]))
    return pen.call("like", written, pen.spelling.quoted("*".join(parts))), [field]


def matches(pen: Pen) -> Draft:
    """Draw `matches(x, regex)`."""
    regex, fitting, other = "", "", ""
    for _ in range(pen.one(1, 2, 3)):
        atom = pen.one(*ATOMS)
        repeat = "" if atom == r"\b" else pen.one(*REPEATS)
        regex += atom + repeat
        fitting += ATOMS[atom][0] * REPEATS[repeat][0]
        other += pen.one(*ATOMS[atom]) * pen.one(*REPEATS[repeat])
    regex = pen.one("", "^", "(?i)") + regex + pen.one("", "$", "|x")
    fits = (fitting, fitting, other, f"x{fitting}", f"{fitting}\n", fitting.upper(), "")
    written, field = _x(pen, fits, (MISSING, None, 1, ["a"]))
    return pen.call("matches", written, pen.spelling.quoted(regex)), [field]


#: What may stand inside `any` and `all`, and what may stand outside besides.
INSIDE: tuple[Callable[[Pen], Draft], ...] = (
    *(comparison, comparison, comparison, size, time, envelope, has_field, is_null, contains),
    *(string_function, like, matches),
)
OUTSIDE = (field_changed, field_changed, old_or_new, old_or_new)
