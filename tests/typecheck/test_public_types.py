"""The public face as type checkers see it.

mypy and pyright check this file like every other: `assert_type` fails there if a type has become wider or unknown.
pytest runs it too, so that no line describes something that does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, assert_type
from uuid import UUID, uuid4

from fraiseql_observers import (
    Condition,
    Config,
    DeadLetterQueue,
    EntityEvent,
    EventKind,
    EventMatcher,
    ExecutionSummary,
    JobQueue,
    JobView,
    Match,
    Matches,
    MemoryJobQueue,
    ObserverDefinition,
    ObserverExecutor,
    ProcessEventQueued,
    ProcessSummary,
    QueuedObserverExecutor,
    RedisJobQueue,
    build_job_queue,
    build_with_queue,
    calculate_backoff,
    load_config,
)

_RULE = ObserverDefinition("INSERT", "Order", [{"type": "log"}], condition="total > 100")


def test_events_and_conditions_have_exact_types() -> None:
    event = EntityEvent("INSERT", "Order", uuid4(), {"total": 120})
    assert_type(event.id, UUID)
    assert_type(event.event_type, EventKind)
    assert_type(event.timestamp, datetime)
    assert_type(event.user_id, str | None)
    assert_type(event.changes, dict[str, dict[str, Any]] | None)
    assert_type(event.to_json(), bytes)
    assert_type(Condition.parse("total > 1").evaluate(event), bool)
    assert_type(calculate_backoff("fixed", 1, 100, 1000), int)


def test_matches_are_a_sequence_of_matches() -> None:
    matches = EventMatcher.build({"rule": _RULE}).find_matches(
        EntityEvent("INSERT", "Order", uuid4(), {"total": 120})
    )
    assert_type(matches, Matches)
    assert_type(matches[0], Match)
    assert_type(matches[0].definition, ObserverDefinition)
    assert_type(matches.errors, tuple[tuple[str, int], ...])


def test_a_configuration_is_typed_to_its_leaves() -> None:
    config = Config(observers={"rule": _RULE})
    assert_type(config.job_queue.batch_size, int)
    assert_type(config.worker.queues, tuple[str, ...])
    assert_type(config.observers, Mapping[str, ObserverDefinition])


async def see_the_queues() -> None:
    """Check the types of calls that would need a server."""
    config = load_config("observers.toml")
    executor = build_with_queue(config)
    assert_type(executor, QueuedObserverExecutor)
    assert_type(await executor.process_event({}), ProcessSummary)
    assert_type(await executor.process_events([b"{}"]), list[ProcessSummary])
    queued: ProcessEventQueued = executor
    assert_type(await queued.process_event("{}"), ProcessSummary)

    queue = build_job_queue(config)
    assert_type(queue, RedisJobQueue)
    contract: list[JobQueue] = [queue, MemoryJobQueue(config)]
    assert_type(await contract[0].get_job(uuid4()), JobView | None)
    assert_type(await contract[0].queue_depth(), int)
    assert_type(await DeadLetterQueue(queue.core).count(), int)

    async with ObserverExecutor(config) as direct:
        assert_type(await direct.process_event(EntityEvent("INSERT", "Order", uuid4(), {})), ExecutionSummary)
