"""The synchronous path: the actions of an event run at once, in this process, and nothing is stored."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self
from uuid import UUID, uuid5

from fraiseql_observers._core import draw_delay
from fraiseql_observers.actions.base import Action, ActionContext
from fraiseql_observers.actions.registry import build_actions
from fraiseql_observers.matching import EventMatcher, Match
from fraiseql_observers.retry import ResolvedRetry, RetryConfig
from fraiseql_observers.worker.outcome import Failure, failure_of

if TYPE_CHECKING:
    from fraiseql_observers._core import EntityEvent
    from fraiseql_observers.config import Config

__all__ = ["ActionFailure", "ExecutionSummary", "ObserverExecutor"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ActionFailure:
    """An action that failed for good.

    Attributes:
        observer: Whose action it is.
        action_index: Which of its actions, from 0.
        attempts: How often it was tried.
        error: What went wrong the last time.
    """

    observer: str
    action_index: int
    attempts: int
    error: str


@dataclass(frozen=True, slots=True)
class ExecutionSummary:
    """What became of one event.

    Attributes:
        matched: Observers that matched.
        actions_succeeded: Actions that succeeded.
        failures: Actions that failed for good.
        condition_errors: Why observers were left out whose condition could not be evaluated, each text once.
        duration: How long it took, retries included.
    """

    matched: int
    actions_succeeded: int
    failures: tuple[ActionFailure, ...]
    condition_errors: tuple[str, ...]
    duration: timedelta = field(compare=False)

    @property
    def is_success(self) -> bool:
        """Whether every action succeeded and every condition was answered."""
        return not self.failures and not self.condition_errors


class ObserverExecutor:
    """Runs the actions of matching observers at once, with the same retries as a worker; needs no Redis.

    Nothing outlives the process: an action that has not succeeded when it ends is lost. Use it for scripts and tests,
    and `build_with_queue` for what must happen. Secrets are read and handlers imported when it is made.
    """

    def __init__(self, config: Config) -> None:
        """Prepare an executor.

        Raises:
            ConfigError: If an observer is wrong, a secret is missing, or a handler cannot be used.
        """
        self._config = config
        self._matcher = EventMatcher.build(config.observers)
        self._actions = build_actions(config)
        self._slots = asyncio.Semaphore(config.job_queue.worker_concurrency)

    async def process_event(self, event: EntityEvent) -> ExecutionSummary:
        """Run the actions of an event and return when each has succeeded or failed for good.

        The id that receivers see is the one that a queued job of the same event would have.
        """
        started = time.monotonic()
        matches = self._matcher.find_matches(event)
        results = await asyncio.gather(
            *(
                self._run(match, index, event)
                for match in matches
                for index in range(len(match.definition.actions))
            )
        )
        failures = tuple(result for result in results if result is not None)
        return ExecutionSummary(
            matched=len(matches),
            actions_succeeded=len(results) - len(failures),
            failures=failures,
            condition_errors=tuple(text for text, _ in matches.errors),
            duration=timedelta(seconds=time.monotonic() - started),
        )

    async def aclose(self) -> None:
        """Close connections."""
        await self._actions.aclose()

    async def __aenter__(self) -> Self:
        """Return the executor itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close connections."""
        await self.aclose()

    async def _run(self, match: Match, index: int, event: EntityEvent) -> ActionFailure | None:
        action = self._actions.get(match.name, index)
        if action is None:  # The registry was built from the same configuration.
            return ActionFailure(match.name, index, 0, "the action is gone")
        retry = (match.definition.retry or RetryConfig()).resolve(self._config.job_queue)
        await asyncio.sleep(match.definition.delay_secs)
        job_id = uuid5(event.id, f"{index}:{match.name}")
        attempt = 0
        while True:
            attempt += 1
            failure = await self._attempt(action, match.name, job_id, attempt, event)
            if failure is None:
                return None
            if failure.permanent or attempt >= retry.max_attempts:
                logger.error(
                    "%s[%d] failed for good after %d attempts: %s", match.name, index, attempt, failure.error
                )
                return ActionFailure(match.name, index, attempt, failure.error)
            await asyncio.sleep(_delay_secs(retry, attempt, failure))

    async def _attempt(
        self, action: Action, observer: str, job_id: UUID, attempt: int, event: EntityEvent
    ) -> Failure | None:
        limit = self._config.worker.job_timeout_secs
        context = ActionContext(
            job_id=job_id,
            attempt=attempt,
            event=event,
            observer=observer,
            deadline=datetime.now(UTC) + timedelta(seconds=limit),
        )
        try:
            async with self._slots, asyncio.timeout(limit):
                await action.run(context)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is a failed attempt, told in the summary
            return failure_of(error)
        return None


def _delay_secs(retry: ResolvedRetry, attempt: int, failure: Failure) -> float:
    delay_ms = draw_delay(
        retry.backoff_strategy,
        attempt,
        retry.initial_delay_ms,
        retry.max_delay_ms,
        jitter=retry.jitter,
        retry_after_ms=failure.retry_after_ms,
    )
    return delay_ms / 1000
