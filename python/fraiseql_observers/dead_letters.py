"""The dead letter queue: jobs that will not run by themselves, for a person to look at, replay or remove.

Every call names a letter by its id *and* its time of death, so two people who act on the same letter act on
it once, and a letter that was replayed and died again is not touched by a call that meant its first death.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from fraiseql_observers._core import JobView, Queue

#: Letters asked for in one round trip; the same bound as the default of ``batch_size``.
PAGE_SIZE = 100


class DeathReason(StrEnum):
    """Why a job will not run by itself any more."""

    #: An attempt failed in a way that no further attempt can mend.
    PERMANENT_ERROR = "permanent_error"
    RETRIES_EXHAUSTED = "retries_exhausted"
    #: It was running each time when a worker was lost.
    CRASH_LIMIT = "crash_limit"
    #: What is stored is no job.
    CORRUPT = "corrupt"
    #: It lived longer than ``max_age_secs``.
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterFilter:
    """Chooses letters; what is ``None`` chooses all.

    Attributes:
        observer: The name of the rule.
        reason: Why it died.
        action_type: ``webhook``, ``function`` and so on.
    """

    observer: str | None = None
    reason: DeathReason | None = None
    action_type: str | None = None

    def accepts(self, letter: JobView) -> bool:
        """Whether ``letter`` has everything that is asked for; a corrupt one has only a reason."""
        job = letter.job
        return (
            (self.reason is None or letter.reason == self.reason)
            and (self.observer is None or letter.observer == self.observer)
            and (self.action_type is None or (job is not None and job.action_type == self.action_type))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterStats:
    """What is in the dead letter queue, counted.

    Attributes:
        total: All letters.
        by_reason, by_observer, by_action_type: Counts, the largest first; a job enqueued by hand has no rule.
        oldest_died_at, newest_died_at: The first and the last death, or ``None`` without letters.
    """

    total: int
    by_reason: Mapping[str, int]
    by_observer: Mapping[str, int]
    by_action_type: Mapping[str, int]
    oldest_died_at: datetime | None
    newest_died_at: datetime | None


class DeadLetterQueue:
    """Looks at dead letters, sends them back, or deletes them.

    Args:
        queue: Where the letters are.
        queue_names: The names of the queues whose letters these are, see `inspector.queue_names`.
    """

    def __init__(self, queue: Queue, queue_names: Sequence[str] = ("default",)) -> None:
        self._queue = queue
        self._queue_names = list(queue_names)

    async def list(
        self,
        *,
        offset: int = 0,
        limit: int = 50,
        filter: DeadLetterFilter | None = None,
    ) -> Sequence[JobView]:
        """Return letters, the newest first.

        Args:
            offset: How many of the chosen letters to leave out at the start.
            limit: Most letters to return.
            filter: Which letters to choose; each page is read, so a narrow filter on many letters takes time.
        """
        if filter is None:
            return await self._page(offset, limit)
        found: list[JobView] = []
        async for letter in self._walk():
            if filter.accepts(letter):
                found.append(letter)
                if len(found) == offset + limit:
                    break
        return found[offset:]

    async def get(self, job_id: UUID) -> JobView | None:
        """Return the letter with this id, or ``None`` where the job is no dead letter (any more)."""
        view = await self._queue.find(job_id, self._queue_names)
        return view if view is not None and view.died_at is not None and view.ended is None else None

    async def count(self, filter: DeadLetterFilter | None = None) -> int:
        """Return how many letters there are; with a filter this reads all of them, page by page."""
        if filter is None:
            return await self._queue.dead_count(self._queue_names)
        return sum([filter.accepts(letter) async for letter in self._walk()])

    async def stats(self) -> DeadLetterStats:
        """Count the letters by reason, rule and action type; this reads all of them, page by page."""
        reasons: Counter[str] = Counter()
        observers: Counter[str] = Counter()
        action_types: Counter[str] = Counter()
        deaths: list[int] = []
        async for letter in self._walk():
            reasons[letter.reason or "unknown"] += 1
            if letter.observer is not None:
                observers[letter.observer] += 1
            if letter.job is not None:
                action_types[letter.job.action_type] += 1
            if letter.died_at is not None:
                deaths.append(letter.died_at)
        return DeadLetterStats(
            total=sum(reasons.values()),
            by_reason=dict(reasons.most_common()),
            by_observer=dict(observers.most_common()),
            by_action_type=dict(action_types.most_common()),
            oldest_died_at=_instant(min(deaths)) if deaths else None,
            newest_died_at=_instant(max(deaths)) if deaths else None,
        )

    async def replay(self, job_id: UUID) -> bool:
        """Send one letter back, with a fresh attempt budget and the same id and history.

        Returns:
            Whether this call did it; ``False`` where the job is no dead letter, or somebody else was faster.
        """
        return await self._act_on_one(self._queue.replay, job_id)

    async def replay_all(
        self,
        filter: DeadLetterFilter | None = None,
        rate: float | None = None,
        *,
        on_progress: Callable[[int], None] | None = None,
    ) -> int:
        """Send back every chosen letter that is there when the call starts.

        Args:
            filter: Which letters to choose; ``None`` means all.
            rate: Most letters a second, so that a receiver that has just recovered is not flooded; ``None`` is
                no bound.
            on_progress: Told how many have been sent back so far.

        Returns:
            How many this call sent back.

        Raises:
            ValueError: If ``rate`` is not positive.
        """
        if rate is not None and not rate > 0:
            raise ValueError(f"rate: {rate} letters a second; it must be above 0")
        return await self._act_on_all(self._queue.replay, filter, rate, on_progress)

    async def remove(self, job_id: UUID) -> bool:
        """Delete one letter for good.

        Returns:
            Whether this call did it.
        """
        return await self._act_on_one(self._queue.remove, job_id)

    async def clear(
        self,
        filter: DeadLetterFilter | None = None,
        *,
        on_progress: Callable[[int], None] | None = None,
    ) -> int:
        """Delete for good every chosen letter that is there when the call starts, and return how many."""
        return await self._act_on_all(self._queue.remove, filter, None, on_progress)

    async def _act_on_one(self, act: _Act, job_id: UUID) -> bool:
        letter = await self.get(job_id)
        if letter is None or letter.died_at is None:
            return False
        (done,) = await act([(letter.id, letter.died_at)], self._queue_names)
        return done

    async def _act_on_all(
        self,
        act: _Act,
        accepted: DeadLetterFilter | None,
        rate: float | None,
        on_progress: Callable[[int], None] | None,
    ) -> int:
        """Act on the chosen letters page by page, and return on how many.

        What is acted on leaves the list, so the next page starts after what has stayed. A letter that dies
        meanwhile, perhaps a replayed one, goes to the head of the list; it is newer than the first one seen
        and left alone, so the walk ends although letters may die as fast as they are replayed.
        """
        started = time.monotonic()
        newest: int | None = None
        refused: set[tuple[UUID, int]] = set()
        done = stayed = 0
        page_size = PAGE_SIZE if rate is None else max(1, min(PAGE_SIZE, int(rate)))
        while page := await self._page(stayed, page_size):
            if newest is None:
                newest = page[0].died_at
            chosen = [
                (letter.id, letter.died_at)
                for letter in page
                if letter.died_at is not None
                and (newest is None or letter.died_at <= newest)
                and (letter.id, letter.died_at) not in refused
                and (accepted is None or accepted.accepts(letter))
            ]
            answers = await act(chosen, self._queue_names) if chosen else []
            # A letter that was refused has been taken by somebody else, or cannot be acted on. Which of them
            # it is shows when the same place of the list is read again: what is still there has stayed.
            refused.update(letter for letter, was_done in zip(chosen, answers, strict=True) if not was_done)
            done += sum(answers)
            stayed += len(page) - len(chosen)
            if on_progress is not None:
                on_progress(done)
            if rate is not None:
                await asyncio.sleep(max(0.0, started + done / rate - time.monotonic()))
        return done

    async def _page(self, offset: int, limit: int) -> Sequence[JobView]:
        return await self._queue.list_jobs("dead_lettered", self._queue_names, offset=offset, limit=limit)

    async def _walk(self) -> AsyncIterator[JobView]:
        """Read all letters, the newest first; one that dies meanwhile may be missed, none comes twice."""
        seen: set[tuple[UUID, int | None]] = set()
        offset = 0
        while page := await self._page(offset, PAGE_SIZE):
            for letter in page:
                key = (letter.id, letter.died_at)
                if key not in seen:
                    seen.add(key)
                    yield letter
            offset += len(page)


_Act = Callable[[list[tuple[UUID, int]], list[str]], Awaitable[list[bool]]]


def _instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
