"""The dead letter queue: jobs that will not run by themselves, for a person to look at, replay or remove.

Every call names a letter as it was seen, with its time of death, so two people who act on the same letter act on
it once, and a letter that was replayed and died again is not touched by a call that meant its first death.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from fraiseql_observers.dead_letter_filter import DeadLetterFilter, DeathReason, ErrorType, milliseconds
from fraiseql_observers.pace import Pace

if TYPE_CHECKING:
    from fraiseql_observers._core import JobView, Queue

__all__ = ["DeadLetterFilter", "DeadLetterQueue", "DeadLetterStats", "DeathReason", "ErrorType"]

#: Letters asked for in one round trip; the same bound as the default of ``batch_size``.
PAGE_SIZE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterStats:
    """What is in the dead letter queue, counted.

    Attributes:
        total: All letters.
        by_reason, by_observer, by_action_type, by_error_type: Counts, the largest first; a job enqueued by hand has no
            rule, and one that died of no attempt has no error type.
        oldest_died_at, newest_died_at: The first and the last death, or ``None`` without letters.
    """

    total: int
    by_reason: Mapping[str, int]
    by_observer: Mapping[str, int]
    by_action_type: Mapping[str, int]
    by_error_type: Mapping[str, int]
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
            filter: Which letters to choose. Pages are read until enough are found, so a narrow filter on many letters
                takes time; one of times is fast, since letters lie in the order of their deaths.
        """
        if filter is None:
            return await self._queue.list_jobs("dead_lettered", self._queue_names, offset=offset, limit=limit)
        found: list[JobView] = []
        async for letters in self._pages(filter):
            found += letters
            if len(found) >= offset + limit:
                break
        return found[offset : offset + limit]

    async def get(self, job_id: UUID) -> JobView | None:
        """Return the letter with this id, or ``None`` where the job is no dead letter (any more)."""
        view = await self._queue.find(job_id, self._queue_names)
        return view if view is not None and view.died_at is not None and view.ended is None else None

    async def count(self, filter: DeadLetterFilter | None = None) -> int:
        """Return how many letters there are; with a filter this reads all of them, page by page."""
        if filter is None:
            return await self._queue.dead_count(self._queue_names)
        return sum([len(letters) async for letters in self._pages(filter)])

    async def stats(self, filter: DeadLetterFilter | None = None) -> DeadLetterStats:
        """Count the chosen letters by reason, rule, action type and error type; this reads them page by page."""
        reasons: Counter[str] = Counter()
        observers: Counter[str] = Counter()
        action_types: Counter[str] = Counter()
        error_types: Counter[str] = Counter()
        newest: int | None = None
        oldest: int | None = None
        async for letters in self._pages(filter):
            for letter in letters:
                reasons[letter.reason or "unknown"] += 1
                if letter.observer is not None:
                    observers[letter.observer] += 1
                if letter.job is not None:
                    action_types[letter.job.action_type] += 1
                if letter.error_type is not None:
                    error_types[letter.error_type] += 1
                newest, oldest = newest or letter.died_at, letter.died_at
        return DeadLetterStats(
            total=sum(reasons.values()),
            by_reason=dict(reasons.most_common()),
            by_observer=dict(observers.most_common()),
            by_action_type=dict(action_types.most_common()),
            by_error_type=dict(error_types.most_common()),
            oldest_died_at=_instant(oldest),
            newest_died_at=_instant(newest),
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
        """Send back every chosen letter that is there when the call starts; `count` says beforehand how many.

        What is stopped in the middle has sent back a part, and may simply be done again.

        Args:
            filter: Which letters to choose; ``None`` means all.
            rate: Most letters a second, spread evenly, so that a receiver that has just recovered is not flooded;
                ``None`` is no bound.
            on_progress: Told how many have been sent back so far.

        Returns:
            How many this call sent back.

        Raises:
            ValueError: If ``rate`` is not positive.
        """
        pace = None if rate is None else Pace(rate)
        return await self._act_on_all(self._queue.replay, filter, pace, on_progress)

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
        if letter is None:
            return False
        (done,) = await act([letter])
        return done

    async def _act_on_all(
        self,
        act: _Act,
        chosen: DeadLetterFilter | None,
        pace: Pace | None,
        on_progress: Callable[[int], None] | None,
    ) -> int:
        done = 0
        step = PAGE_SIZE if pace is None else min(PAGE_SIZE, pace.step)
        async for letters in self._pages(chosen):
            for first in range(0, len(letters), step):
                if pace is not None:
                    await pace.wait()
                # A letter that is refused has been taken by somebody else since the page was read.
                count = sum(await act(letters[first : first + step]))
                done += count
                if pace is not None:
                    pace.took(count)
                if on_progress is not None:
                    on_progress(done)
        return done

    async def _pages(self, chosen: DeadLetterFilter | None) -> AsyncIterator[Sequence[JobView]]:
        """Read the chosen letters page by page, the newest first; none comes twice.

        A page begins behind the last letter of the one before, wherever that is by now, so nothing is left out when
        letters go meanwhile. One that dies meanwhile, perhaps of a replay, is newer than all that is still to come and
        left alone: the walk ends although letters may die as fast as they are replayed.
        """
        chosen = chosen or DeadLetterFilter()
        after = None if chosen.until is None else (milliseconds(chosen.until), b"")
        while True:
            page, after = await self._queue.dead_letters(self._queue_names, after=after, limit=PAGE_SIZE)
            letters = [letter for letter in page if chosen.accepts(letter)]
            if letters:
                yield letters
            if after is None or chosen.is_over(after[0]):
                return


_Act = Callable[[Sequence["JobView"]], Awaitable[list[bool]]]


def _instant(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
