"""Opening the queue at a worker's start: what is waited for, and what is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from fraiseql_observers.errors import (
    DurabilityNotConfirmed,
    QueueError,
    QueueFull,
    QueueRefused,
    QueueUnavailable,
    ServerUnsuitable,
)
from fraiseql_observers.worker import opening
from fraiseql_observers.worker.opening import open_patiently


def attempts(*outcomes: QueueError | str) -> Callable[[], asyncio.Future[str]]:
    """Make an attempt that comes to each of these in turn."""
    left = list(outcomes)

    def attempt() -> asyncio.Future[str]:
        outcome = left.pop(0)
        future = asyncio.get_running_loop().create_future()
        if isinstance(outcome, QueueError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
        return future

    return attempt


def opened(*outcomes: QueueError | str, patience_secs: float | None = None) -> str:
    async def run() -> str:
        return await open_patiently(attempts(*outcomes), "redis://here", patience_secs=patience_secs)

    return asyncio.run(run())


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "FIRST_WAIT_SECS", 0.001)


def test_whatever_may_pass_is_waited_for() -> None:
    """Not only an absent server: an answer that was lost on its way, and a memory that is full."""
    passing = (
        QueueUnavailable("refused"),
        DurabilityNotConfirmed("the connection was lost"),
        QueueFull("full"),
    )
    assert opened(*passing, "open") == "open"


@pytest.mark.parametrize("kind", [QueueRefused, ServerUnsuitable])
def test_what_will_not_pass_is_raised_at_once(kind: type[QueueError]) -> None:
    with pytest.raises(kind, match="so it is"):
        opened(kind("so it is"), "open")


def test_the_last_error_is_raised_when_the_time_is_up() -> None:
    with pytest.raises(DurabilityNotConfirmed, match="lost"):
        opened(DurabilityNotConfirmed("lost"), "open", patience_secs=0.0)
