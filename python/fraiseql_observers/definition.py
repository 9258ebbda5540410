"""Declaring observers: which events each concerns, and what is done about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field

from fraiseql_observers._core import Condition
from fraiseql_observers.actions.models import ActionConfig, LogAction, action_config
from fraiseql_observers.errors import ConditionSyntaxError, ConfigError
from fraiseql_observers.problems import Problem, ProblemKind, error_for
from fraiseql_observers.retry import RetryConfig
from fraiseql_observers.settings import (
    QUEUE_NAME_PATTERN,
    Settings,
    found_text,
    missing_key,
    refusal,
    unknown_key,
)

if TYPE_CHECKING:
    from fraiseql_observers.events import EventKind

__all__ = ["ObserverDefinition", "check_observer_name"]

Priority = Literal["critical", "high", "default", "low"]
OnFailure = Literal["dlq", "log"]

_KINDS = ("INSERT", "UPDATE", "DELETE", "CUSTOM", "*")
#: The longest name of an observer or entity, in characters: both travel with every job.
LONGEST_NAME = 128
#: The longest delay that an observer may ask for: a year.
LONGEST_DELAY_SECS = 31_536_000


def _check_kind(word: object) -> object:
    if not isinstance(word, str):
        return word
    if word.upper() not in _KINDS:
        raise refusal(
            ProblemKind.ENUM, f"{found_text(word)} is no kind of event; allowed: {', '.join(_KINDS)}"
        )
    return word.upper()


def _check_entity(name: str) -> str:
    complaint = _name_complaint(name)
    if complaint:
        kind = ProblemKind.NAME if name.strip() else ProblemKind.MISSING
        raise refusal(kind, f"{complaint}; allowed: the entity's type, or * for every entity")
    return name


def check_observer_name(name: str) -> Problem | None:
    """Return what is wrong with the name of an observer, which travels with jobs, logs and metrics."""
    complaint = _name_complaint(name)
    if complaint is None:
        return None
    allowed = f"1 to {LONGEST_NAME} printable characters, no space at an end"
    return Problem(ProblemKind.NAME, (), f"the observer's name {complaint}; allowed: {allowed}")


def _name_complaint(name: str) -> str | None:
    if not name.strip():
        return "is empty"
    if name != name.strip() or not name.isprintable():
        return "has a control character, or a space at an end"
    return f"is longer than {LONGEST_NAME} characters" if len(name) > LONGEST_NAME else None


def _check_condition(text: str) -> str:
    try:
        Condition.parse(text)
    except ConditionSyntaxError as error:
        raise refusal(ProblemKind.CONDITION, str(error)) from None
    return text


def _check_on_failure(value: object) -> object:
    if value == "alert":
        raise refusal(ProblemKind.UNSUPPORTED, "alert is not supported by this version; allowed: dlq, log")
    return value


class ObserverDefinition(Settings):
    """A rule: which events it concerns, and what is done about them.

    Attributes:
        event_type: ``INSERT``, ``UPDATE``, ``DELETE``, ``CUSTOM`` in any case, or ``*`` for every kind.
        entity: The entity's type, exactly, or ``*``.
        actions: At least one action.
        condition: A condition on the event, or ``None`` for every event of that kind and entity.
        retry: How its jobs are retried, by default as ``[job_queue]`` says.
        on_failure: ``dlq`` keeps a job that failed for good; ``log`` writes it to the log and drops it.
        enabled: Whether it matches anything.
        priority: ``critical``, ``high``, ``default`` or ``low``.
        queue: The queue its jobs go to.
        delay_secs: How long after the event is accepted its jobs are due (0–31536000).
    """

    #: The keys that must be given, each with a value that stands in for it while the others are checked.
    _REQUIRED: ClassVar[Mapping[str, Any]] = {
        "event_type": "*",
        "entity": "*",
        "actions": ({"type": "log"},),
    }

    event_type: Annotated[Literal["INSERT", "UPDATE", "DELETE", "CUSTOM", "*"], BeforeValidator(_check_kind)]
    entity: Annotated[str, AfterValidator(_check_entity)]
    actions: Annotated[tuple[ActionConfig, ...], Field(min_length=1, max_length=100)]
    condition: Annotated[str, AfterValidator(_check_condition)] | None = None
    retry: RetryConfig | None = None
    on_failure: Annotated[OnFailure, BeforeValidator(_check_on_failure)] = "dlq"
    enabled: bool = True
    priority: Priority = "default"
    queue: str = Field(default="default", pattern=QUEUE_NAME_PATTERN)
    delay_secs: int = Field(default=0, ge=0, le=LONGEST_DELAY_SECS)

    def __init__(
        self,
        event_type: str | EventKind,
        entity: str,
        actions: Sequence[ActionConfig | Mapping[str, object]],
        condition: str | None = None,
        retry: RetryConfig | Mapping[str, object] | None = None,
        on_failure: str = "dlq",
        enabled: bool = True,  # noqa: FBT001, FBT002 - the public signature, in the order of the file's keys
        priority: str = "default",
        queue: str = "default",
        delay_secs: int = 0,
    ) -> None:
        problems: list[Problem] = []
        values: dict[str, Any] = {
            "event_type": event_type,
            "entity": entity,
            "actions": _read_actions(actions, problems),
            "condition": condition,
            "retry": _read_retry(retry, problems),
            "on_failure": on_failure,
            "enabled": enabled,
            "priority": priority,
            "queue": queue,
            "delay_secs": delay_secs,
        }
        try:
            super().__init__(**values)
        except ConfigError as error:
            problems.extend(error.problems)
        if problems:
            raise error_for(problems, "the observer") from None

    @classmethod
    def from_mapping(cls, raw: Mapping[str, object]) -> Self:
        """Return the definition that a table of the configuration file holds.

        Raises:
            ConfigError: With every mistake, unknown and missing keys included.
        """
        problems = [unknown_key(cls, key) for key in raw if key not in cls.model_fields]
        problems += [missing_key(cls, key) for key in cls._REQUIRED if key not in raw]
        known: dict[str, Any] = {key: value for key, value in raw.items() if key in cls.model_fields}
        try:
            definition = cls(**(dict(cls._REQUIRED) | known))
        except ConfigError as error:
            raise error_for([*problems, *error.problems], "the observer") from None
        if problems:
            raise error_for(problems, "the observer")
        return definition


def _read_actions(raw: object, problems: list[Problem]) -> object:
    """Return the models of all actions; one that is wrong is reported, and another stands in for it."""
    if not isinstance(raw, (list, tuple)):
        return raw
    actions: list[ActionConfig] = []
    for number, item in enumerate(raw):
        try:
            actions.append(action_config(item))
        except ConfigError as error:
            problems.extend(problem.under("actions", number) for problem in error.problems)
            actions.append(LogAction())
    return tuple(actions)


def _read_retry(raw: object, problems: list[Problem]) -> object:
    if not isinstance(raw, Mapping):
        return raw
    try:
        return RetryConfig(**raw)
    except ConfigError as error:
        problems.extend(problem.under("retry") for problem in error.problems)
        return None
