"""Conditions with events for them, balanced between true, false and errors; and texts that are perhaps no condition."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from tests.property.drafts import INSIDE, OUTSIDE, Draft, Field, Pen
from tests.property.pools import CONTAINERS, ENVELOPE, MISSING
from tests.property.spelling import Spelling
from tests.reference import conditions
from tests.reference.events import Event, from_dict

KINDS = ("INSERT", "UPDATE", "DELETE", "CUSTOM")


@dataclass(frozen=True)
class Case:
    """A condition and an event."""

    text: str
    event: Event


def _put(root: Any, steps: tuple[str | int, ...], value: Any) -> Any:
    """Return a value with another one put at the end of a path, whatever stood in the way."""
    if not steps:
        return value
    step, *rest = steps
    if isinstance(step, str):
        root = root if isinstance(root, dict) else {}
        return {**root, step: _put(root.get(step), tuple(rest), value)}
    items = [*root] if isinstance(root, list) else []
    items += [None] * (step + 1 - len(items))
    items[step] = _put(items[step], tuple(rest), value)
    return items


def _drawn(pen: Pen, field: Field, broken: int) -> Any:
    """Draw what stands at a field; about one in `broken` does not fit."""
    choices = field.breaks if field.breaks and (broken == 1 or pen.odd(broken)) else field.fits
    return pen.one(*choices)


def _filled(pen: Pen, fields: list[Field], broken: int) -> Any:
    data: Any = {}
    for field in fields:
        value = _drawn(pen, field, broken)
        if field.where == "data" and value is not MISSING:
            data = _put(data, field.steps, value)
    return data


def _quantified(pen: Pen, broken: int) -> Draft:
    """Draw `any(path, condition)` or `all(…)`, with lists whose elements are made for the condition inside."""
    inner, fields = _tree(pen, pen.one(1, 2), broken, inside=True)
    lists = []
    for _ in range(2):
        elements = [_filled(pen, fields, broken * 2) for _ in range(pen.one(1, 2, 0, 3))]
        lists.append(elements * pen.one(1, 1, 1, 7, 13) + [pen.one(1, "x", None)] * pen.odd(6))
    steps = pen.steps()
    mark = pen.spelling.gap() + "?" if pen.odd(4) else ""
    field = Field(
        steps, (*lists, *((MISSING,) if mark else ())), (*(() if mark else (MISSING,)), 1, {}, "x", None)
    )
    text = pen.call(pen.one("any", "all"), pen.spelling.path(steps) + mark, inner)
    return text, [field, *(other for other in fields if other.where == "envelope")]


def _leaf(pen: Pen, broken: int, *, inside: bool) -> Draft:
    kinds = INSIDE if inside else (*INSIDE, *OUTSIDE, None, None)
    kind = pen.one(*kinds)
    return _quantified(pen, broken) if kind is None else kind(pen)


def _tree(pen: Pen, leaves: int, broken: int, *, inside: bool = False) -> Draft:
    """Draw a condition of so many leaves."""
    spell = pen.spelling
    if leaves == 1:
        text, fields = _leaf(pen, broken, inside=inside)
    else:
        left = pen.one(*range(1, leaves))
        first, fields = _tree(pen, left, broken, inside=inside)
        second, more = _tree(pen, leaves - left, broken, inside=inside)
        word = pen.one("and", "or")
        sign = {"and": "&&", "or": "||"}[word]
        joined = spell.pick(spell.wide(sign), f"{spell.between()}{word}{spell.between()}")
        text, fields = f"{first}{joined}{second}", fields + more
    if pen.odd(6):
        text = f"{spell.pick('!', '! ', 'not ')}{text}"
    if pen.odd(4) or spell.chance(0.1):
        text = f"({spell.gap()}{text}{spell.gap()})"
    return text, fields


def _changes(pen: Pen, fields: list[Field], kind: str, wanted: str) -> dict[str, dict[str, Any]] | None:
    """Draw changes: of the fields that are asked about, and null now and then."""
    asked = [field for field in fields if field.where == "changes"]
    if pen.odd(8) if asked and kind == "UPDATE" and wanted != "error" else pen.odd(3):
        return None
    changes: dict[str, dict[str, Any]] = {}
    for field in asked:
        key, *rest = field.steps
        for side in ("old", "new"):
            value = _drawn(pen, field, 20)
            if value is not MISSING:
                change = changes.setdefault(str(key), {"old": None, "new": None})
                change[side] = _put(change[side], tuple(rest), value)
    return changes


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a condition and an event, after drawing what the outcome is to be; mostly it is."""
    pen = Pen(draw, Spelling(draw(st.integers(0, 2**32))))
    wanted = pen.one("true", "false", "error")
    broken = 2 if wanted == "error" else 40
    text, fields = _tree(pen, pen.one(1, 1, 2, 2, 3, 4), broken)
    kind = pen.one(*KINDS, "UPDATE")
    data = _filled(pen, fields, broken)
    for field in fields:
        # What changed is often, but not always, what stands in the data now.
        if field.where == "changes" and pen.odd(2):
            value = _drawn(pen, field, broken)
            data = data if value is MISSING else _put(data, field.steps, value)
    if pen.odd(50):
        data = pen.one(*CONTAINERS, 1, "x", None)
    event = Event(
        event_type=kind,
        entity_type=pen.one("Order", "User"),
        data=data,
        changes=_changes(pen, fields, kind, wanted),
        entity_id=pen.one(*ENVELOPE["entity_id"]).lower(),
        **{name: pen.one(*ENVELOPE[name]) for name in ("user_id", "tenant_id", "actor_type")},
    )
    case = Case(text, event)
    outcome = reference_outcome(case)
    if {outcome, wanted} == {"true", "false"}:
        # The opposite of what it is: not only such conditions become true that are so by chance.
        case = replace(case, text=pen.spelling.pick(f"!({text})", f"not({text} )", f" ! ( {text})"))
    return case


