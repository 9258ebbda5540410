"""Backoff as Python callers see it."""

from __future__ import annotations

from enum import StrEnum

import pytest

from fraiseql_observers._core import calculate_backoff, draw_delay


class Strategy(StrEnum):
    """A strategy as configuration classes have it."""

    EXPONENTIAL = "exponential"


@pytest.mark.parametrize(
    ("strategy", "delays"),
    [
        ("exponential", [100, 200, 400, 800, 1000]),
        ("linear", [100, 200, 300, 400, 500]),
        ("fixed", [100, 100, 100, 100, 100]),
    ],
)
def test_delays_grow_up_to_the_cap(strategy: str, delays: list[int]) -> None:
    """Attempts count from 1, and delays are milliseconds."""
    assert [calculate_backoff(strategy, attempt, 100, 1000) for attempt in range(1, 6)] == delays


def test_a_first_delay_above_the_cap_is_cut() -> None:
    """Also where it does not grow."""
    assert calculate_backoff("fixed", 1, 500, 200) == 200


def test_numbers_beyond_64_bits_saturate() -> None:
    """Nothing wraps around to a short delay."""
    assert calculate_backoff("exponential", 10**30, 1, 1000) == 1000
    assert calculate_backoff("linear", 10**30, 10**30, 10**30) == 2**64 - 1


def test_a_strategy_is_taken_as_enum_too() -> None:
    """Its value is the word."""
    assert calculate_backoff(Strategy.EXPONENTIAL, 3, 100, 1000) == 400


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("doubling", 1, 1, 1), 'strategy: "doubling" is not one of exponential, linear, fixed'),
        (("fixed", 0, 1, 1), "attempt: 0 is below the minimum 1"),
        (("fixed", 1, -1, 1), "initial_delay_ms: -1 is below the minimum 0"),
        (("fixed", 1, 1, -1), "max_delay_ms: -1 is below the minimum 0"),
    ],
)
def test_values_out_of_range_are_refused_by_name(arguments: tuple[str, int, int, int], text: str) -> None:
    """The text says what was found and what is allowed."""
    for function in (calculate_backoff, draw_delay):
        with pytest.raises(ValueError, match=text):
            function(*arguments)


def test_jitter_is_drawn_from_a_seed() -> None:
    """The same seed draws the same; other seeds spread over the whole range."""
    drawn = [draw_delay("fixed", 1, 1000, 1000, seed=seed) for seed in range(200)]
    assert drawn == [draw_delay("fixed", 1, 1000, 1000, seed=seed) for seed in range(200)]
    assert min(drawn) < 100
    assert max(drawn) > 900
    assert len({draw_delay("fixed", 1, 2**60, 2**60) for _ in range(3)}) == 3


def test_the_wait_is_never_under_what_the_receiver_asked_for() -> None:
    """A `Retry-After` beats the drawn delay and the cap."""
    assert draw_delay("fixed", 1, 100, 1000, retry_after_ms=5000) == 5000
    assert draw_delay("fixed", 1, 100, 1000, jitter="none", retry_after_ms=50) == 100
    with pytest.raises(ValueError, match='jitter: "half" is not one of full, none'):
        draw_delay("fixed", 1, 100, 1000, jitter="half")
    with pytest.raises(ValueError, match="retry_after_ms: -1 is below the minimum 0"):
        draw_delay("fixed", 1, 100, 1000, retry_after_ms=-1)
