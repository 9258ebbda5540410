"""What an exception of a handler means for its job."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, NamedTuple

from fraiseql_observers.errors import ActionError, EventError, PermanentError, RetryableError
from fraiseql_observers.redaction import redact

#: Characters of an error that are kept with the attempt. A history of 20 attempts has to stay below 4 KiB
#: once the core has cut the older ones.
MAX_ERROR: Final = 500
#: The longest that a receiver may ask for; without a bound it could park a job for ever.
MAX_RETRY_AFTER: Final = timedelta(hours=24)
#: What the core can keep of a status. A handler may give its error any, and none must keep an attempt from ending.
STATUS_CODES: Final = range(1 << 16)


class Failure(NamedTuple):
    """One failed attempt, as the feed takes it."""

    permanent: bool
    error: str
    status_code: int | None = None
    retry_after_ms: int | None = None


def failure_of(error: BaseException) -> Failure:
    """Classify what an action has raised: anything that does not say otherwise may pass with time."""
    # A handler's own errors arrive as `ActionError`; an `EventError` is about the bytes of the job.
    permanent = isinstance(error, (PermanentError, EventError))
    status_code = _status_code(error.status_code) if isinstance(error, ActionError) else None
    retry_after = error.retry_after if isinstance(error, RetryableError) else None
    return Failure(permanent, error_text(error), status_code, _milliseconds(retry_after))


def error_text(error: BaseException) -> str:
    """Describe an exception in at most `MAX_ERROR` characters, without the secrets of this process."""
    try:
        text = str(error)
    except BaseException as broken:  # noqa: BLE001 - a handler's exception may have a `__str__` that fails in any way
        text = f"its text cannot be read: {type(broken).__name__}"
    if not isinstance(error, ActionError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    # Redacted before it is cut, so that no start of a secret is left.
    text = redact(text)
    # A lone surrogate is no text, which the core would refuse.
    text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= MAX_ERROR else text[: MAX_ERROR - 1] + "…"


def _status_code(given: object) -> int | None:
    # A boolean or a whole float is in the range too, and no status.
    return given if type(given) is int and given in STATUS_CODES else None


def _milliseconds(delay: timedelta | None) -> int | None:
    if delay is None:
        return None
    bounded = max(timedelta(0), min(delay, MAX_RETRY_AFTER))
    return bounded // timedelta(milliseconds=1)
