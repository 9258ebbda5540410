"""The Rust core: events, conditions, matching and backoff.

Nothing here is public under this name; the package's modules re-export what users should use.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, final
from uuid import UUID

from fraiseql_observers.events import EventKind

__all__ = [
    "Condition",
    "EntityEvent",
    "RuleMatcher",
    "__version__",
    "calculate_backoff",
    "draw_delay",
]

__version__: str

@final
class EntityEvent:
    """What happened to one entity; immutable, compared by value and hashed by id.

    The values of ``data`` and ``changes`` are dicts, lists, tuples, strings, integers, floats, booleans and ``None``;
    UUIDs and aware datetimes are taken as their text. Integers are exact up to 64 bits, signed and unsigned, and floats
    beyond. Everything is converted once, here: what happens to the objects later does not change the event.

    Args:
        event_type: What happened, as `EventKind` or its exact word on the wire.
        entity_type: The kind of entity, case-sensitive, not empty.
        entity_id: The entity, as UUID or hyphenated text.
        data: The entity after the change; for a deletion the entity before it, or ``{}``.
        id: Identifies the event, and through it every job made from it; a random UUID of version 7 if ``None``.
        changes: ``{field: {"old": …, "new": …}}``; ``None`` means not tracked, ``{}`` that nothing changed.
        user_id: Who did it.
        tenant_id: The tenant that the entity belongs to.
        actor_type: What sort of actor did it.
        acting_for: On whose behalf.
        schema_version: The version of the schema of ``data``.
        cdc_source: Where the change was captured.
        timestamp: When it happened, as aware datetime or RFC 3339 text with any offset; now if ``None``.
        duration_ms: How long the change took, in milliseconds, within 32 bits.
        seq: Its place in the source's order, within 64 bits.
        max_payload_bytes: The most bytes that `to_json` may take; 1 MiB if not given.

    Raises:
        EventError: If a value is not what its field takes; the text starts with its path, such as
            ``data.items[3].price``. Also if the whole is too large or nested deeper than 128 levels.
    """

    def __new__(
        cls,
        event_type: EventKind | str,
        entity_type: str,
        entity_id: UUID | str,
        data: Any,  # any JSON value; a recursive alias would refuse what Mapping and list subclasses allow
        *,
        id: UUID | str | None = None,
        changes: dict[str, dict[str, Any]] | None = None,
        user_id: str | None = None,
        tenant_id: str | None = None,
        actor_type: str | None = None,
        acting_for: str | None = None,
        schema_version: str | None = None,
        cdc_source: str | None = None,
        timestamp: datetime | str | None = None,
        duration_ms: int | None = None,
        seq: int | None = None,
        max_payload_bytes: int = ...,
    ) -> EntityEvent: ...
    @staticmethod
    def from_json(json: bytes | str, max_payload_bytes: int = ...) -> EntityEvent:
        """Read an event from one JSON object, strictly; unknown keys are ignored.

        Args:
            json: The text, UTF-8 where it is bytes, without byte order mark.
            max_payload_bytes: The most bytes that the text may have; 1 MiB if not given.

        Raises:
            EventError: If the text is no strict JSON, too large, or no event; the text starts with the path.
        """

    @staticmethod
    def from_dict(fields: dict[str, Any], max_payload_bytes: int = ...) -> EntityEvent:
        """Make an event from a dict that has the keys of the JSON object; values as the constructor takes them.

        Args:
            fields: The fields; unknown keys are ignored, though their values must be JSON too.
            max_payload_bytes: The most bytes that `to_json` may take; 1 MiB if not given.

        Raises:
            EventError: If it is no event; the text starts with the path.
        """

    @staticmethod
    def from_line(line: bytes | str, max_payload_bytes: int = ...) -> tuple[EntityEvent, bool]:
        """Read an event from one line of a file, deriving its id from the line's bytes if it has none.

        The same line gives the same id, so that publishing a file again adds nothing. White space around the line,
        its end included, does not count.

        Args:
            line: One JSON object.
            max_payload_bytes: The most bytes that the line may have, white space around it not counted; 1 MiB if
                not given.

        Returns:
            The event, and whether its id was derived.

        Raises:
            EventError: As `from_json`.
        """

    def to_json(self) -> bytes:
        """Write the event as one JSON object: every key, ``null`` included, the time in UTC with its nanoseconds."""

    @property
    def id(self) -> UUID:
        """Identifies the event."""

    @property
    def event_type(self) -> EventKind:
        """What happened."""

    @property
    def entity_type(self) -> str:
        """The kind of entity."""

    @property
    def entity_id(self) -> UUID:
        """The entity."""

    @property
    def data(self) -> Any:  # any JSON value
        """The entity after the change, as plain dicts, lists and scalars.

        Built when first asked for and then kept: changing it is seen by whoever asks this object again, and changes
        nothing in the event, its JSON or its jobs.
        """

    @property
    def changes(self) -> dict[str, dict[str, Any]] | None:
        """Changed fields with their ``old`` and ``new`` values; ``None`` if changes are not tracked. Kept as ``data``."""

    @property
    def user_id(self) -> str | None:
        """Who did it."""

    @property
    def tenant_id(self) -> str | None:
        """The tenant that the entity belongs to."""

    @property
    def actor_type(self) -> str | None:
        """What sort of actor did it."""

    @property
    def acting_for(self) -> str | None:
        """On whose behalf."""

    @property
    def schema_version(self) -> str | None:
        """The version of the schema of ``data``."""

    @property
    def cdc_source(self) -> str | None:
        """Where the change was captured."""

    @property
    def timestamp(self) -> datetime:
        """When it happened, in UTC, cut to microseconds; `to_json` keeps the nanoseconds."""

    @property
    def duration_ms(self) -> int | None:
        """How long the change took, in milliseconds."""

    @property
    def seq(self) -> int | None:
        """Its place in the source's order."""

    def field_changed(self, field: str) -> bool:
        """Whether the top-level ``field`` is among the tracked changes; false where changes are not tracked."""

    def field_changed_to(self, field: str, value: Any) -> bool:
        """Whether ``field`` changed and is now ``value``; numbers compare by exact value, ``100 == 100.0``.

        Raises:
            EventError: If ``value`` is no JSON value.
        """

    def field_changed_from(self, field: str, value: Any) -> bool:
        """Whether ``field`` changed and was ``value`` before; compared as `field_changed_to` does.

        Raises:
            EventError: If ``value`` is no JSON value.
        """

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> EntityEvent: ...
    def __deepcopy__(self, _memo: Mapping[int, object]) -> EntityEvent: ...
    def __reduce__(self) -> tuple[Any, tuple[bytes, int]]: ...

