"""Truth of a tree, from left to right, with a record of each leaf: what it saw, or why it was not reached."""

from __future__ import annotations

from typing import Any

from tests.reference.conditions.answers import Scope, called, changed, compared, find, needs, present
from tests.reference.conditions.parse import parse
from tests.reference.conditions.tree import CannotAnswer, Leaf, Not, Tree, leaves
from tests.reference.conditions.words import SPACES
from tests.reference.events import Event

#: So many elements are explained from the first on, and the last one that was looked at.
FIRST_ELEMENTS = 10


def _record(leaf: Leaf, reason: str | None) -> dict[str, Any]:
    """Return what is said of a leaf that was not reached."""
    quantified = leaf.operator in {"any", "all"}
    return {
        "text": leaf.text,
        "operand": leaf.operand,
        "path": leaf.path.shown,
        "operator": leaf.operator,
        "literals": leaf.values,
        "found": False,
        "value": None,
        "outcome": "not_reached",
        "error": None,
        "reason": reason,
        "elements": [] if quantified else None,
        "elements_reached": 0 if quantified else None,
    }


class _Run:
    """One evaluation of a tree, over an event or over one element."""

    def __init__(self, scope: Scope, suffix: str = "") -> None:
        self.scope = scope
        self.suffix = suffix
        self.records: list[dict[str, Any]] = []
        self.last = ""

    def outcome(self, tree: Tree) -> tuple[str, str | None]:
        """Return the outcome as a word, and the text of the error if it is one."""
        try:
            return str(self.truth(tree)).lower(), None
        except CannotAnswer as error:
            return "error", str(error)

    def truth(self, tree: Tree) -> bool:
        if isinstance(tree, Leaf):
            return self.leaf(tree)
        if isinstance(tree, Not):
            return not self.truth(tree.inner)
        decides = tree.operator == "||"
        for number, operand in enumerate(tree.operands, 1):
            later = tree.operands[number:]
            try:
                answer = self.truth(operand)
            except CannotAnswer:
                self.skip(later, f"`{self.last}` was an error")
                raise
            if answer is decides:
                self.skip(later, f"after `{self.last}` the `{tree.operator}` was {str(answer).lower()}")
                return answer
        return not decides

    def skip(self, trees: tuple[Tree, ...], reason: str) -> None:
        self.records += [_record(leaf, reason) for tree in trees for leaf in leaves(tree)]

    def leaf(self, leaf: Leaf) -> bool:
        seen = _record(leaf, None)
        self.records.append(seen)
        self.last = leaf.text
        try:
            answer = self.judge(leaf, seen)
        except CannotAnswer as error:
            text = f"{error}{self.suffix}"
            seen.update(outcome="error", error=text)
            raise CannotAnswer(text) from error
        seen["outcome"] = str(answer).lower()
        return answer

    def judge(self, leaf: Leaf, seen: dict[str, Any]) -> bool:
        if leaf.operator == "has_field":
            return present(leaf, self.scope, seen)
        if leaf.operator.startswith("field_changed"):
            return changed(leaf, self.scope, seen)
        found = find(leaf, self.scope)
        shown = leaf.path.shown
        if found is None:
            if leaf.optional:
                seen["reason"] = f"{shown} is missing, and `?` makes that false"
                return False
            where = f" (in {leaf.operand})" if leaf.taken in {"old", "new"} else ""
            raise CannotAnswer(f"Field not found: {shown}{where}")
        value = found[0]
        seen.update(found=True, value=value)
        if leaf.inner is not None:
            return self.elements(leaf, leaf.inner, value, seen)
        if leaf.operator in {"==", "!=", ">", "<", ">=", "<=", "in", "not in"}:
            return compared(leaf, value, seen)
        return called(leaf, value)

    def elements(self, leaf: Leaf, inner: Tree, value: Any, seen: dict[str, Any]) -> bool:
        if not isinstance(value, list):
            raise needs(leaf, leaf.operator, "an array", value)
        for index, element in enumerate(value):
            run = _Run(Scope(element, self.scope.event), f" (in {leaf.path.shown}[{index}])")
            outcome, error = run.outcome(inner)
            if len(seen["elements"]) > FIRST_ELEMENTS:
                seen["elements"].pop()
            seen["elements"].append(
                {"index": index, "outcome": outcome, "error": error, "leaves": run.records}
            )
            seen["elements_reached"] = index + 1
            if error is not None:
                raise _OfElement(error)
            if outcome == ("true" if leaf.operator == "any" else "false"):
                return leaf.operator == "any"
        return leaf.operator == "all"


class _OfElement(CannotAnswer):
    """An error inside an element, whose text is complete."""


def evaluate(tree: Tree, event: Event) -> bool:
    """Return whether the condition holds.

    Raises:
        CannotAnswer: If the event cannot answer it.
    """
    return _Run(Scope(event.data, event)).truth(tree)


def explain(text: str, event: Event) -> dict[str, Any]:
    """Return the outcome of a condition, and what each of its leaves saw."""
    run = _Run(Scope(event.data, event))
    outcome, error = run.outcome(parse(text))
    return {"condition": text.strip(SPACES), "outcome": outcome, "error": error, "leaves": run.records}
