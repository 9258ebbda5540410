"""Every exception of the package. A class tells the caller what to do; ``code`` is for programs.

```text
ObserversError                      code (OBnnn), transient
├── ConfigError                     also a ValueError; names the setting and the accepted range
├── EventError                      names the path in the event
├── ConditionError
│   ├── ConditionSyntaxError        the text is no condition: offset, line with a caret, hint
│   └── ConditionEvalError          the event cannot answer the condition
├── TemplateError                   the template is refused, or a value it names is missing
├── QueueError
│   ├── QueueUnavailable            passing: try again after backoff
│   ├── QueueFull                   the bound or the memory is reached; nothing was stored
│   ├── DurabilityNotConfirmed      stored perhaps; the same id may be tried again
│   ├── LeaseLost                   drop the result, another worker owns the job
│   ├── QueueRefused                the server refuses the login or a command
│   ├── ServerUnsuitable            the server is too old, evicts keys, or keeps less than asked
│   └── CorruptJob                  dead letter at once, never retry
└── ActionError
    ├── RetryableError              the attempt failed; another may succeed (retry_after)
    │   └── ActionTimeout           the attempt ran out of time
    └── PermanentError              no attempt will succeed
```
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from fraiseql_observers.executor import ProcessSummary
    from fraiseql_observers.problems import Problem

__all__ = [
    "ActionError",
    "ActionTimeout",
    "ConditionError",
    "ConditionEvalError",
    "ConditionSyntaxError",
    "ConfigError",
    "CorruptJob",
    "DurabilityNotConfirmed",
    "EventError",
    "LeaseLost",
    "ObserversError",
    "PermanentError",
    "QueueError",
    "QueueFull",
    "QueueRefused",
    "QueueUnavailable",
    "RetryableError",
    "ServerUnsuitable",
    "TemplateError",
    "UnsupportedAction",
]


class ObserversError(Exception):
    """The root of all errors of this package.

    Attributes:
        code: The FraiseQL error code, ``OBnnn``.
        transient: Whether the same call may succeed later without a change.
    """

    code: ClassVar[str] = "OB001"
    transient: ClassVar[bool] = False


class ConfigError(ObserversError, ValueError):
    """A configuration is not valid; the text lists every mistake with file, line, key and what is allowed.

    Args:
        message: All mistakes, for people.
        problems: The same mistakes one by one, for programs; empty where there is nothing to tell apart.
    """

    code = "OB001"

    def __init__(self, message: str = "", problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class UnsupportedAction(ConfigError):
    """An action type that this version does not run; the text says what to use instead."""

    code = "OB014"


class EventError(ObserversError, ValueError):
    """An event is malformed; the text starts with the path of the value that is wrong."""

    code = "OB020"


class ConditionError(ObserversError):
    """A condition cannot be parsed or evaluated."""

    code = "OB003"


class ConditionSyntaxError(ConditionError, ValueError):
    """A text is not a condition.

    Attributes:
        source: The text that was parsed.
        offset: Where the mistake is, in characters from the start, counted from 0.
        hint: What was probably meant, or ``None``.
    """

    def __init__(self, message: str, source: str = "", offset: int = 0, hint: str | None = None) -> None:
        super().__init__(message)
        self.source = source
        self.offset = offset
        self.hint = hint


class ConditionEvalError(ConditionError):
    """An event cannot answer a condition, for instance because a field is missing."""


class TemplateError(ObserversError, ValueError):
    """A template is refused, or names a value that the event does not have."""

    code = "OB008"


class QueueError(ObserversError):
    """The queue did not do what was asked."""

    code = "OB009"

    def __init__(self, message: str = "", summary: ProcessSummary | None = None) -> None:
        super().__init__(message)
        #: What `process_event` did before the error, or ``None`` where there is no such summary.
        self.summary = summary


class QueueUnavailable(QueueError):
    """The queue cannot be reached or cannot answer now; nothing is known to be stored. Try again after backoff."""

    transient = True


class QueueFull(QueueError):
    """The bound on pending jobs or the server's memory is reached; nothing was stored."""

    transient = True


class DurabilityNotConfirmed(QueueError):
    """The outcome is unknown: the jobs may be stored, and be less durable than asked. Repeating the same ids is safe.

    Args:
        message: What was not confirmed, and why.
        summary: As of every `QueueError`.
        job_ids: The jobs that may be stored.
    """

    transient = True

    def __init__(
        self, message: str = "", summary: ProcessSummary | None = None, job_ids: Sequence[UUID] = ()
    ) -> None:
        super().__init__(message, summary)
        #: The jobs that may be stored; to repeat the call with the same ids settles it.
        self.job_ids = tuple(job_ids)


class LeaseLost(QueueError):
    """The lease has passed on: another worker owns the job, so the result must be dropped."""


class QueueRefused(QueueError):
    """The server refuses the login, or the user may not run a command; trying again does not help."""


class ServerUnsuitable(QueueError):
    """The server must not hold jobs: too old, evicting keys, or keeping less than the durability asked for."""


class CorruptJob(QueueError):
    """Stored bytes are no job; they go to the dead letter queue and are never retried."""

    code = "OB020"


class ActionError(ObserversError):
    """An action did not succeed."""

    code = "OB006"

    def __init__(self, message: str = "", *, status_code: int | None = None) -> None:
        super().__init__(message)
        #: The HTTP status or SMTP code of the answer, where there was one.
        self.status_code = status_code


class RetryableError(ActionError):
    """The attempt failed in a way that may pass; the job's backoff decides when the next one starts.

    Args:
        message: What went wrong, free of secrets.
        retry_after: The least delay before the next attempt, or ``None``.
        status_code: The HTTP status or SMTP code of the answer, where there was one.
    """

    transient = True

    def __init__(
        self, message: str = "", *, retry_after: timedelta | None = None, status_code: int | None = None
    ) -> None:
        super().__init__(message, status_code=status_code)
        if retry_after is not None and not isinstance(retry_after, timedelta):
            raise TypeError("retry_after must be a timedelta or None")
        self.retry_after = retry_after


class ActionTimeout(RetryableError):
    """The attempt ran out of time; whether the other side acted on it is unknown."""


class PermanentError(ActionError):
    """No further attempt can succeed; the job goes to the dead letter queue at once."""

    code = "OB007"
