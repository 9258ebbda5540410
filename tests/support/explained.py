"""An explanation checked from its own parts: outcomes are computed once more from leaves, and values looked up.

The tree of the text comes from the reference in plain Python; what the leaves came to comes from the package.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from tests.reference.conditions import Chain, Leaf, Tree, parse
from tests.support.github_events import MISSING, Event
from tests.support.plain_conditions import NoPreImage, after, at, before, look, tracked

#: So many elements are explained from the first on, and the last one that was looked at.
FIRST_ELEMENTS = 10


def _seen(leaf: Leaf, event: Event) -> Any:
    """Look up what a leaf is about, be it excused or not; `MISSING` where there is nothing."""
    first, *rest = leaf.path.steps
    if leaf.path.envelope:
        return event.get(str(first))
    try:
        if leaf.operator.startswith("field_changed"):
            change = tracked(event, leaf.operator).get(str(first))
            if change is None:
                return MISSING
            sides = {side: look(change[side], *rest) for side in ("old", "new")}
            return {side: value for side, value in sides.items() if value is not MISSING}
        if leaf.taken in ("old", "new"):
            return (before if leaf.taken == "old" else after)(event, *leaf.path.steps)
    except NoPreImage:
        return MISSING
    return at(event, *leaf.path.steps)


class _Check:
    """One pass over the leaves of a condition, or of the condition inside `any` or `all` for one element."""

    def __init__(self, leaves: list[dict[str, Any]], event: Event) -> None:
        self._leaves: Iterator[dict[str, Any]] = iter(leaves)
        self._event = event
        #: The leaf evaluated last.
        self._last: dict[str, Any] = {}

    def run(self, tree: Tree) -> tuple[str, str | None]:
        """Return the outcome and the error that the leaves lead to."""
        outcome = self._settle(tree, None)
        assert next(self._leaves, None) is None, "an explanation has as many leaves as its condition"
        return outcome, self._last["error"] if outcome == "error" else None

    def _settle(self, tree: Tree, unreached: str | None) -> str:
        """Compute what a tree comes to.

        Args:
            tree: The tree, whose leaves are the next ones.
            unreached: Why it is not looked at, if it is not.
        """
        if isinstance(tree, Leaf):
            return self._leaf(tree, unreached)
        if not isinstance(tree, Chain):
            inner = self._settle(tree.inner, unreached)
            return {"true": "false", "false": "true"}.get(inner, inner)
        decides = "true" if tree.operator == "||" else "false"
        outcome = "not_reached"
        for operand in tree.operands:
            came_to = self._settle(operand, unreached)
            if unreached is None:
                outcome = came_to
                unreached = self._why_later_ones_are_not_reached(tree.operator, outcome, decides)
        return outcome

    def _why_later_ones_are_not_reached(self, operator: str, outcome: str, decides: str) -> str | None:
        if outcome == "error":
            return f"`{self._last['text']}` was an error"
        return f"after `{self._last['text']}` the `{operator}` was {outcome}" if outcome == decides else None

    def _leaf(self, tree: Leaf, unreached: str | None) -> str:
        leaf = next(self._leaves)
        assert (leaf["text"], leaf["operator"]) == (tree.text, tree.operator)
        assert (leaf["error"] is not None) == (leaf["outcome"] == "error")
        if unreached is not None:
            assert (leaf["outcome"], leaf["reason"]) == ("not_reached", unreached)
            assert (leaf["found"], leaf["value"]) == (False, None)
            return "not_reached"
        assert leaf["outcome"] in ("true", "false", "error")
        self._check_value(tree, leaf)
        if tree.inner is not None:
            self._check_elements(tree.inner, leaf)
        self._last = leaf
        return str(leaf["outcome"])

    def _check_value(self, tree: Leaf, leaf: dict[str, Any]) -> None:
        """Hold what a leaf says it saw against what is there."""
        seen = _seen(tree, self._event)
        if tree.taken == "size" and isinstance(seen, (str, list, dict)):
            seen = len(seen)
        assert (leaf["found"], leaf["value"]) == (seen is not MISSING, None if seen is MISSING else seen)
        excused = tree.optional and seen is MISSING and leaf["outcome"] != "error"
        why = f"{tree.path.shown} is missing, and `?` makes that false" if excused else None
        assert leaf["reason"] == why
        assert not excused or leaf["outcome"] == "false"

    def _check_elements(self, tree: Tree, leaf: dict[str, Any]) -> None:
        """Compute `any` or `all` from its elements, of which the last one that was looked at decides."""
        elements, reached = leaf["elements"], leaf["elements_reached"]
        assert [element["index"] for element in elements] == [
            *range(min(reached, FIRST_ELEMENTS)),
            *([reached - 1] if reached > FIRST_ELEMENTS else []),
        ]
        for element in elements:
            seen_as_data = {**self._event, "data": leaf["value"][element["index"]]}
            inside = _Check(element["leaves"], seen_as_data)
            assert inside.run(tree) == (element["outcome"], element["error"])
        goes_on = "false" if leaf["operator"] == "any" else "true"
        assert all(element["outcome"] == goes_on for element in elements[:-1])
        last = elements[-1]["outcome"] if elements else goes_on
        if not isinstance(leaf["value"], list):
            assert reached == 0
        elif last == goes_on:
            assert (reached, leaf["outcome"]) == (len(leaf["value"]), goes_on)
        else:
            assert (leaf["outcome"], leaf["error"]) == (last, elements[-1]["error"])


@cache
def _tree(text: str) -> Tree:
    """Parse a condition once for all events."""
    return parse(text)


def check_explanation(explanation: dict[str, Any], event: Event) -> None:
    """Raise where the leaves do not lead to the outcome, or a leaf tells what is not so."""
    outcome = _Check(explanation["leaves"], event).run(_tree(explanation["condition"]))
    assert outcome == (explanation["outcome"], explanation["error"])
