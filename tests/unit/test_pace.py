"""`fraiseql_observers.pace`: a rate is kept whatever delays there are, on a clock that the test moves."""

from __future__ import annotations

import asyncio

import pytest

from fraiseql_observers.pace import Pace


class Timer:
    """A clock that sleeping moves, always a little late."""

    def __init__(self, lateness: float = 0.0) -> None:
        self.now = 1_000.0
        self.lateness = lateness

    def __call__(self) -> float:
        """Tell the time."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds + self.lateness


def spread(rate: float, count: int, timer: Timer, stall: float = 0.0) -> list[tuple[float, int]]:
    """Do so many things at a rate; says when how many were done. Half-way a call takes `stall` seconds."""
    pace = Pace(rate, clock=timer, sleep=timer.sleep)
    done: list[tuple[float, int]] = []

    async def work() -> None:
        left = count
        while left:
            await pace.wait()
            step = min(pace.step, left)
            done.append((timer.now - 1_000.0, step))
            left -= step
            if left == count // 2:
                timer.now += stall
            pace.took(step)

    asyncio.run(work())
    return done


@pytest.mark.parametrize("rate", [0.5, 3, 20, 1_000])
def test_a_rate_is_kept_to_within_one_step(rate: float) -> None:
    """Late timers slow it down by next to nothing."""
    count = max(4, int(rate * 5))
    done = spread(rate, count, Timer(lateness=0.001))
    assert sum(step for _, step in done) == count
    assert done[-1][0] == pytest.approx((count - done[-1][1]) / rate, rel=0.02, abs=0.01)


@pytest.mark.parametrize("stall", [0.0, 0.05, 30.0])
def test_no_second_has_more_than_the_rate_and_one_step(stall: float) -> None:
    """After a long stall nothing is caught up with: whoever was away is not flooded."""
    rate = 50
    done = spread(rate, 500, Timer(), stall)
    for start, _ in done:
        within = sum(step for at, step in done if start <= at < start + 1)
        assert within <= rate + 2 * int(rate * 0.1), start


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_a_rate_that_would_never_end_is_refused(rate: float) -> None:
    """It must be above 0."""
    with pytest.raises(ValueError, match="above 0"):
        Pace(rate)
