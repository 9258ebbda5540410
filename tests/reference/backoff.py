"""The delay after a failed attempt, before jitter."""

from __future__ import annotations


def delay(strategy: str, attempt: int, initial_ms: int, max_ms: int) -> int:
    """Return the delay in milliseconds; integers of Python never overflow, so they show what saturates."""
    factor: int = {"exponential": 2 ** (attempt - 1), "linear": attempt, "fixed": 1}[strategy]
    return min(initial_ms * factor, max_ms)
