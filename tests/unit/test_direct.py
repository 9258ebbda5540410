"""The synchronous path: actions run at once, with the same retries as a worker, and without any server."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import Iterator
from types import ModuleType
from uuid import uuid5

import pytest

from fraiseql_observers._core import EntityEvent
from fraiseql_observers.actions.base import ActionContext
from fraiseql_observers.config import Config, WorkerConfig
from fraiseql_observers.direct import ExecutionSummary, ObserverExecutor
from fraiseql_observers.errors import PermanentError, RetryableError
from fraiseql_observers.observers import ObserverDefinition

CALLS: list[tuple[int, uuid.UUID]] = []


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Offer this module's handlers under a name that a configuration can give."""
    module = ModuleType("direct_handlers")
    module.__dict__.update(fails_once=fails_once, fails_for_good=fails_for_good, hangs=hangs)
    sys.modules["direct_handlers"] = module
    CALLS.clear()
    yield
    del sys.modules["direct_handlers"]


async def fails_once(_event: EntityEvent, context: ActionContext) -> None:
    """Fail on the first attempt."""
    CALLS.append((context.attempt, context.job_id))
    if context.attempt == 1:
        raise RetryableError("not yet")


def fails_for_good(_event: EntityEvent, context: ActionContext) -> None:
    """Fail in a way that no attempt mends."""
    CALLS.append((context.attempt, context.job_id))
    raise PermanentError("never")


async def hangs(_event: EntityEvent, _context: ActionContext) -> None:
    """Never end."""
    await asyncio.Event().wait()


def run(handler: str, event: EntityEvent, condition: str | None = None) -> ExecutionSummary:
    """Run one observer's function on an event."""
    action = {"type": "function", "handler": f"direct_handlers:{handler}"}
    retry = {"max_attempts": 2, "initial_delay_ms": 10, "max_delay_ms": 100}
    observer = ObserverDefinition("*", "*", [action], condition, retry)
    config = Config(worker=WorkerConfig(job_timeout_secs=1), observers={"a": observer})

    async def process() -> ExecutionSummary:
        async with ObserverExecutor(config) as executor:
            return await executor.process_event(event)

    return asyncio.run(process())


@pytest.fixture
def event() -> EntityEvent:
    """Give an event."""
    return EntityEvent("INSERT", "Order", uuid.uuid4(), {"total": 1})


def test_a_passing_failure_is_tried_again_under_the_same_id(event: EntityEvent) -> None:
    """The id is the one that a queued job of the event would have."""
    summary = run("fails_once", event)
    assert summary.is_success
    assert (summary.matched, summary.actions_succeeded) == (1, 1)
    assert [(1, uuid5(event.id, "0:a")), (2, uuid5(event.id, "0:a"))] == CALLS


def test_a_failure_for_good_is_not_tried_again(event: EntityEvent) -> None:
    """It is in the summary, with what the handler said."""
    summary = run("fails_for_good", event)
    assert not summary.is_success
    assert [(f.observer, f.action_index, f.attempts, f.error) for f in summary.failures] == [
        ("a", 0, 1, "never")
    ]
    assert len(CALLS) == 1


def test_an_attempt_that_takes_too_long_is_given_up(event: EntityEvent) -> None:
    """Each attempt has ``job_timeout_secs``; the last one ends the action."""
    summary = run("hangs", event)
    assert [failure.attempts for failure in summary.failures] == [2]


def test_a_condition_that_cannot_be_answered_is_told(event: EntityEvent) -> None:
    """Its observer is left out, and the event does not fail."""
    summary = run("fails_once", event, "missing == 1")
    assert (summary.matched, summary.is_success) == (0, False)
    assert summary.condition_errors == ("Field not found: missing",)