@final
class Condition:
    """A test of one event, compiled once from text; two are equal when their trees are, and ``str`` is the text.

    ```text
    total > 100 && field_changed_to('status', 'shipped')
    not (customer.tier == 'gold' or items[0].qty? < 2)
    ```

    Fields are paths into the event's data. A missing field is an error, unless ``?`` follows the path, which makes
    the comparison false. ``&&`` and ``||`` work from left to right, and the first operand that decides or errs ends
    them: ``has_field('f') && f == 1`` is safe.
    """

    @staticmethod
    def parse(text: str) -> Condition:
        """Compile a condition.

        Args:
            text: At most 4,096 bytes of UTF-8.

        Raises:
            ConditionSyntaxError: If the text is no condition; it has the offset, and shows the line with a caret, what
                was expected, and a hint where something else was probably meant.
        """

    def evaluate(self, event: EntityEvent | bytes | str | dict[str, Any]) -> bool:
        """Whether the condition holds.

        Args:
            event: The event, as object, as JSON text, or as a dict of the same form (see `EntityEvent.from_dict`).

        Raises:
            ConditionEvalError: If the event cannot answer, for instance because a field is missing.
            EventError: If the text or dict is no event.
        """

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was parsed but is probably not meant, such as a string without quotes; empty if nothing."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Condition: ...
    def __deepcopy__(self, _memo: Mapping[int, object]) -> Condition: ...
    def __reduce__(self) -> tuple[Any, tuple[str]]: ...

@final
class RuleMatcher:
    """The index from an event to the names of the rules that it fulfils. Safe to use from any number of threads."""

    def __new__(cls) -> RuleMatcher: ...
    def add(
        self,
        name: str,
        *,
        event_type: str | None = None,
        entity: str,
        condition: Condition | str | None = None,
        enabled: bool = True,
    ) -> None:
        """Add a rule; one of the same name is replaced and keeps its place.

        Args:
            name: Identifies the rule.
            event_type: The kind of event, its word in any case; ``*`` or ``None`` is every kind.
            entity: The kind of entity, exact; ``*`` is every one.
            condition: What must hold besides.
            enabled: Whether the rule takes part.

        Raises:
            ValueError: If ``event_type`` is unknown or ``entity`` is empty.
            ConditionSyntaxError: If a condition given as text is none.
        """

    def remove(self, name: str) -> None:
        """Remove a rule.

        Raises:
            KeyError: If there is no rule of that name.
        """

    def find(self, event: EntityEvent | bytes | str | dict[str, Any]) -> tuple[list[str], list[tuple[str, int]]]:
        """Find the rules that an event fulfils.

        Args:
            event: As `Condition.evaluate` takes it.

        Returns:
            The names in order of definition, and for each reason why conditions could not be answered its text and
            the number of rules that it left out.

        Raises:
            EventError: If the text or dict is no event.
        """

def calculate_backoff(strategy: str, attempt: int, initial_delay_ms: int, max_delay_ms: int) -> int:
    """Calculate the delay after a failed attempt, before jitter.

    Exponential ``initial_delay_ms * 2 ** (attempt - 1)``, linear ``initial_delay_ms * attempt``, fixed
    ``initial_delay_ms``; never above ``max_delay_ms``.

    Args:
        strategy: ``exponential``, ``linear`` or ``fixed``.
        attempt: Number of the attempt that just failed; the first is 1.
        initial_delay_ms: The delay after the first attempt, in milliseconds.
        max_delay_ms: The longest delay, in milliseconds.

    Returns:
        The delay in milliseconds.

    Raises:
        ValueError: If the strategy is unknown, ``attempt`` is below 1 or a delay is negative.
    """

def draw_delay(
    strategy: str,
    attempt: int,
    initial_delay_ms: int,
    max_delay_ms: int,
    *,
    jitter: str = "full",
    retry_after_ms: int | None = None,
    seed: int | None = None,
) -> int:
    """Draw the wait before the next attempt: the calculated delay after jitter, never under ``retry_after_ms``.

    Args:
        strategy: As `calculate_backoff`.
        attempt: As `calculate_backoff`.
        initial_delay_ms: As `calculate_backoff`.
        max_delay_ms: As `calculate_backoff`.
        jitter: ``full``: uniform between zero and the calculated delay; ``none``: the calculated delay.
        retry_after_ms: The least wait that the receiver asked for, in milliseconds.
        seed: Makes the draw repeatable; random if ``None``.

    Returns:
        The wait in milliseconds.

    Raises:
        ValueError: As `calculate_backoff`, or if ``jitter`` is unknown or ``retry_after_ms`` is negative.

    Source:
        M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
