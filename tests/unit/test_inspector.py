"""`fraiseql_observers.inspector` on a queue in memory: counts over queues and shards, cancelling, blank workers."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from fraiseql_observers._core import MemoryQueue
from fraiseql_observers.assembly import queue_options
from fraiseql_observers.config import Config
from fraiseql_observers.executor import BlockingQueuedObserverExecutor
from fraiseql_observers.inspector import Cancellation, Inspector, JobState, WorkerView, queue_names
from tests.support.configs import config_for, log_observer


def shop() -> Config:
    """Two rules on two queues of four shards each; one rule waits for an hour."""
    observers = {
        "now": log_observer(),
        "later": log_observer("total > 10", queue="slow", delay_secs=3600),
    }
    return config_for("redis://unused", "unused", observers, storage={"shards": 4})


def filled(config: Config, count: int = 20) -> Inspector:
    """Publish ``count`` events, half of which match both rules, and look at the queue."""
    queue = MemoryQueue(queue_options(config))
    executor = BlockingQueuedObserverExecutor(config, queue)
    executor.process_events(
        [
            {
                "event_type": "INSERT",
                "entity_type": "Order",
                "entity_id": str(uuid4()),
                "data": {"total": 20 * (number % 2)},
            }
            for number in range(count)
        ]
    )
    return Inspector(queue, queue_names(config))


def test_a_configuration_names_each_of_its_queues_once() -> None:
    """Those that are worked first, then those that jobs are sent to."""
    assert queue_names(shop()) == ("default", "slow")


def test_status_adds_up_the_shards_of_each_queue() -> None:
    """The counts of all queues are those of each together."""
    status = asyncio.run(filled(shop()).status())
    assert (status.total.pending, status.total.scheduled, status.total.dead) == (20, 10, 0)
    assert status.queues["default"].pending == 20
    assert status.queues["slow"].scheduled == 10
    assert status.counters["enqueued"] == 30
    assert (status.server.product, status.server.durability) == ("memory", "memory")
    assert status.to_dict()["pending"] == 20


def test_pages_of_jobs_cover_all_shards_once() -> None:
    """No job is on two pages, and none on no page."""
    inspector = filled(shop())

    async def pages() -> list[UUID]:
        return [
            view.id
            for offset in range(0, 25, 5)
            for view in await inspector.jobs(JobState.PENDING, offset=offset, limit=5)
        ]

    ids = asyncio.run(pages())
    assert len(ids) == len(set(ids)) == 20


def test_a_cancelled_job_is_cancelled_once() -> None:
    """Each id has its own answer, in the order of the question."""
    inspector = filled(shop())

    async def cancel() -> list[Cancellation]:
        (pending, *_) = await inspector.jobs(JobState.PENDING)
        (scheduled, *_) = await inspector.jobs(JobState.SCHEDULED, queue="slow")
        return await inspector.cancel([pending.id, pending.id, scheduled.id, uuid4()])

    answers = asyncio.run(cancel())
    assert [answer.is_cancelled for answer in answers] == [True, False, True, False]
    assert [str(answer) for answer in answers] == [
        "cancelled; it was pending",
        "was cancelled before",
        "cancelled; it was scheduled",
        "not known",
    ]


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (JobState.RUNNING, "cancelled while it ran; its action may have happened"),
        (JobState.COMPLETED, "not cancelled, since it is completed"),
        (JobState.DEAD_LETTERED, "not cancelled, since it is dead_lettered"),
    ],
)
def test_what_became_of_the_wish_to_cancel_is_said(state: JobState, text: str) -> None:
    """A side effect that may have happened is not kept quiet."""
    answer = Cancellation(uuid4(), state)
    assert str(answer) == text
    assert answer.may_have_acted == (state is JobState.RUNNING)


@pytest.mark.parametrize("info", ["", "no json", "{}", "[1]", '{"host": null, "pid": "x"}'])
def test_a_worker_of_another_version_is_shown_as_far_as_it_is_known(info: str) -> None:
    """What it says of itself is read with care, since any program may have written it."""
    view = WorkerView.read(info, 1_700_000_000_000)
    assert view.pid is None
    assert view.lease_until.year == 2023
