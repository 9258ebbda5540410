"""Conditions as Python sees them; what the language means is tested beside the core and against the reference."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from fraiseql_observers._core import Condition, EntityEvent
from fraiseql_observers.errors import ConditionEvalError, ConditionSyntaxError, EventError

ENTITY_ID = "6f9619ff-8b86-d011-b42d-00c04fc964ff"


def wire(data: Any, **more: Any) -> dict[str, Any]:
    """Return an update of an order as a dict."""
    return {"event_type": "UPDATE", "entity_type": "Order", "entity_id": ENTITY_ID, "data": data, **more}


def test_a_condition_answers_for_objects_text_and_dicts() -> None:
    """Whatever form an event has."""
    condition = Condition.parse("total > 100 && status == 'shipped'")
    fields = wire({"total": 150, "status": "shipped"})
    json = EntityEvent.from_dict(fields).to_json()
    for form in (EntityEvent.from_dict(fields), json, json.decode(), fields):
        assert condition.evaluate(form) is True
    assert condition.evaluate(wire({"total": 5})) is False


def test_what_is_no_event_is_refused() -> None:
    """Bad events as bad events, other objects as wrong types."""
    condition = Condition.parse("a == 1")
    with pytest.raises(EventError, match="data: missing"):
        condition.evaluate({"event_type": "UPDATE", "entity_type": "Order", "entity_id": ENTITY_ID})
    with pytest.raises(TypeError, match="expected an EntityEvent, bytes, str or dict, got int"):
        condition.evaluate(5)  # type: ignore[arg-type]


def test_a_syntax_error_shows_the_place_and_the_hint() -> None:
    """What was expected, where, the line with a caret, and what was probably meant."""
    with pytest.raises(ConditionSyntaxError) as refused:
        Condition.parse("é > 5 and total = 100")
    error = refused.value
    assert (error.source, error.offset, error.hint) == ("é > 5 and total = 100", 16, "use `==` to compare")
    assert (error.code, error.transient) == ("OB003", False)
    assert str(error).splitlines() == [
        "expected `==`, `!=`, `>`, `<`, `>=`, `<=` or `in (`, found `=` at offset 16",
        "  é > 5 and total = 100",
        "                  ^",
        "hint: use `==` to compare",
    ]


def test_a_lone_surrogate_is_a_syntax_error() -> None:
    """It could match nothing."""
    with pytest.raises(ConditionSyntaxError, match="a lone surrogate is no text at offset 6") as refused:
        Condition.parse("a == '\ud800'")
    assert refused.value.offset == 6


@pytest.mark.parametrize(
    ("text", "data", "message"),
    [
        ("a.b == 1", {}, "Field not found: a.b"),
        ("a > 1", {"a": "x"}, "Cannot compare a: string > number"),
        (
            "!field_changed(a)",
            {},
            "Missing pre-image: field_changed(a) needs the changes of this UPDATE, which are null",
        ),
    ],
)
def test_an_event_that_cannot_answer_is_an_error(text: str, data: dict[str, Any], message: str) -> None:
    """With FraiseQL's code, and FraiseQL's text where it has one."""
    with pytest.raises(ConditionEvalError) as refused:
        Condition.parse(text).evaluate(wire(data))
    assert (str(refused.value), refused.value.code) == (message, "OB003")


def test_warnings_say_what_is_probably_not_meant() -> None:
    """They are a tuple in the order of the text."""
    assert Condition.parse("a == 'b'").warnings == ()
    assert Condition.parse("a == b or c > d").warnings == (
        "`b` is read as a string; quote it to say so (offset 5)",
        '`>` needs a number; with "d" it is an error each time (offset 12)',
        "`d` is read as a string; quote it to say so (offset 14)",
    )


def test_warnings_may_depend_on_the_kind_of_event() -> None:
    """A rule for INSERT seldom sees a change; the kind is checked as elsewhere."""
    condition = Condition.parse("field_changed(a)")
    assert condition.warnings == condition.warnings_for("update") == condition.warnings_for("*") == ()
    (warning,) = condition.warnings_for("INSERT")
    assert warning == (
        "`field_changed(a)` never holds for INSERT without `changes`, which only UPDATE usually has (offset 0)"
    )
    with pytest.raises(ValueError, match='"created" is not one of INSERT'):
        condition.warnings_for("created")


def test_an_explanation_has_the_same_in_attributes_and_as_a_dict() -> None:
    """Down to the elements of `any`; an event that cannot answer is no exception."""
    condition = Condition.parse("any(items, qty > 3) && gone == 1 && late == 2")
    explanation = condition.explain(wire({"items": [{"qty": 1}, {"qty": 5}, {}]}))
    assert (explanation.outcome, explanation.error) == ("error", "Field not found: gone")
    first, gone, late = explanation.leaves
    assert (first.found, first.value[1], first.literals) == (True, {"qty": 5}, ())
    assert first.elements is not None
    assert [(element.index, element.outcome) for element in first.elements] == [(0, "false"), (1, "true")]
    assert first.elements_reached == 2
    assert first.elements[1].leaves[0].value == 5
    assert (gone.outcome, gone.found, gone.value, gone.error) == ("error", False, None, explanation.error)
    assert (late.outcome, late.reason) == ("not_reached", "`gone == 1` was an error")
    assert explanation.to_dict()["leaves"] == [leaf.to_dict() for leaf in explanation.leaves]
    for leaf in explanation.leaves:
        fields = leaf.to_dict()
        fields["literals"] = tuple(fields["literals"])
        fields["elements"] = leaf.elements
        assert fields == {name: getattr(leaf, name) for name in fields}
    assert explanation == condition.explain(wire({"items": [{"qty": 1}, {"qty": 5}, {}]}))
    assert explanation != condition.explain(wire({"items": []}))
    assert repr(late) == '<LeafExplanation of "late == 2": not_reached>'


def test_the_text_of_a_condition_is_kept_without_outer_space() -> None:
    """`str` shows what was written, `repr` how to get it again."""
    condition = Condition.parse("  a  ==  'x' \n")
    assert str(condition) == "a  ==  'x'"
    assert repr(condition) == "Condition.parse(\"a  ==  'x'\")"


def test_conditions_are_equal_when_their_trees_are() -> None:
    """However they are written."""
    left, right = Condition.parse("a == 1 and not b?!=x"), Condition.parse("(a==1) && !(b? != 'x')")
    assert left == right
    assert hash(left) == hash(right)
    assert left != Condition.parse("a == 1")
    assert left != "a == 1"


def test_copies_and_pickles_are_equal() -> None:
    """A condition never changes, and is parsed again from its text."""
    condition = Condition.parse("a == 1")
    assert pickle.loads(pickle.dumps(condition)) == condition  # noqa: S301 - our own bytes
    assert copy.copy(condition) is condition
    assert copy.deepcopy(condition) is condition
