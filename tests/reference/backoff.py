"""The delay after a failed attempt, before jitter."""

from __future__ import annotations

#: Doubled so often, a delay of one millisecond is beyond 64 bits, which no longest delay is.
MOST_DOUBLINGS = 64


def delay(strategy: str, attempt: int, initial_ms: int, max_ms: int) -> int:
    """Return the delay in milliseconds; integers of Python never overflow, so they show what saturates."""
    doublings = min(attempt - 1, MOST_DOUBLINGS)
    factor: int = {"exponential": 2**doublings, "linear": attempt, "fixed": 1}[strategy]
    return min(initial_ms * factor, max_ms)
