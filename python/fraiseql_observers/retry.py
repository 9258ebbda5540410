"""How the jobs of an observer are retried."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from pydantic import Field

from fraiseql_observers.problems import Problem, ProblemKind, error_for
from fraiseql_observers.settings import Conflict, Settings

if TYPE_CHECKING:
    from fraiseql_observers.config.sections import JobQueueConfig

__all__ = ["BackoffStrategy", "Jitter", "ResolvedRetry", "RetryConfig"]

BackoffStrategy = Literal["exponential", "linear", "fixed"]
Jitter = Literal["full", "none"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ResolvedRetry:
    """How the jobs of one observer are retried, with nothing left open.

    Attributes:
        max_attempts: Executions in all, the first included.
        backoff_strategy: How the delay grows.
        initial_delay_ms: The delay after the first failure, before jitter.
        max_delay_ms: The longest delay.
        jitter: ``full`` draws each delay between zero and the computed one; ``none`` takes it as it is.
    """

    max_attempts: int
    backoff_strategy: BackoffStrategy
    initial_delay_ms: int
    max_delay_ms: int
    jitter: Jitter


class RetryConfig(Settings):
    """How an observer's jobs are retried; what is absent comes from the preset, then from ``[job_queue]``.

    Attributes:
        preset: ``webhook`` is 12 attempts, exponential from 2 minutes up to a day, full jitter.
        max_attempts: Executions in all, the first included (1–101).
        backoff_strategy: ``exponential``, ``linear`` or ``fixed``.
        initial_delay_ms: The first delay (10–86400000), at most `max_delay_ms`.
        max_delay_ms: The longest delay (100–86400000).
        jitter: ``full`` or ``none``.
    """

    preset: Literal["webhook"] | None = None
    max_attempts: int | None = Field(default=None, ge=1, le=101)
    backoff_strategy: BackoffStrategy | None = None
    initial_delay_ms: int | None = Field(default=None, ge=10, le=86_400_000)
    max_delay_ms: int | None = Field(default=None, ge=100, le=86_400_000)
    jitter: Jitter | None = None

    def resolve(self, job_queue: JobQueueConfig) -> ResolvedRetry:
        """Fill in what is absent.

        Args:
            job_queue: Where the defaults come from: `max_retries`, `initial_delay_ms`, `max_delay_ms`.

        Raises:
            ConfigError: If the first delay is above the longest one once both are known.
        """
        base = _PRESETS.get(self.preset) or ResolvedRetry(
            max_attempts=job_queue.max_retries + 1,
            backoff_strategy="exponential",
            initial_delay_ms=job_queue.initial_delay_ms,
            max_delay_ms=job_queue.max_delay_ms,
            jitter="full",
        )
        resolved = ResolvedRetry(
            max_attempts=_given_or(self.max_attempts, base.max_attempts),
            backoff_strategy=_given_or(self.backoff_strategy, base.backoff_strategy),
            initial_delay_ms=_given_or(self.initial_delay_ms, base.initial_delay_ms),
            max_delay_ms=_given_or(self.max_delay_ms, base.max_delay_ms),
            jitter=_given_or(self.jitter, base.jitter),
        )
        if resolved.initial_delay_ms > resolved.max_delay_ms:
            name = "initial_delay_ms" if self.initial_delay_ms is not None else "max_delay_ms"
            message = (
                f"initial_delay_ms ({resolved.initial_delay_ms}) is above max_delay_ms ({resolved.max_delay_ms}), "
                "counting what comes from the preset or [job_queue]; allowed: at most max_delay_ms"
            )
            raise error_for([Problem(ProblemKind.CONFLICT, (name,), message)])
        return resolved

    def conflicts(self) -> Iterator[Conflict]:
        """Yield the conflict of the two delays, where both are known without ``[job_queue]``."""
        preset = _PRESETS.get(self.preset)
        initial = self.initial_delay_ms or (preset.initial_delay_ms if preset else None)
        longest = self.max_delay_ms or (preset.max_delay_ms if preset else None)
        if initial is not None and longest is not None and initial > longest:
            message = f"initial_delay_ms ({initial}) is above max_delay_ms ({longest}); allowed: at most max_delay_ms"
            fields = ("initial_delay_ms", "max_delay_ms", "preset")
            yield Conflict(fields if self.initial_delay_ms is not None else fields[1:], message)


#: Receivers are down for hours, not for seconds: at most 58 hours in all.
_PRESETS: dict[str | None, ResolvedRetry] = {
    "webhook": ResolvedRetry(
        max_attempts=12,
        backoff_strategy="exponential",
        initial_delay_ms=120_000,
        max_delay_ms=86_400_000,
        jitter="full",
    )
}


def _given_or(given: _T | None, default: _T) -> _T:
    return default if given is None else given