def reference_outcome(case: Case) -> str:
    """Return `true`, `false` or `error`; what is beyond the reference is no example."""
    try:
        return str(conditions.evaluate(conditions.parse(case.text), from_dict(wire_form(case.event)))).lower()
    except conditions.CannotAnswer:
        return "error"
    except (conditions.NotACondition, conditions.OutOfScope):
        # Where chance wrote an empty literal before a word, the literal swallowed the word.
        assume(False)
        raise


#: Tokens and pieces of tokens: in any order they are mostly no condition, and it must be the same ones for both.
_PIECES = r"""
    a b é_1 not in and or AND true 100 -1.5 007 == != = > < >= <= ! && || & | ( ) [ ] [0] . , ? @ ' " - _ _1
    ["k"] ['k'] 'x' "y" "\q" "\ud800" has_field has_field(a) field_changed( field_changed_to(a,1) @user_id @nobody
    unknown(a) in( a==1or size(a) size( old(a) time(a) any(a, all( in() not_in is_null(a) ieq(a,x) like(a, [01]
    matches(a,'(') contains(a,) a? [-1] 1e400 'a' ٣ ² Ⅷ ⓐ
"""
_SPACED = [
    " ",
    " ",
    " ",
    "\u2003",
    "\x1c",
    "\ufeff",
    " or ",
    " and ",
    " in (",
    " not in (",
    "\n",
    "a == 1",
    "b? < 2",
]
pieces = st.sampled_from([*_PIECES.split(), *_SPACED])
soup = st.lists(pieces, max_size=10).map("".join)


@st.composite
def mutated(draw: st.DrawFn) -> Case:
    """Draw a valid condition and spoil it a little: pieces are removed, doubled, swapped or put in.

    Or the whole goes inside of `any` or `all`, where not everything may stand.
    """
    case = draw(cases())
    if draw(st.integers(0, 5)) == 5:
        function = draw(st.sampled_from(["any", "all"]))
        elements = [case.event.data, case.event.data]
        return Case(f"{function}(a, {case.text})", replace(case.event, data={"a": elements}))
    tokens = re.findall(r"\w+|\s+|==|!=|&&|\|\||.", case.text, re.DOTALL)
    if draw(st.booleans()):
        tokens = list(case.text)
    for _ in range(draw(st.integers(1, 2))):
        at = draw(st.integers(0, len(tokens) - 1))
        match draw(st.integers(0, 4)):
            case 0:
                tokens[at] = ""
            case 1:
                tokens[at] *= 2
            case 2:
                other = draw(st.integers(0, len(tokens) - 1))
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case 3:
                tokens[at] = draw(pieces)
            case _:
                tokens[at:] = []
                tokens.append(draw(pieces))
    return replace(case, text="".join(tokens))


def wire_form(event: Event) -> dict[str, Any]:
    """Return the event as the dict that the package takes."""
    return {
        "event_type": event.event_type,
        "entity_type": event.entity_type,
        "entity_id": str(uuid.UUID(event.entity_id)),
        "data": event.data,
        "changes": event.changes,
        "user_id": event.user_id,
        "tenant_id": event.tenant_id,
        "actor_type": event.actor_type,
    }
