"""Delays follow the formula in integers that cannot overflow, and never leave their bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fraiseql_observers._core import calculate_backoff, draw_delay
from tests.reference import backoff

strategies = st.sampled_from(["exponential", "linear", "fixed"])
attempts = st.integers(1, 200) | st.integers(1, 2**32 - 1)
delays = st.integers(0, 86_400_000) | st.integers(0, 2**64 - 1)


@given(strategies, attempts | st.integers(1, 70), delays, delays)
def test_delay_follows_the_formula(strategy: str, attempt: int, initial_ms: int, max_ms: int) -> None:
    """What would overflow is the longest delay."""
    assert calculate_backoff(strategy, attempt, initial_ms, max_ms) == backoff.delay(
        strategy, attempt, initial_ms, max_ms
    )


@given(strategies, attempts, delays, delays, st.integers(0, 2**64 - 1), st.none() | delays)
def test_drawn_delay_stays_within_its_bounds(
    strategy: str, attempt: int, initial_ms: int, max_ms: int, seed: int, retry_after_ms: int | None
) -> None:
    """Never above the calculated delay unless the receiver asked for more, and never below what it asked for."""
    most = calculate_backoff(strategy, attempt, initial_ms, max_ms)
    least = retry_after_ms or 0
    drawn = draw_delay(strategy, attempt, initial_ms, max_ms, seed=seed, retry_after_ms=retry_after_ms)
    assert least <= drawn <= max(most, least)
    again = draw_delay(strategy, attempt, initial_ms, max_ms, seed=seed, retry_after_ms=retry_after_ms)
    assert drawn == again
    assert draw_delay(strategy, attempt, initial_ms, max_ms, jitter="none") == most
