"""Which observers an event fulfils: every rule looked at, in order of definition."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tests.reference import conditions
from tests.reference.events import Event


@dataclass(frozen=True)
class Rule:
    """When an observer wants to hear of an event."""

    event_type: str
    entity: str
    condition: str | None
    enabled: bool


def find(rules: dict[str, Rule], event: Event) -> tuple[list[str], list[tuple[str, int]]]:
    """Return the names of the rules that hold, and how many could not be answered, by text."""
    names: list[str] = []
    errors: Counter[str] = Counter()
    for name, rule in rules.items():
        if not rule.enabled or rule.event_type not in {"*", event.event_type}:
            continue
        if rule.entity not in {"*", event.entity_type}:
            continue
        try:
            if rule.condition is None or conditions.evaluate(conditions.parse(rule.condition), event):
                names.append(name)
        except conditions.CannotAnswer as error:
            errors[str(error)] += 1
    return names, list(errors.items())
