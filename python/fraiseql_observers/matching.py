"""Finding the observers that an event concerns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, overload

from fraiseql_observers._core import RuleMatcher
from fraiseql_observers.definition import ObserverDefinition, check_observer_name
from fraiseql_observers.errors import ConditionSyntaxError, ConfigError
from fraiseql_observers.problems import Problem, ProblemKind, error_for

if TYPE_CHECKING:
    from fraiseql_observers._core import EntityEvent, RuleExplanation

__all__ = ["EventMatcher", "Match", "Matches"]


@dataclass(frozen=True, slots=True)
class Match:
    """An observer that an event concerns.

    Attributes:
        name: The observer's name.
        definition: What it says.
    """

    name: str
    definition: ObserverDefinition


class Matches(Sequence[Match]):
    """The observers that one event concerns, in order of their definition.

    Attributes:
        errors: Conditions that the event could not answer, as ``(text, observers)``; those observers are left out.
    """

    __slots__ = ("_matches", "errors")

    def __init__(self, matches: Sequence[Match], errors: Sequence[tuple[str, int]] = ()) -> None:
        self._matches = tuple(matches)
        self.errors = tuple(errors)

    @overload
    def __getitem__(self, index: int) -> Match: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Match, ...]: ...
    def __getitem__(self, index: int | slice) -> Match | tuple[Match, ...]:
        return self._matches[index]

    def __len__(self) -> int:
        return len(self._matches)

    def __repr__(self) -> str:
        return f"Matches({[match.name for match in self._matches]!r}, errors={self.errors!r})"


class EventMatcher:
    """An index from events to observers: pure, and safe to share between threads for reading."""

    def __init__(self) -> None:
        self._rules = RuleMatcher()
        self._definitions: dict[str, ObserverDefinition] = {}

    @classmethod
    def build(cls, observers: Mapping[str, ObserverDefinition]) -> EventMatcher:
        """Return a matcher for all of `observers`, in their order.

        Raises:
            ConfigError: With every name and condition that is wrong.
        """
        matcher = cls()
        problems: list[Problem] = []
        for name, definition in observers.items():
            try:
                matcher.add(name, definition)
            except ConfigError as error:
                problems.extend(error.problems)
        if problems:
            raise error_for(problems, "the observers")
        return matcher

    @property
    def definitions(self) -> Mapping[str, ObserverDefinition]:
        """The observers by name, in order of their definition."""
        return MappingProxyType(self._definitions)

    @property
    def rules(self) -> RuleMatcher:
        """The core's index, for callers that match many events at once."""
        return self._rules

    def add(self, name: str, definition: ObserverDefinition) -> None:
        """Add an observer; one of the same name is replaced and keeps its place.

        Raises:
            ConfigError: If the name or the condition is wrong; nothing is changed then.
        """
        problem = check_observer_name(name)
        if problem:
            raise error_for([problem.under("observers", name)])
        try:
            self._rules.add(
                name,
                event_type=definition.event_type,
                entity=definition.entity,
                condition=definition.condition,
                enabled=definition.enabled,
            )
        except ConditionSyntaxError as error:
            path = ("observers", name, "condition")
            raise error_for([Problem(ProblemKind.CONDITION, path, str(error))]) from error
        self._definitions[name] = definition

    def remove(self, name: str) -> None:
        """Take an observer out.

        Raises:
            KeyError: If there is none of this name.
        """
        self._rules.remove(name)
        del self._definitions[name]

    def find_matches(self, event: EntityEvent | bytes | str | dict[str, Any]) -> Matches:
        """Return the enabled observers whose kind, entity and condition fit an event.

        Args:
            event: The event as an object, as JSON text, or as a dict of the same form.

        Raises:
            EventError: If the text or dict is no event.
        """
        names, errors = self._rules.find(event)
        return Matches([Match(name, self._definitions[name]) for name in names], errors)

    def explain(self, event: EntityEvent | bytes | str | dict[str, Any]) -> list[RuleExplanation]:
        """Explain for every observer, in order of definition, why it hears of an event or does not.

        Args:
            event: As `find_matches` takes it.

        Raises:
            EventError: If the text or dict is no event.
        """
        return self._rules.explain(event)
