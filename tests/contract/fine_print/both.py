"""The two implementations, asked in the same way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from fraiseql_observers._core import Condition
from fraiseql_observers.errors import ConditionEvalError, ConditionSyntaxError
from tests.reference import conditions
from tests.reference.events import from_dict

#: Takes a condition and an event, and says what the one comes to for the other.
Answer: TypeAlias = Callable[[str, dict[str, Any]], str]

ENTITY_ID = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
REFUSED = "refused"


def core(text: str, event: dict[str, Any]) -> str:
    """Answer as the package does."""
    try:
        return str(Condition.parse(text).evaluate(event)).lower()
    except ConditionSyntaxError:
        return REFUSED
    except ConditionEvalError as error:
        return str(error)


def reference(text: str, event: dict[str, Any]) -> str:
    """Answer as the reference does."""
    try:
        return str(conditions.evaluate(conditions.parse(text), from_dict(event))).lower()
    except conditions.NotACondition:
        return REFUSED
    except conditions.CannotAnswer as error:
        return str(error)


def event(data: Any = None, *, kind: str = "INSERT", changes: Any = None, **more: Any) -> dict[str, Any]:
    """Return an event of an order."""
    return {
        "event_type": kind,
        "entity_type": "Order",
        "entity_id": ENTITY_ID,
        "data": {} if data is None else data,
        "changes": changes,
        **more,
    }


def hold(answer: Answer, given: dict[str, Any], cases: dict[str, str]) -> None:
    """Check every case, and report all that differ."""
    found = {text: answer(text, given) for text in cases}
    assert found == cases


def no_pre_image(call: str) -> str:
    """Return the error of a question about changes that were not tracked."""
    return f"Missing pre-image: {call} needs the changes of this UPDATE, which are null"
