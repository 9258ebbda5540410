"""For users' own tests: what an event matches, and a queue in memory under a clock that stands still.

```python
def test_shipped_orders_match():
    assert_matches(CONFIG, event, ["order_shipped"])


async def test_shipped_orders_are_told():
    queue = memory_queue(CONFIG)
    executor = QueuedObserverExecutor(CONFIG, queue.core)
    await executor.process_event(event)
    await assert_enqueued(queue, observer="order_shipped")
```
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from fraiseql_observers.job_queue import Job, MemoryJobQueue
from fraiseql_observers.matching import EventMatcher

if TYPE_CHECKING:
    from fraiseql_observers._core import EntityEvent
    from fraiseql_observers.config import Config
    from fraiseql_observers.definition import ObserverDefinition

__all__ = ["ManualClock", "assert_enqueued", "assert_matches", "enqueued_jobs", "memory_queue"]

#: Where a manual clock starts, unless it is told otherwise.
START: Final = datetime(2030, 1, 1, tzinfo=UTC)

#: Jobs looked at by one call; tests have fewer.
MOST_JOBS: Final = 1000


def assert_matches(
    rules: EventMatcher | Config | Mapping[str, ObserverDefinition],
    event: EntityEvent | bytes | str | dict[str, Any],
    names: Iterable[str],
) -> None:
    """Assert that an event concerns exactly the observers with these names.

    Args:
        rules: The observers: a matcher, a configuration, or definitions by name.
        event: As `EventMatcher.find_matches` takes it.
        names: The observers that must match, in any order; none of the others may. One whose condition cannot be
            answered does not match.

    Raises:
        AssertionError: If others match, or not all of these; the text explains each that is wrong.
        KeyError: If there is no observer of such a name.
    """
    if isinstance(names, str):
        raise TypeError(f"names: expected names, got the text {names!r}")
    expected = frozenset(names)
    if isinstance(rules, EventMatcher):
        matcher = rules
    else:
        matcher = EventMatcher.build(rules if isinstance(rules, Mapping) else rules.observers)
    for name in expected:
        if name not in matcher.definitions:
            raise KeyError(f"there is no observer {name!r}")
    wrong = [rule for rule in matcher.explain(event) if rule.matched != (rule.name in expected)]
    if wrong:
        raise AssertionError(
            "\n".join(
                f"{rule.name} should {'match' if rule.name in expected else 'not match'}:\n{rule}"
                for rule in wrong
            )
        )


class ManualClock:
    """The clock of a memory queue: it stands still until a test moves it."""

    def __init__(self, queue: MemoryJobQueue, now: datetime = START) -> None:
        """Take a queue's clock; `memory_queue` gives both."""
        self._queue = queue
        self._now = now

    @property
    def now(self) -> datetime:
        """The time that it shows."""
        return self._now

    def advance(self, by: timedelta) -> None:
        """Move it forth, or back."""
        self._now += by
        self._queue.set_clock(self._now)


def memory_queue(config: Config, *, now: datetime = START) -> MemoryJobQueue:
    """Return an empty queue in memory whose clock stands at `now`; `ManualClock` moves it."""
    return MemoryJobQueue(config, now=now)


async def enqueued_jobs(queue: MemoryJobQueue, *, observer: str | None = None) -> list[Job]:
    """Return the jobs that wait, pending and scheduled, of one observer or of all."""
    found: list[Job] = []
    for state in ("pending", "scheduled"):
        views = await queue.core.list_jobs(state, queues=queue.queues, offset=0, limit=MOST_JOBS)
        found += [view.job for view in views if view.job is not None]
    return [job for job in found if observer is None or job.observer == observer]


async def assert_enqueued(
    queue: MemoryJobQueue,
    *,
    observer: str | None = None,
    event_id: UUID | None = None,
    count: int = 1,
) -> list[Job]:
    """Assert that exactly `count` jobs wait that fit, and return them.

    Raises:
        AssertionError: If there are more or fewer; the text lists what waits.
    """
    waiting = await enqueued_jobs(queue)
    fitting = [
        job
        for job in waiting
        if (observer is None or job.observer == observer) and (event_id is None or job.event.id == event_id)
    ]
    if len(fitting) != count:
        seen = ", ".join(f"{job.observer}[{job.action_index}] of event {job.event.id}" for job in waiting)
        raise AssertionError(f"{len(fitting)} jobs fit, {count} expected; waiting: {seen or 'none'}")
    return fitting
