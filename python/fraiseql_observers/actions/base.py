"""What every action is: something that runs once per attempt, and succeeds, fails for now, or fails for good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from fraiseql_observers.actions.templates import Scope

if TYPE_CHECKING:
    from fraiseql_observers._core import EntityEvent

__all__ = ["LONGEST_ERROR_TEXT", "Action", "ActionContext", "ActionResult", "one_line"]

#: The most characters of an error that are kept: it is stored with each of the last attempts of a job.
LONGEST_ERROR_TEXT = 300


@dataclass(frozen=True, slots=True)
class ActionContext:
    """What one attempt knows beside the event.

    Attributes:
        job_id: The job; the same on every attempt, so that the other side can tell a repeat.
        attempt: The number of this attempt; the first is 1.
        event: The event that the action reacts to.
        observer: The observer whose job this is; empty for a job that was enqueued by hand.
        deadline: When the attempt is given up, an aware time in UTC.
    """

    job_id: UUID
    attempt: int
    event: EntityEvent
    observer: str
    deadline: datetime

    def scope(self) -> Scope:
        """Return what the placeholders of a template can name."""
        return Scope(self.event, job_id=self.job_id, attempt=self.attempt)


@dataclass(frozen=True, slots=True)
class ActionResult:
    """A success.

    Attributes:
        status_code: The HTTP status of the answer, where there was one.
    """

    status_code: int | None = None


class Action(Protocol):
    """A configured side effect, ready to run."""

    async def run(self, context: ActionContext) -> ActionResult:
        """Run one attempt.

        Raises:
            RetryableError: If another attempt may succeed.
            PermanentError: If none can.
        """
        ...


def one_line(text: str, limit: int = LONGEST_ERROR_TEXT) -> str:
    """Return `text` on one line: control characters escaped, so that data cannot write lines of its own."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"
