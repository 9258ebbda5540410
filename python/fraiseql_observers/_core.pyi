"""The Rust core: events, conditions, matching, backoff, the queue and its feed.

Nothing here is public under this name; the package's modules re-export what users should use.
"""

import builtins
from asyncio import Future
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from os import PathLike
from typing import Any, ClassVar, Literal, TypeAlias, final
from uuid import UUID

from typing_extensions import disjoint_base

from fraiseql_observers.errors import ObserversError
from fraiseql_observers.events import EventKind

__all__ = [
    "DURATION_BUCKETS",
    "MOST_REPLICAS",
    "Attempt",
    "BlockingLane",
    "Condition",
    "ElementExplanation",
    "EntityEvent",
    "Explanation",
    "Feed",
    "Found",
    "Job",
    "JobView",
    "Lane",
    "LeafExplanation",
    "Lease",
    "LeasedJob",
    "MemoryQueue",
    "Pipeline",
    "ProcessSummary",
    "Queue",
    "QueueOptions",
    "QueueStats",
    "RedisQueue",
    "RuleExplanation",
    "RuleMatcher",
    "ServerFacts",
    "Turn",
    "__version__",
    "calculate_backoff",
    "counters_snapshot",
    "draw_delay",
    "erase_spooled",
    "subject_owns",
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
        """Changed fields with ``old`` and ``new`` values; ``None`` if changes are not tracked. Kept as ``data`` is."""

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

    def explain(self, event: EntityEvent | bytes | str | dict[str, Any]) -> Explanation:
        """Tell how the condition comes to its answer: what each comparison and call saw.

        Args:
            event: As `evaluate` takes it.

        Raises:
            EventError: If the text or dict is no event. An event that cannot answer is no exception here.
        """

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was parsed but is probably not meant, such as a string without quotes; in the order of the text."""

    def warnings_for(self, event_type: str) -> tuple[str, ...]:
        """As `warnings`, for a rule that hears of one kind of event only.

        Args:
            event_type: The kind, its word in any case; ``*`` is every kind.

        Raises:
            ValueError: If there is no such kind.
        """

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Condition: ...
    def __deepcopy__(self, _memo: Mapping[int, object]) -> Condition: ...
    def __reduce__(self) -> tuple[Any, tuple[str]]: ...

@final
class Explanation:
    """How a condition came to its answer for one event; ``str`` draws it for people."""

    @property
    def condition(self) -> str:
        """The condition's text."""

    @property
    def outcome(self) -> Literal["true", "false", "error"]:
        """What it came to."""

    @property
    def error(self) -> str | None:
        """Why the event cannot answer, where it cannot."""

    @property
    def leaves(self) -> tuple[LeafExplanation, ...]:
        """The comparisons and calls, in the order of the text; those inside ``any`` and ``all`` are theirs."""

    def to_dict(self) -> dict[str, Any]:
        """Return the same as JSON: ``condition``, ``outcome``, ``error``, and ``leaves`` as dicts."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class LeafExplanation:
    """What one comparison or call of a condition saw."""

    @property
    def text(self) -> str:
        """The comparison or call as it is written."""

    @property
    def operand(self) -> str:
        """What it looks at: a path, with ``size``, ``old``, ``new`` or ``time`` round it, or ``@name``."""

    @property
    def path(self) -> str:
        """The path of that."""

    @property
    def operator(self) -> str:
        """The operator, ``in``, ``not in``, or the function's name."""

    @property
    def literals(self) -> tuple[str | int | float | bool | None, ...]:
        """What the value is compared with: nothing, one value, or the items of a list.

        The quoted value of ``field_changed_to`` and ``field_changed_from`` is followed by the scalar that it spells.
        """

    @property
    def found(self) -> bool:
        """Whether there was a value; for ``field_changed`` and its like, whether there was an entry."""

    @property
    def value(self) -> Any:
        """The value, ``None`` where there was none, or where it is too large: 1 MiB of JSON are kept in all.

        For ``size`` it is the size, for ``field_changed`` and its like a dict of ``old`` and ``new``.
        """

    @property
    def outcome(self) -> Literal["true", "false", "error", "not_reached"]:
        """What the leaf came to, before any ``!``."""

    @property
    def error(self) -> str | None:
        """Why the event cannot answer, where it cannot."""

    @property
    def reason(self) -> str | None:
        """Why the leaf was not reached, is false without a value, or does not show the value."""

    @property
    def elements(self) -> tuple[ElementExplanation, ...] | None:
        """For ``any`` and ``all``: the first ten elements that were looked at, and the last one."""

    @property
    def elements_reached(self) -> int | None:
        """For ``any`` and ``all``: how many elements were looked at."""

    def to_dict(self) -> dict[str, Any]:
        """Return the same as JSON, a key for each attribute."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class ElementExplanation:
    """What the condition inside ``any`` or ``all`` came to for one element."""

    @property
    def index(self) -> int:
        """The element's place, from 0."""

    @property
    def outcome(self) -> Literal["true", "false", "error"]:
        """What the condition came to."""

    @property
    def error(self) -> str | None:
        """Why the element cannot answer, where it cannot."""

    @property
    def leaves(self) -> tuple[LeafExplanation, ...]:
        """The comparisons and calls, in the order of the text."""

    def to_dict(self) -> dict[str, Any]:
        """Return the same as JSON, a key for each attribute."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class RuleExplanation:
    """Why an observer hears of an event, or does not; ``str`` draws it for people."""

    @property
    def name(self) -> str:
        """The observer's name."""

    @property
    def matched(self) -> bool:
        """Whether the observer hears of the event."""

    @property
    def verdict(
        self,
    ) -> Literal["matched", "disabled", "other_kind", "other_entity", "condition_false", "condition_error"]:
        """What the rule came to."""

    @property
    def reason(self) -> str:
        """The verdict for people, such as ``wants UPDATE``."""

    @property
    def condition(self) -> Explanation | None:
        """How the condition came to its answer, where there is one and kind and entity fit."""

    def to_dict(self) -> dict[str, Any]:
        """Return ``name``, ``verdict``, ``reason`` and ``condition`` as JSON."""

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

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

    def find(
        self, event: EntityEvent | bytes | str | dict[str, Any]
    ) -> tuple[list[str], list[tuple[str, int]]]:
        """Find the rules that an event fulfils.

        Args:
            event: As `Condition.evaluate` takes it.

        Returns:
            The names in order of definition, and for each reason why conditions could not be answered its text and
            the number of rules that it left out.

        Raises:
            EventError: If the text or dict is no event.
        """

    def explain(self, event: EntityEvent | bytes | str | dict[str, Any]) -> list[RuleExplanation]:
        """Explain for every rule, in order of definition, what an event comes to.

        Args:
            event: As `Condition.evaluate` takes it.

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

@final
class ServerFacts:
    """What a server says of itself."""

    @property
    def product(self) -> str:
        """``redis`` or ``valkey``."""
    @property
    def version(self) -> str:
        """Its version, three numbers."""
    @property
    def run_id(self) -> str:
        """Changes with each start and each failover."""
    @property
    def durability(self) -> str:
        """``memory``, ``process`` or ``disk``: what its answer alone proves to outlive a stop, a kill, a power cut."""
    def require(self, durability: str) -> None:
        """Make sure that the server can give a level; ``auto`` is always given.

        Raises:
            ServerUnsuitable: If it cannot; the text says what was found and what is needed.
            ValueError: If there is no such level.
        """
    @property
    def maxmemory_policy(self) -> str:
        """What it does when its memory is full."""

@final
class QueueOptions:
    """The bounds that a queue keeps, which every process should have alike, and where jobs wait while it is away."""

    def __new__(
        cls,
        *,
        key_prefix: str,
        shards: int,
        batch_size: int,
        max_pending: int,
        dedupe_window_secs: int,
        completed_retention_secs: int,
        completed_retention_max: int,
        dead_letter_max: int,
        max_crashes: int,
        lease_duration_secs: int,
        spool_dir: str | PathLike[str] | None = None,
        spool_max_bytes: int = 0,
        spool_for: str | None = None,
    ) -> QueueOptions:
        """Collect the bounds.

        Raises:
            ValueError: If there is no shard, or ``batch_size`` is not from 1 to 1000.
        """

@final
class QueueStats:
    """How many jobs of one shard are where."""

    @property
    def now_ms(self) -> int:
        """The queue's time in ms since 1970."""
    @property
    def pending(self) -> int:
        """Jobs ready to be leased, suspects included."""
    @property
    def suspects(self) -> int:
        """Those of them that wait to be run alone."""
    @property
    def scheduled(self) -> int:
        """Jobs that wait for their time."""
    @property
    def parked(self) -> int:
        """Jobs that wait for a worker that can run them."""
    @property
    def running(self) -> int:
        """Jobs leased."""
    @property
    def dead(self) -> int:
        """Dead letters."""
    @property
    def counters(self) -> dict[str, int]:
        """What happened since the shard began; what never happened is absent."""
    @property
    def workers(self) -> list[tuple[str, str, int]]:
        """Each worker: its incarnation, who it is (JSON), when its lease runs out in ms."""

@final
class ProcessSummary:
    """What became of one event."""

    @property
    def matched(self) -> int:
        """Observers that matched."""
    @property
    def jobs_queued(self) -> int:
        """Jobs stored."""
    @property
    def duplicates(self) -> int:
        """Jobs that the queue knew already."""
    @property
    def jobs_spooled(self) -> int:
        """Jobs on this machine's disk, since the queue was away; they go there by themselves when it is back."""
    @property
    def conditions_skipped(self) -> int:
        """Observers left out because their condition could not be evaluated; `errors` says why."""
    @property
    def queueing_errors(self) -> int:
        """Jobs that were not stored."""
    @property
    def job_ids(self) -> list[UUID]:
        """The jobs stored, known or spooled, in the order of observers and actions."""
    @property
    def errors(self) -> list[str]:
        """What went wrong, each text once, at most 100."""
    @property
    def is_success(self) -> bool:
        """Whether every job is stored or spooled and every condition was answered."""
    def failure(self) -> ObserversError | None:
        """Return why a job was not stored, or ``None``."""

@final
class Pipeline:
    """Events to matched rules to jobs to the queue, in one go and off the interpreter."""

    def __new__(
        cls,
        matcher: RuleMatcher,
        queue: RedisQueue | MemoryQueue,
        *,
        max_age_secs: int,
        max_payload_bytes: int,
        enqueue_timeout_secs: int,
        durability: str = "auto",
    ) -> Pipeline:
        """Prepare a pipeline without rules, whose jobs are stored as durably as `durability` says."""
    def set_rule(
        self,
        name: str,
        *,
        action_types: Sequence[str],
        queue: str,
        priority: str,
        delay_secs: int,
        max_attempts: int,
        backoff_strategy: str,
        initial_delay_ms: int,
        max_delay_ms: int,
        jitter: str,
    ) -> None:
        """Say what jobs a rule of the matcher makes: one per action.

        Raises:
            ValueError: If a word is not known.
        """
    def remove_rule(self, name: str) -> None:
        """Forget what jobs a rule makes.

        Raises:
            KeyError: If there is none of this name.
        """
    def process(
        self, events: Iterable[object], *, durability: str | None = None
    ) -> Future[list[ProcessSummary]]:
        """Match events and store their jobs; one summary per event, in their order.

        Args:
            events: `EntityEvent`, JSON text, or dicts in wire form.
            durability: What their jobs shall outlive, instead of the pipeline's own level.

        Raises:
            EventError: If one of them is no event; nothing is stored then.
        """
    def process_blocking(
        self, events: Iterable[object], *, durability: str | None = None
    ) -> list[ProcessSummary]:
        """Do as `process`, without an event loop; other threads run while it waits."""

@final
class LeasedJob:
    """One run of one job under a lease."""

    @property
    def id(self) -> UUID:
        """The job."""
    @property
    def key(self) -> bytes:
        """The same for every object that stands for this lease, and for no other lease: 25 bytes."""
    @property
    def observer(self) -> str | None:
        """The observer, or ``None`` for a job enqueued by hand."""
    @property
    def action_index(self) -> int:
        """Which of the observer's actions, from 0."""
    @property
    def action_type(self) -> str:
        """The type of the action."""
    @property
    def action(self) -> bytes:
        """The action as JSON: its type alone where the observer's configuration holds the rest."""
    @property
    def attempt(self) -> int:
        """Number of this attempt; the first is 1."""
    @property
    def max_attempts(self) -> int:
        """Attempts in all."""
    @property
    def queue(self) -> str:
        """The queue it belongs to."""
    @property
    def priority(self) -> str:
        """How urgent it is."""
    @property
    def traceparent(self) -> str | None:
        """The W3C trace context of whoever made it."""
    @property
    def event(self) -> EntityEvent:
        """The event, read when it is first asked for.

        Raises:
            EventError: If the stored event cannot be read.
        """
    @property
    def event_json(self) -> bytes:
        """The event's bytes as they were stored."""

@final
class Feed:
    """What a worker process does with the queue, in the core's own threads.

    Each of `succeed`, `fail`, `park` and `release` frees the job's slot. The first report decides the job; after the
    feed's own decision (a timeout, a cancelled job, a lost lease) a report only frees the slot.
    """

    def __new__(
        cls,
        queue: RedisQueue | MemoryQueue,
        *,
        queues: Sequence[str],
        slots: int,
        lease_duration_secs: int,
        job_timeout_secs: int,
        shutdown_timeout_secs: int,
        poll_interval_ms: int,
        max_age_secs: int,
        known_actions: set[str],
        worker: str,
        info: str,
        suspects: bool = False,
        durability: str = "auto",
    ) -> Feed:
        """Prepare a feed.

        Args:
            queue: Where jobs come from.
            queues: The names of the queues to serve.
            slots: Jobs in flight at most.
            lease_duration_secs: How long a lease lasts unrenewed; it is renewed every third of that.
            job_timeout_secs: Longest that an attempt may take.
            shutdown_timeout_secs: How long a stopping process may need to be gone.
            poll_interval_ms: Longest that an idle feed waits before it looks again.
            max_age_secs: Longest that a job of a newer schema is parked.
            known_actions: Action types that this worker runs; jobs of others are parked.
            worker: Who the worker is, in a job's history.
            info: Who the worker is, as JSON, for those who look.
            suspects: Whether to lease the jobs that were running when a worker was lost twice.
            durability: How durable the server must keep jobs; nothing is leased while it keeps less.

        Raises:
            ValueError: If there is no slot or no queue.
        """
    def start(self, on_wake: Callable[[], object]) -> None:
        """Start leasing; `on_wake` is called on the running loop when there is news, once for however much.

        Raises:
            RuntimeError: If it was started before, or no loop is running.
        """
    def take(self) -> tuple[list[LeasedJob], list[tuple[LeasedJob, str]], list[str]]:
        """Take all news: jobs to run, jobs to stop with the reason of each, notices."""
    def begin(self, job: LeasedJob, *, threaded: bool = False, keep: bool = True) -> bool:
        """Say whether the side effect of a job may start now.

        Args:
            job: The job.
            threaded: Whether its handler runs in a thread, which nothing can stop.
            keep: Whether the job becomes a dead letter if this attempt takes too long and is the last.
        """
    def succeed(self, job: LeasedJob, *, status_code: int | None = None) -> None:
        """Report a success."""
    def fail(
        self,
        job: LeasedJob,
        *,
        permanent: bool,
        error: str,
        status_code: int | None = None,
        retry_after_ms: int | None = None,
        keep: bool = True,
    ) -> None:
        """Report a failed attempt; the job's policy decides what becomes of it. `keep`: among the dead letters."""
    def park(self, job: LeasedJob, reason: str) -> None:
        """Put a job aside until a worker can run it."""
    def release(self, job: LeasedJob) -> None:
        """Give a job back, its attempt not counted."""
    def set_rules(self, rules: set[tuple[str, int]]) -> None:
        """Name the rules that there are, as observer and action index; parked jobs of theirs come back."""
    def stop_leasing(self) -> None:
        """Lease nothing more."""
    def drained(self) -> Future[None]:
        """Wait until no slot is taken and every outcome is written."""
    def close(self, *, timeout_ms: int) -> Future[tuple[int, int]]:
        """Give back what has not ended, write outcomes, leave; numbers of jobs released and outcomes unwritten."""
    def detach(self) -> None:
        """Take the feed off its loop, after `close`."""
    @property
    def slots_taken(self) -> int:
        """Slots taken."""
    @property
    def healthy(self) -> bool:
        """Whether the queue answered when it was last asked."""
    @property
    def server_unfit(self) -> bool:
        """Whether the server keeps less than it must, or than it did when the feed started."""
    @property
    def lease_age_ms(self) -> int | None:
        """Milliseconds since the oldest lease was renewed; ``None`` before the first."""

#: The upper bounds of the duration histogram, in seconds.
DURATION_BUCKETS: tuple[float, ...]
MOST_REPLICAS: int

def erase_spooled(directory: str | PathLike[str], matches: Callable[[bytes], object]) -> list[UUID]:
    """Erase jobs in a spool, whoever owns its files, replayed ones that are still on the disk included.

    A job that its owner is just sending may arrive in the queue all the same: erase there afterwards.

    Args:
        directory: The spool.
        matches: Says of a job's bytes, as `Job.from_json` reads them, whether it is to be erased.

    Returns:
        The ids of the jobs erased, each once.

    Raises:
        OSError: If a file cannot be read or written; what was erased before stays erased.
    """

def subject_owns(subject: tuple[str, str, str | None], job: bytes) -> bool:
    """Tell whether a job's bytes hold data of a subject, which is given as for `Queue.forget`.

    Raises:
        ValueError: If the subject is none.
    """

def counters_snapshot() -> bytes:
    """Return everything that the core of this process has counted, as one JSON object."""

@final
class Job:
    """The durable order to run one action for one event; written once, compared by value and hashed by id.

    Args:
        action: The action as its configuration has it, with secrets by reference. For an observer's job only its
            ``type`` is stored, and the worker takes the rest from its own configuration.
        event: What happened.
        max_attempts: Executions in all, the first included; at least 1.
        initial_delay_ms: The delay after the first failure.
        max_delay_ms: The longest delay.
        max_age_secs: How long the job may live from when it is first due.
        id: Identifies the job; for an observer's job derived from event, action and observer if ``None``, else new.
        observer: The observer whose action it is.
        action_index: Which of the observer's actions, from 0.
        queue: The queue it goes to: 1 to 64 of ``A-Z``, ``a-z``, ``0-9``, ``_`` and ``-``.
        priority: ``critical``, ``high``, ``default`` or ``low``.
        scheduled_at: When it is due, as aware datetime; at once if ``None``.
        backoff_strategy: ``exponential``, ``linear`` or ``fixed``.
        jitter: ``full`` or ``none``.
        traceparent: The W3C trace context of whoever makes it.

    Raises:
        ValueError: If a value is not allowed; the text names it.
        TypeError: If ``id`` is no UUID.
    """

    schema: ClassVar[int]

    def __new__(
        cls,
        *,
        action: dict[str, Any],
        event: EntityEvent,
        max_attempts: int,
        initial_delay_ms: int,
        max_delay_ms: int,
        max_age_secs: int,
        id: UUID | None = None,
        observer: str | None = None,
        action_index: int = 0,
        queue: str = "default",
        priority: str = "default",
        scheduled_at: datetime | None = None,
        backoff_strategy: str = "exponential",
        jitter: str = "full",
        traceparent: str | None = None,
    ) -> Job: ...
    @staticmethod
    def from_json(data: bytes | str) -> Job:
        """Read a job as `to_json` wrote it; keys that are not known are kept.

        Raises:
            CorruptJob: If it is no job; the text says why.
            QueueError: If it is a job of a newer version.
        """
    def to_json(self) -> bytes:
        """Write the job as one JSON object: every key in a fixed order, ``null`` included, times in UTC."""
    @property
    def id(self) -> UUID:
        """Identifies the job in all its attempts."""
    @property
    def observer(self) -> str | None:
        """The observer, or ``None`` for a job enqueued by hand."""
    @property
    def action_index(self) -> int:
        """Which of the observer's actions, from 0."""
    @property
    def action(self) -> dict[str, Any]:
        """The action: its type alone where the observer's configuration holds the rest."""
    @property
    def action_type(self) -> str:
        """The type of the action."""
    @property
    def event(self) -> EntityEvent:
        """The event, read when it is first asked for.

        Raises:
            EventError: If the stored event cannot be read.
        """
    @property
    def queue(self) -> str:
        """The queue it belongs to."""
    @property
    def priority(self) -> str:
        """How urgent it is."""
    @property
    def created_at(self) -> datetime:
        """When it was made."""
    @property
    def scheduled_at(self) -> datetime:
        """When it is first due."""
    @property
    def expires_at(self) -> datetime:
        """When it is too old to run, unless it is replayed."""
    @property
    def max_attempts(self) -> int:
        """Executions in all, the first included."""
    @property
    def backoff_strategy(self) -> str:
        """How the delay between attempts grows."""
    @property
    def initial_delay_ms(self) -> int:
        """The delay after the first failure."""
    @property
    def max_delay_ms(self) -> int:
        """The longest delay."""
    @property
    def jitter(self) -> str:
        """What chance does to the delay."""
    @property
    def traceparent(self) -> str | None:
        """The W3C trace context of whoever made it."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Attempt:
    """One execution of a job that has ended."""

    @property
    def attempt(self) -> int:
        """Its number, from 1 when the job was made or last replayed."""
    @property
    def started_at(self) -> int:
        """When it began, in ms since 1970."""
    @property
    def duration_ms(self) -> int:
        """How long it took."""
    @property
    def success(self) -> bool:
        """Whether it succeeded."""
    @property
    def error(self) -> str | None:
        """What went wrong."""
    @property
    def status_code(self) -> int | None:
        """The status that the receiver answered with."""
    @property
    def worker(self) -> str:
        """Which worker ran it."""

@final
class JobView:
    """A job and what lives beside it, at the moment of the call."""

    @property
    def id(self) -> UUID:
        """The job's id."""
    @property
    def state(self) -> str:
        """``pending``, ``scheduled``, ``running``, ``completed``, ``dead_lettered`` or ``cancelled``."""
    @property
    def job(self) -> Job | None:
        """The job, or ``None`` where its bytes are gone, corrupt or of a newer version."""
    @property
    def raw(self) -> bytes | None:
        """Its bytes as they are stored, or ``None`` where they are gone."""
    @property
    def queue(self) -> str:
        """The queue it is on."""
    @property
    def shard(self) -> int:
        """The shard it is on."""
    @property
    def observer(self) -> str | None:
        """The observer, where it is known."""
    @property
    def attempt(self) -> int:
        """The number of the attempt that runs or comes next; of a job that has ended, of the last one."""
    @property
    def attempts(self) -> list[Attempt]:
        """The last attempts that failed, at most 20, the oldest first."""
    @property
    def last_error(self) -> str | None:
        """The last error."""
    @property
    def retry_at(self) -> int | None:
        """When the next attempt is due, in ms since 1970, where one has failed."""
    @property
    def parked(self) -> str | None:
        """What a parked job waits for."""
    @property
    def crashes(self) -> int:
        """How often a worker was lost while it ran."""
    @property
    def reason(self) -> str | None:
        """Why a dead letter is one: ``permanent_error``, ``retries_exhausted``, ``crash_limit`` and so on."""
    @property
    def error_type(self) -> str | None:
        """The sort of error of a dead letter."""
    @property
    def died_at(self) -> int | None:
        """Since when a dead letter is one, in ms since 1970; names this death to `Queue.replay` and `Queue.remove`."""
    @property
    def replayed_at(self) -> int | None:
        """When it was last replayed, in ms since 1970."""
    @property
    def ended(self) -> str | None:
        """How a job ended that is not kept: ``cancelled``, ``removed``, ``trimmed`` or ``logged``."""
    @property
    def started_at(self) -> int | None:
        """When the last attempt of a finished job began, in ms since 1970, while it is remembered."""
    @property
    def finished_at(self) -> int | None:
        """When a finished job ended, in ms since 1970, while it is remembered."""
    def to_dict(self) -> dict[str, Any]:
        """Return the job's fields and all of the above, as values that JSON can hold."""

@disjoint_base
class Queue:
    """What `RedisQueue` and `MemoryQueue` share. Every call is there twice: awaited, and ``_blocking``.

    Ids are unique over all queues by their nature, so calls that take one take the queues to look in.
    """

    @property
    def shards(self) -> int:
        """How many shards each queue has."""
    def open(self, queue: str = "default") -> Future[ServerFacts | None]:
        """Connect, and make sure that the server can hold jobs; ``None`` where there is no server.

        Raises:
            QueueUnavailable: If it cannot be reached or is not ready.
            QueueRefused: If it refuses the login or a command.
            ServerUnsuitable: If it is too old, evicts keys, or holds keys of another program under our prefix.
        """
    def open_blocking(self, queue: str = "default") -> ServerFacts | None:
        """Do as `open`, without an event loop."""
    def stats(self, queue: str) -> Future[list[QueueStats]]:
        """Count the jobs of a queue: one result per shard."""
    def stats_blocking(self, queue: str) -> list[QueueStats]:
        """Do as `stats`, without an event loop."""
    def enqueue(
        self, jobs: Sequence[Job], *, enqueue_timeout_secs: int, durability: str = "auto"
    ) -> Future[list[bool]]:
        """Store jobs, each once, together with what other callers store at the same time.

        Args:
            jobs: The jobs.
            enqueue_timeout_secs: The longest that this may take, the confirmation included.
            durability: What they shall outlive: ``memory``, ``process``, ``disk``, ``replica:n``, or ``auto`` for what
                the server gives by itself.

        Returns:
            For each job whether it is new, as far as is known: a spooled one counts as new. ``False`` means that the
            queue knew its id already.

        Raises:
            QueueUnavailable: If the time is up and nothing was stored.
            QueueFull: If there is no room; nothing was stored.
            DurabilityNotConfirmed: If some jobs may be stored. Repeating the call is safe.
            ServerUnsuitable: If the server cannot give that durability; nothing was stored.
            ValueError: If there is no such level.
        """
    def enqueue_blocking(
        self, jobs: Sequence[Job], *, enqueue_timeout_secs: int, durability: str = "auto"
    ) -> list[bool]:
        """Do as `enqueue`, without an event loop."""
    def find(self, id: UUID, queues: Sequence[str]) -> Future[JobView | None]:
        """Find a job, or ``None`` where none of the queues knows it."""
    def find_blocking(self, id: UUID, queues: Sequence[str]) -> JobView | None:
        """Do as `find`, without an event loop."""
    def state(self, id: UUID, queues: Sequence[str]) -> Future[str | None]:
        """Tell the state of a job, or ``None`` where none of the queues knows it."""
    def state_blocking(self, id: UUID, queues: Sequence[str]) -> str | None:
        """Do as `state`, without an event loop."""
    def cancel(self, id: UUID, queues: Sequence[str]) -> Future[str | None]:
        """Cancel a job, wherever it is. A running one may already have had its effect.

        Returns:
            The state that it had: ``pending``, ``scheduled`` or ``running`` is cancelled now, nothing was done in any
            other; ``None`` where none of the queues knows it.

        Raises:
            CorruptJob: If a pending job's bytes are no job; the next worker makes it a dead letter.
        """
    def cancel_blocking(self, id: UUID, queues: Sequence[str]) -> str | None:
        """Do as `cancel`, without an event loop."""
    def list_jobs(
        self, state: str, queues: Sequence[str], *, offset: int, limit: int
    ) -> Future[list[JobView]]:
        """Page through the jobs in a state; dead letters and completed jobs come newest first.

        What leaves the state meanwhile is left out, so that a page may be short. Completed jobs are those that are
        still remembered; cancelled ones are not.

        Raises:
            ValueError: If there is no such state.
        """
    def list_jobs_blocking(
        self, state: str, queues: Sequence[str], *, offset: int, limit: int
    ) -> list[JobView]:
        """Do as `list_jobs`, without an event loop."""
    def dead_count(self, queues: Sequence[str]) -> Future[int]:
        """Count the dead letters."""
    def dead_count_blocking(self, queues: Sequence[str]) -> int:
        """Do as `dead_count`, without an event loop."""
    def dead_letters(
        self, queues: Sequence[str], *, after: tuple[int, bytes] | None = None, limit: int
    ) -> Future[tuple[list[JobView], tuple[int, bytes] | None]]:
        """Read a page of dead letters, the newest first, at a cost that does not grow with their number.

        Args:
            queues: Where to look.
            after: What the page before returned as its second value; ``None`` begins with the newest letter, and
                ``(ms, b"")`` with the newest that died before that time.
            limit: About how many letters; a page over several shards may be somewhat longer or shorter.

        Returns:
            The letters, and where the next page begins; ``None`` where this was the last one. Letters that die
            meanwhile are on none of the pages to come.
        """
    def dead_letters_blocking(
        self, queues: Sequence[str], *, after: tuple[int, bytes] | None = None, limit: int
    ) -> tuple[list[JobView], tuple[int, bytes] | None]:
        """Do as `dead_letters`, without an event loop."""
    def replay(self, letters: Sequence[JobView]) -> Future[list[bool]]:
        """Send dead letters back with a fresh budget of attempts.

        Args:
            letters: The letters as they were looked at: of two operators who saw the same death only one sends it.

        Returns:
            For each whether it was sent back.
        """
    def replay_blocking(self, letters: Sequence[JobView]) -> list[bool]:
        """Do as `replay`, without an event loop."""
    def remove(self, letters: Sequence[JobView]) -> Future[list[bool]]:
        """Take dead letters away for good; argument and result as of `replay`."""
    def remove_blocking(self, letters: Sequence[JobView]) -> list[bool]:
        """Do as `remove`, without an event loop."""
    def forget(
        self,
        queue: str,
        shard: int,
        subject: tuple[str, str, str | None],
        *,
        look_only: bool,
        mark: bytes | None = None,
    ) -> Future[tuple[list[tuple[UUID, str]], bytes | None]]:
        """Take the jobs of a subject out of one step of a walk over all jobs of a shard that have not ended.

        A job that is there from the first step to the last is met by one of them.

        Args:
            queue: The name of the queue.
            shard: The number of the shard.
            subject: ``("entity", type, id)``, ``("tenant", id, None)`` or ``("user", id, None)``.
            look_only: Change nothing, say which they are.
            mark: What the step before returned as its second value.

        Returns:
            The jobs with the place in which each was: ``pending``, ``suspects``, ``scheduled``, ``parked``,
            ``running``, ``dead``, or ``blanked`` where only its bytes were replaced. Then where the next step begins,
            or ``None``.

        Raises:
            ValueError: If the subject is none.
        """
    def forget_records(self, queue: str, shard: int, jobs: Sequence[UUID], *, look_only: bool) -> Future[int]:
        """Take the records of jobs out of those of finished jobs, or only count them; returns how many there were."""
    def forget_blocking(
        self,
        queue: str,
        shard: int,
        subject: tuple[str, str, str | None],
        *,
        look_only: bool,
        mark: bytes | None = None,
    ) -> tuple[list[tuple[UUID, str]], bytes | None]:
        """Do as `forget`, without an event loop."""
    def forget_records_blocking(
        self, queue: str, shard: int, jobs: Sequence[UUID], *, look_only: bool
    ) -> int:
        """Do as `forget_records`, without an event loop."""
    def lane(self, queue: str, shard: int = 0) -> Lane:
        """Give the steps of one shard of a queue, awaited.

        Raises:
            ValueError: If the name is none or there is no such shard.
        """
    def lane_blocking(self, queue: str, shard: int = 0) -> BlockingLane:
        """Give the steps of one shard of a queue, without an event loop."""

@final
class RedisQueue(Queue):
    """The queue on a Redis or Valkey server; connects when it is first used, safe for threads, loops and forks."""

    def __new__(
        cls,
        url: str,
        options: QueueOptions,
        *,
        manual_clock: bool = False,
        tls_ca_file: str | None = None,
        tls_cert_file: str | None = None,
        tls_key_file: str | None = None,
        sentinel_username: str | None = None,
        sentinel_password: str | None = None,
    ) -> RedisQueue:
        """Prepare a queue.

        Args:
            url: What ``[job_queue] url`` may be, save for ``embedded://``.
            options: The bounds that it keeps.
            manual_clock: For tests: whether the time is read from the clock key of each shard.
            tls_ca_file: Who may have signed the server's certificate; read for each connection, as the next two.
            tls_cert_file: Our own certificate.
            tls_key_file: Its private key.
            sentinel_username: The user at the sentinels.
            sentinel_password: The password at the sentinels.

        Raises:
            ServerUnsuitable: If the url is none.
            ValueError: If a certificate comes without its key, or the other way round.
        """

    def close(self) -> None:
        """End the replay of the spool, and let go of its files; the next enqueue takes them up again.

        Waits up to a second for what is just being replayed, and up to five for a disk that is slow; what is not
        confirmed by then stays in the spool. Connections go with the object.
        """

@final
class MemoryQueue(Queue):
    """The queue in this process, gone with it: the same steps without a server."""

    def __new__(cls, options: QueueOptions, *, now_ms: int | None = None) -> MemoryQueue:
        """Prepare a queue.

        Args:
            options: The bounds that it keeps.
            now_ms: Stops the clock at a time in ms since 1970 that `set_clock` moves.
        """
    def set_clock(self, now_ms: int) -> None:
        """Move a stopped clock.

        Raises:
            ValueError: If the clock runs by itself.
        """
    def restart(self) -> None:
        """Do what a restart of a server does: hold leases that ran out for one lease more."""

@final
class Lease:
    """A job as a turn hands it out."""

    @property
    def member(self) -> bytes:
        """The job's 16-byte id and its priority letter."""
    @property
    def call(self) -> int:
        """The lease call that took it; with member and incarnation, the token."""
    @property
    def bytes(self) -> builtins.bytes:
        """The job's bytes."""
    @property
    def history(self) -> builtins.bytes | None:
        """Its packed history, if it has failed or been replayed."""
    @property
    def attempt(self) -> int:
        """Number of this attempt; the first is 1."""
    def succeeded(
        self, *, started_at_ms: int, duration_ms: int, worker: str, status_code: int | None = None
    ) -> tuple[builtins.bytes, int, builtins.bytes]:
        """Return the ack of an attempt that succeeded, as `Lane.ack` takes it.

        Raises:
            ValueError: If the bytes are no job.
        """
    def failed(
        self,
        *,
        started_at_ms: int,
        duration_ms: int,
        worker: str,
        error: str,
        permanent: bool = False,
        status_code: int | None = None,
        retry_after_ms: int | None = None,
        keep: bool = True,
    ) -> tuple[builtins.bytes, int, tuple[str, int], builtins.bytes, builtins.bytes, builtins.bytes]:
        """Return the nack of an attempt that failed, by the job's own policy, as `Lane.nack` takes it.

        Raises:
            ValueError: If the bytes are no job.
        """

@final
class Turn:
    """What a turn found."""

    @property
    def standing(self) -> str:
        """``alive``; ``expired``, where a beat brings the lease back; or ``lost``, where a new join is needed."""
    @property
    def now_ms(self) -> int:
        """The queue's time in ms since 1970."""
    @property
    def next_due_ms(self) -> int | None:
        """When the next scheduled job is due."""
    @property
    def waiting(self) -> int:
        """Entries still on the pending lists, those of cancelled jobs included."""
    @property
    def suspects(self) -> int:
        """Jobs that wait to be run alone."""
    @property
    def lost(self) -> list[str]:
        """Incarnations whose lease has run out."""
    @property
    def leases(self) -> list[Lease]:
        """The jobs leased."""

@final
class Found:
    """Where a job is, and what lives beside it, as stored."""

    @property
    def place(self) -> str:
        """Where it is.

        One of ``pending``, ``scheduled``, ``parked``, ``running``, ``dead``, ``completed``, ``cancelled``, ``removed``,
        ``trimmed``, ``logged`` and ``missing``.
        """
    @property
    def time_ms(self) -> int | None:
        """When it is due, expires or died."""
    @property
    def holder(self) -> str | None:
        """The incarnation that runs it."""
    @property
    def member(self) -> builtins.bytes | None:
        """Its member, save where it is pending or has ended."""
    @property
    def bytes(self) -> builtins.bytes | None:
        """Its bytes."""
    @property
    def history(self) -> builtins.bytes | None:
        """Its packed history."""
    @property
    def failure(self) -> builtins.bytes | None:
        """Why it is dead or parked."""
    @property
    def crashes(self) -> int:
        """How often a worker was lost while it ran."""

#: A dead letter: member, time of death in ms, bytes, failure, history.
_Letter: TypeAlias = tuple[bytes, int, bytes | None, bytes | None, bytes | None]

@final
class Lane:
    """The steps of one shard of a queue as they are, awaited: for the `JobQueue` protocol and for tests.

    A member is a job's 16-byte id and its priority letter. What a step promises is written at the head of its script.
    """

    def enqueue(self, jobs: Sequence[tuple[bytes, tuple[str, int], bytes]]) -> Future[builtins.list[bool]]:
        """Store jobs, each once.

        Args:
            jobs: Member, when it is due (``("now", 0)``, ``("after", ms)`` or ``("at", ms)``), bytes.
        """
    def join(self, incarnation: str, info: str) -> Future[int]:
        """Give a new incarnation its lease; returns the queue's time in ms."""
    def beat(
        self, incarnation: str, heard: Sequence[bytes] | None = None
    ) -> Future[tuple[bool, builtins.list[bytes]]]:
        """Renew a lease; returns whether it still exists, and members cancelled and not yet heard of."""
    def turn(self, incarnation: str, call: int, want: int, source: str = "pending") -> Future[Turn]:
        """Promote what is due and lease up to ``want`` jobs from ``pending`` or ``suspects``.

        Asked again with the same ``call`` it returns the same jobs. Cancelling it gives back what it leased.
        """
    def ack(self, incarnation: str, acks: Sequence[tuple[bytes, int, bytes]]) -> Future[builtins.list[str]]:
        """Complete jobs (member, call, record); each is ``acked``, ``already`` or ``lost``."""
    def nack(
        self, incarnation: str, nacks: Sequence[tuple[bytes, int, tuple[str, int], bytes, bytes, bytes]]
    ) -> Future[builtins.list[bool]]:
        """End failed attempts; each is done or lost.

        Args:
            incarnation: Who holds them.
            nacks: Member, call, verdict (``("retry", ms)``, ``("dead", 0)``, ``("log", 0)``, ``("park", until_ms)``),
                history, failure, record.
        """
    def release(
        self, incarnation: str, tokens: Sequence[tuple[bytes, int]], source: str = "pending"
    ) -> Future[builtins.list[bool]]:
        """Give leased jobs back unharmed."""
    def leave(self, incarnation: str) -> Future[int]:
        """End an incarnation; returns how many jobs it still holds, and does nothing if there are any."""
    def reclaim(self, lost: str, failure: bytes) -> Future[tuple[int, int, builtins.list[bytes], bool]]:
        """Move on the jobs of a lost incarnation; returns moved, still held, buried, refused."""
    def cancel(self, member: bytes) -> Future[str]:
        """Cancel a job; returns where it was."""
    def find(self, id: bytes) -> Future[Found]:
        """Find a job by its 16 bytes."""
    def replay(self, letters: Sequence[tuple[bytes, int, bytes]]) -> Future[builtins.list[bool]]:
        """Send dead letters back: member, time of death, history from now on."""
    def remove(self, letters: Sequence[tuple[bytes, int]]) -> Future[builtins.list[bool]]:
        """Take dead letters away: member, time of death."""
    def unpark(self, members: Sequence[bytes], failure: bytes | None = None) -> Future[builtins.list[bool]]:
        """Move parked jobs to their lists, or with a failure to the dead letters where their time is up."""
    def audit(self) -> Future[tuple[int, int, int]]:
        """Count jobs and places, and mend what is amiss; returns amiss, put back, kept in one place."""
    def hold(self) -> Future[int]:
        """Hold reclaiming back for the longest lease; returns until when, in ms."""
    def letters(
        self, after: tuple[int, builtins.bytes] | None = None, *, limit: int
    ) -> Future[tuple[builtins.list[_Letter], tuple[int, builtins.bytes] | None, bool]]:
        """Read a page of dead letters, the newest first: member, time of death, bytes, failure and history of each.

        Then come the place behind the last one, for the next call, and whether older letters follow.
        """
    def erase(self, id: builtins.bytes, payload: builtins.bytes, letter: str | None) -> Future[str]:
        """Take everything that is kept of a job away, if its bytes are still these; returns where it was."""
    def records(
        self, after: builtins.bytes | None, limit: int
    ) -> Future[builtins.list[tuple[builtins.bytes, builtins.bytes]]]:
        """Read entries of the records of finished jobs, the oldest first: id, records parted by line feeds."""
    def redact(
        self, entry: tuple[builtins.bytes, builtins.bytes], stay: Sequence[builtins.bytes]
    ) -> Future[bool]:
        """Put other records in place of those of an entry, if it is still as it was read."""
    def trim(self) -> Future[int]:
        """Let the oldest dead letters go where there are too many or they are too old; returns how many went."""
    def rotate(self) -> Future[bool]:
        """Forget the ids that ended long ago, where it is time."""
    def stats(self) -> Future[QueueStats]:
        """Count the jobs."""
    def list(self, listing: str, offset: int, limit: int) -> Future[builtins.list[tuple[bytes, int]]]:
        """Page through members with their times: ``pending``, ``scheduled``, ``parked``, ``running`` or ``dead``."""
    def recent(self, limit: int) -> Future[builtins.list[bytes]]:
        """Return the records of the jobs that finished last, the newest first."""
    def wait_for_wake(self) -> Future[bool]:
        """Wait until there may be work, at most 20 seconds; returns whether there was a token."""

@final
class BlockingLane:
    """As `Lane`, without an event loop."""

    def enqueue(self, jobs: Sequence[tuple[bytes, tuple[str, int], bytes]]) -> builtins.list[bool]:
        """Store jobs, each once.

        Args:
            jobs: Member, when it is due (``("now", 0)``, ``("after", ms)`` or ``("at", ms)``), bytes.
        """
    def join(self, incarnation: str, info: str) -> int:
        """Give a new incarnation its lease; returns the queue's time in ms."""
    def beat(
        self, incarnation: str, heard: Sequence[bytes] | None = None
    ) -> tuple[bool, builtins.list[bytes]]:
        """Renew a lease; returns whether it still exists, and members cancelled and not yet heard of."""
    def turn(self, incarnation: str, call: int, want: int, source: str = "pending") -> Turn:
        """Promote what is due and lease up to ``want`` jobs from ``pending`` or ``suspects``.

        Asked again with the same ``call`` it returns the same jobs. Cancelling it gives back what it leased.
        """
    def ack(self, incarnation: str, acks: Sequence[tuple[bytes, int, bytes]]) -> builtins.list[str]:
        """Complete jobs (member, call, record); each is ``acked``, ``already`` or ``lost``."""
    def nack(
        self, incarnation: str, nacks: Sequence[tuple[bytes, int, tuple[str, int], bytes, bytes, bytes]]
    ) -> builtins.list[bool]:
        """End failed attempts; each is done or lost.

        Args:
            incarnation: Who holds them.
            nacks: Member, call, verdict (``("retry", ms)``, ``("dead", 0)``, ``("log", 0)``, ``("park", until_ms)``),
                history, failure, record.
        """
    def release(
        self, incarnation: str, tokens: Sequence[tuple[bytes, int]], source: str = "pending"
    ) -> builtins.list[bool]:
        """Give leased jobs back unharmed."""
    def leave(self, incarnation: str) -> int:
        """End an incarnation; returns how many jobs it still holds, and does nothing if there are any."""
    def reclaim(self, lost: str, failure: bytes) -> tuple[int, int, builtins.list[bytes], bool]:
        """Move on the jobs of a lost incarnation; returns moved, still held, buried, refused."""
    def cancel(self, member: bytes) -> str:
        """Cancel a job; returns where it was."""
    def find(self, id: bytes) -> Found:
        """Find a job by its 16 bytes."""
    def replay(self, letters: Sequence[tuple[bytes, int, bytes]]) -> builtins.list[bool]:
        """Send dead letters back: member, time of death, history from now on."""
    def remove(self, letters: Sequence[tuple[bytes, int]]) -> builtins.list[bool]:
        """Take dead letters away: member, time of death."""
    def unpark(self, members: Sequence[bytes], failure: bytes | None = None) -> builtins.list[bool]:
        """Move parked jobs to their lists, or with a failure to the dead letters where their time is up."""
    def audit(self) -> tuple[int, int, int]:
        """Count jobs and places, and mend what is amiss; returns amiss, put back, kept in one place."""
    def hold(self) -> int:
        """Hold reclaiming back for the longest lease; returns until when, in ms."""
    def letters(
        self, after: tuple[int, builtins.bytes] | None = None, *, limit: int
    ) -> tuple[builtins.list[_Letter], tuple[int, builtins.bytes] | None, bool]:
        """Read a page of dead letters, the newest first: member, time of death, bytes, failure and history of each.

        Then come the place behind the last one, for the next call, and whether older letters follow.
        """
    def erase(self, id: builtins.bytes, payload: builtins.bytes, letter: str | None) -> str:
        """Take everything that is kept of a job away, if its bytes are still these; returns where it was."""
    def records(
        self, after: builtins.bytes | None, limit: int
    ) -> builtins.list[tuple[builtins.bytes, builtins.bytes]]:
        """Read entries of the records of finished jobs, the oldest first: id, records parted by line feeds."""
    def redact(self, entry: tuple[builtins.bytes, builtins.bytes], stay: Sequence[builtins.bytes]) -> bool:
        """Put other records in place of those of an entry, if it is still as it was read."""
    def trim(self) -> int:
        """Let the oldest dead letters go where there are too many or they are too old; returns how many went."""
    def rotate(self) -> bool:
        """Forget the ids that ended long ago, where it is time."""
    def stats(self) -> QueueStats:
        """Count the jobs."""
    def list(self, listing: str, offset: int, limit: int) -> builtins.list[tuple[bytes, int]]:
        """Page through members with their times: ``pending``, ``scheduled``, ``parked``, ``running`` or ``dead``."""
    def recent(self, limit: int) -> builtins.list[bytes]:
        """Return the records of the jobs that finished last, the newest first."""
    def wait_for_wake(self) -> bool:
        """Wait until there may be work, at most 20 seconds; returns whether there was a token."""
