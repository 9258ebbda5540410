"""The core's conditions and the reference's accept the same texts and give the same answers, errors included."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fraiseql_observers._core import Condition, EntityEvent
from fraiseql_observers.errors import ConditionEvalError, ConditionSyntaxError
from tests.property.strategies import KEYS, events, keys, scalars, wire_form
from tests.reference import conditions
from tests.reference.events import Event

LEAST_SHARE = 0.15

spaces = st.sampled_from(["", "", " ", " ", "\n\t", "\u2003"])


def _named(key: str) -> str:
    return key if key.isidentifier() else "b"


@st.composite
def paths(draw: st.DrawFn) -> str:
    """Draw a path of a few steps."""
    steps = draw(
        st.lists(
            keys.map(lambda key: f".{_named(key)}")
            | keys.map(lambda key: f"[{json.dumps(key)}]")
            | st.integers(0, 2).map(lambda index: f"[{index}]"),
            max_size=draw(st.sampled_from([0, 0, 0, 1, 2])),
        )
    )
    return _named(draw(keys)) + "".join(steps)


literals = st.one_of(
    st.sampled_from(
        ["100", "1e2", "0", "-1.5", "true", "null", "shipped", "1e400", "007", "", "9007199254740993"]
    ),
    st.sampled_from(["'100'", "'shipped'", "''", "'\"a\"'", '"a"', '"\\u0061"', "'null'", "' 1 '", "'[1]'"]),
    scalars.filter(lambda value: not isinstance(value, str)).map(json.dumps),
    scalars.filter(lambda value: isinstance(value, str)).map(json.dumps),
)
targets = st.one_of(paths(), st.sampled_from(KEYS).map("'{}'".format), st.sampled_from(KEYS).map(json.dumps))
operators = st.sampled_from(["==", "!=", "!=", ">", "<", ">=", "<="])
leaves = st.one_of(
    st.tuples(paths(), st.sampled_from(["", "", "", "", " ?"]), spaces, operators, spaces, literals).map(
        "".join
    ),
    st.tuples(
        st.sampled_from(["has_field", "field_changed"]),
        spaces,
        st.just("("),
        spaces,
        targets,
        spaces,
        st.just(")"),
    ).map("".join),
    st.tuples(
        st.sampled_from(["field_changed_to(", "field_changed_from ("]),
        targets,
        st.just(","),
        spaces,
        literals,
        st.just(")"),
    ).map("".join),
)
texts = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, spaces, st.sampled_from(["&&", "||", " and ", " or "]), spaces, inner).map("".join),
        st.tuples(st.sampled_from(["!", "not ", "! ", "not("]), inner).map(
            lambda parts: "".join(parts) + (")" if parts[0].endswith("(") else "")
        ),
        inner.map("({})".format),
    ),
    max_leaves=5,
)


def _is_condition(text: str) -> bool:
    try:
        conditions.parse(text)
    except conditions.NotACondition:
        return False
    return True


valid_texts = texts.filter(_is_condition)

#: Tokens and pieces of tokens: in any order they are mostly no condition, and it must be the same ones for both.
_PIECES = """
    a b é_1 not in and or AND true 100 -1.5 007 == != = > < >= <= ! && || & | ( ) [ ] [0] ["k"] ['k'] . , ? @ ' "
    'x' "y" "\\q" "\\ud800" has_field has_field(a) field_changed( field_changed_to(a,1) unknown(a) in( a==1 or _
"""
soup = st.lists(
    st.sampled_from(_PIECES.split()) | st.sampled_from([" ", " ", "\u2003", "\x1c", " or "]), max_size=10
).map("".join)


def outcome(condition: Condition, event: EntityEvent | bytes | dict[str, object]) -> str:
    """Return `true`, `false`, or the text of the error."""
    try:
        return str(condition.evaluate(event)).lower()
    except ConditionEvalError as error:
        return str(error)


def expected_outcome(text: str, event: Event) -> str:
    """Return what the reference says."""
    try:
        return str(conditions.evaluate(conditions.parse(text), event)).lower()
    except conditions.CannotAnswer as error:
        return str(error)


def test_answers_agree_from_objects_bytes_and_dicts() -> None:
    """Truth and error texts are the same, whatever form the event comes in."""
    seen: Counter[str] = Counter()

    @given(valid_texts, events)
    def check(text: str, event: Event) -> None:
        condition = Condition.parse(text)
        expected = expected_outcome(text, event)
        fields = wire_form(event)
        assert outcome(condition, EntityEvent.from_dict(fields)) == expected
        assert outcome(condition, fields) == expected
        assert outcome(condition, json.dumps(fields).encode()) == expected
        seen[expected if expected in {"true", "false"} else "error"] += 1

    check()
    shares = {answer: seen[answer] / seen.total() for answer in ("true", "false", "error")}
    print("answers:", ", ".join(f"{answer} {share:.0%}" for answer, share in shares.items()))
    assert min(shares.values()) >= LEAST_SHARE, shares


@given(soup | texts)
@example("not")
@example("a==1or b")
@example("not not in (1)")
def test_the_same_texts_are_conditions(text: str) -> None:
    """What the reference refuses, the core refuses with its offset within the text, and nothing else."""
    if _is_condition(text):
        assert str(Condition.parse(text)) == text.strip(conditions.SPACES)
        return
    with pytest.raises(ConditionSyntaxError) as refused:
        Condition.parse(text)
    assert 0 <= refused.value.offset <= len(text)
    assert refused.value.source == text


@given(valid_texts, valid_texts)
def test_conditions_are_equal_when_their_trees_are(left: str, right: str) -> None:
    """Equality and hash follow the tree, not the text."""
    same = conditions.parse(left) == conditions.parse(right)
    assert (Condition.parse(left) == Condition.parse(right)) == same
    spaced = Condition.parse(f" ( {left} ) ")
    assert spaced == Condition.parse(left)
    assert hash(spaced) == hash(Condition.parse(left))
