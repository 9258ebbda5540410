"""Which dead letters are meant: why and when they died, and whose they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fraiseql_observers._core import JobView


class DeathReason(StrEnum):
    """Why a job will not run by itself any more."""

    #: An attempt failed in a way that no further attempt can mend.
    PERMANENT_ERROR = "permanent_error"
    RETRIES_EXHAUSTED = "retries_exhausted"
    #: It was running each time when a worker was lost.
    CRASH_LIMIT = "crash_limit"
    #: What is stored is no job.
    CORRUPT = "corrupt"
    #: It lived longer than ``max_age_secs``.
    EXPIRED = "expired"


class ErrorType(StrEnum):
    """How the attempt failed that a job died of; one that died otherwise has none."""

    #: It might have succeeded later, as a refused connection might.
    TRANSIENT = "transient"
    #: It took longer than it may.
    TIMEOUT = "timeout"
    #: No attempt would have succeeded.
    PERMANENT = "permanent"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterFilter:
    """Chooses letters; what is ``None`` chooses all, and everything that is given must hold.

    Attributes:
        observer: The name of the rule.
        reason: Why it died.
        action_type: ``webhook``, ``function`` and so on.
        error_type: How its last attempt failed.
        text: Stands somewhere in its last error, in upper or lower case.
        since: It died then or later; aware.
        until: It died before then; aware.

    Raises:
        ValueError: If a time has no zone, or `since` is not before `until`.
    """

    observer: str | None = None
    reason: DeathReason | None = None
    action_type: str | None = None
    error_type: ErrorType | None = None
    text: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        for name, moment in (("since", self.since), ("until", self.until)):
            if moment is not None and moment.utcoffset() is None:
                raise ValueError(f"{name}: {moment} has no time zone")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ValueError(f"since: {self.since} is not before until, {self.until}")

    def accepts(self, letter: JobView) -> bool:
        """Whether ``letter`` has everything that is asked for; a corrupt one has only a reason and a time."""
        job = letter.job
        return (
            (self.reason is None or letter.reason == self.reason)
            and (self.observer is None or letter.observer == self.observer)
            and (self.action_type is None or (job is not None and job.action_type == self.action_type))
            and (self.error_type is None or letter.error_type == self.error_type)
            and (self.text is None or self.text.casefold() in (letter.last_error or "").casefold())
            and self._died_in_time(letter.died_at)
        )

    def is_over(self, died_at_ms: int) -> bool:
        """Whether letters that died at this time or before are too old to be chosen."""
        return self.since is not None and died_at_ms < milliseconds(self.since)

    def _died_in_time(self, died_at_ms: int | None) -> bool:
        if died_at_ms is None:
            return False
        is_early = self.until is None or died_at_ms < milliseconds(self.until)
        return is_early and not self.is_over(died_at_ms)


def milliseconds(moment: datetime) -> int:
    """Turn an instant into wire milliseconds."""
    return round(moment.timestamp() * 1000)
