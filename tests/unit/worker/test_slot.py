"""When a slot gets its next child."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from fraiseql_observers.worker.pipes import ExitCode
from fraiseql_observers.worker.process import ChildProcess
from fraiseql_observers.worker.slot import HEALTHY_SECS, MAX_RESTART_SECS, SILENCE_SECS, Slot
from tests.support.wait import wait_until


@pytest.fixture(scope="module")
def child() -> Iterator[ChildProcess]:
    """Start a child that ends at once: a slot only holds it."""
    started = ChildProcess([sys.executable, "-c", "pass"], "child")
    yield started
    started.close()
    wait_until(lambda: started.exit_code() is not None, what="the end of the child")


def test_waits_grow_to_a_bound(child: ChildProcess) -> None:
    slot = Slot("child 1")
    waits = []
    for now in range(10):
        slot.occupy(child, now)
        waits.append(slot.vacate(1, now))
    assert waits[:4] == [0.5, 1.0, 2.0, 4.0]
    assert waits[-1] == MAX_RESTART_SECS


def test_a_healthy_minute_forgets_the_deaths_before(child: ChildProcess) -> None:
    slot = Slot("child 1")
    for now in range(5):
        slot.occupy(child, now)
        slot.vacate(1, now)
    slot.occupy(child, 100.0)
    slot.became_ready(101.0)
    assert slot.vacate(-9, 101.0 + HEALTHY_SECS) == 0.5


def test_a_minute_without_being_ready_is_not_healthy(child: ChildProcess) -> None:
    slot = Slot("child 1")
    slot.occupy(child, 0.0)
    slot.vacate(1, 0.0)
    slot.occupy(child, 1.0)
    assert slot.vacate(1, 1.0 + 2 * HEALTHY_SECS) == 1.0


def test_a_child_that_falls_silent_is_not_healthy(child: ChildProcess) -> None:
    slot = Slot("child 1")
    slot.occupy(child, 0.0)
    assert not slot.is_healthy(0.0)
    slot.became_ready(0.0)
    assert slot.is_healthy(SILENCE_SECS)
    assert not slot.is_healthy(SILENCE_SECS + 0.1)


def test_a_slot_on_demand_starts_nothing_until_it_is_wanted(child: ChildProcess) -> None:
    slot = Slot("suspects", on_demand=True)
    assert not slot.is_due(1e9)
    slot.want(5.0)
    assert slot.is_due(5.0)
    slot.occupy(child, 5.0)
    slot.want(6.0)
    assert slot.vacate(ExitCode.DONE, 7.0) is None
    assert not slot.is_due(1e9)
