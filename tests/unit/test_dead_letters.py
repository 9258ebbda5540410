"""`fraiseql_observers.dead_letters`: walks end, filters choose, and nothing is acted on twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID, uuid4

import pytest

from fraiseql_observers.dead_letters import PAGE_SIZE, DeadLetterFilter, DeadLetterQueue, DeathReason

T = TypeVar("T")


def of(store: Store) -> DeadLetterQueue:
    """Look at a store, which answers as a queue does."""
    return DeadLetterQueue(store)  # type: ignore[arg-type]  # letters that die meanwhile need a queue that obeys the test


def run(call: Coroutine[object, object, T]) -> T:
    """Make one call on an event loop of its own."""
    return asyncio.run(call)


@dataclass(frozen=True)
class Job:
    """The part of a job that letters are chosen by."""

    observer: str | None = "order_shipped"
    action_type: str = "webhook"


@dataclass(frozen=True)
class Letter:
    """A dead letter, or a job in another state where ``died_at`` is ``None``."""

    died_at: int | None
    job: Job | None = field(default_factory=Job)
    reason: str | None = "permanent_error"
    ended: str | None = None
    id: UUID = field(default_factory=uuid4)

    @property
    def observer(self) -> str | None:
        """The rule behind it."""
        return self.job.observer if self.job is not None else None


class Store:
    """Dead letters in a list, the newest first, as a queue answers."""

    def __init__(self, letters: Sequence[Letter]) -> None:
        self.letters = list(letters)
        self.replayed: list[UUID] = []
        self.removed: list[UUID] = []
        #: Called before each change, for what others do meanwhile.
        self.meanwhile: Callable[[], None] = lambda: None
        #: Letters that cannot be sent back.
        self.stuck: set[UUID] = set()

    async def list_jobs(self, state: str, queues: list[str], *, offset: int, limit: int) -> list[Letter]:
        """Return a page."""
        assert (state, queues) == ("dead_lettered", ["default"])
        return self.letters[offset : offset + limit]

    async def dead_count(self, queues: list[str]) -> int:
        """Count."""
        return len(self.letters)

    async def find(self, job_id: UUID, queues: list[str]) -> Letter | None:
        """Return a letter by its id."""
        return next((letter for letter in self.letters if letter.id == job_id), None)

    async def replay(self, views: list[tuple[UUID, int]], queues: list[str]) -> list[bool]:
        """Take letters out, as a replay does."""
        return self._take(views, self.replayed)

    async def remove(self, views: list[tuple[UUID, int]], queues: list[str]) -> list[bool]:
        """Take letters out, as a removal does."""
        return self._take(views, self.removed)

    def _take(self, views: Sequence[tuple[UUID, int]], taken: list[UUID]) -> list[bool]:
        self.meanwhile()
        answers = []
        for key in views:
            found = [letter for letter in self.letters if (letter.id, letter.died_at) == key]
            is_there = bool(found) and key[0] not in self.stuck
            if is_there:
                self.letters.remove(found[0])
                taken.append(key[0])
            answers.append(is_there)
        return answers


def letters(count: int) -> list[Letter]:
    """Make letters, the newest first, one a millisecond."""
    return [Letter(died_at=number) for number in range(count, 0, -1)]


def test_replay_all_sends_back_every_letter_of_many_pages() -> None:
    """What is sent back leaves the list, and the next page is still the next one."""
    store = Store(letters(3 * PAGE_SIZE + 7))
    told: list[int] = []
    assert run(of(store).replay_all(on_progress=told.append)) == 3 * PAGE_SIZE + 7
    assert store.letters == []
    assert told == [PAGE_SIZE, 2 * PAGE_SIZE, 3 * PAGE_SIZE, 3 * PAGE_SIZE + 7]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (DeadLetterFilter(observer="moved"), {1, 2}),
        (DeadLetterFilter(reason=DeathReason.CORRUPT), {4}),
        (DeadLetterFilter(action_type="function"), {2, 3}),
        (DeadLetterFilter(observer="moved", action_type="function"), {2}),
        (DeadLetterFilter(), {1, 2, 3, 4}),
    ],
)
def test_a_filter_chooses_what_is_acted_on(chosen: DeadLetterFilter, expected: set[int]) -> None:
    """Everything that is given must agree; a corrupt letter has no job and so only a reason."""
    moved = Letter(died_at=1, job=Job(observer="moved"))
    both = Letter(died_at=2, job=Job(observer="moved", action_type="function"))
    by_hand = Letter(died_at=3, job=Job(observer=None, action_type="function"))
    corrupt = Letter(died_at=4, job=None, reason="corrupt")
    store = Store([corrupt, by_hand, both, moved])
    dead = of(store)
    assert {letter.died_at for letter in run(dead.list(filter=chosen))} == expected
    assert run(dead.count(chosen)) == len(expected)
    assert run(dead.clear(chosen)) == len(expected)
    assert {letter.died_at for letter in store.letters} == {1, 2, 3, 4} - expected


def test_letters_that_die_meanwhile_are_left_alone() -> None:
    """A letter that dies again as fast as it is replayed does not keep the walk going for ever."""
    store = Store(letters(2 * PAGE_SIZE))

    def die_again() -> None:
        store.letters.insert(0, Letter(died_at=10_000 + len(store.replayed)))

    store.meanwhile = die_again
    assert run(of(store).replay_all()) == 2 * PAGE_SIZE
    assert all(letter.died_at is not None and letter.died_at >= 10_000 for letter in store.letters)


def test_what_others_take_meanwhile_is_not_counted_and_hides_nothing() -> None:
    """Two people replay at once: each letter is sent back by one of them, and none is left behind."""
    store = Store(letters(3 * PAGE_SIZE))

    def somebody_takes_three() -> None:
        del store.letters[10:13]

    store.meanwhile = somebody_takes_three
    count = run(of(store).replay_all())
    assert store.letters == []
    assert count == len(store.replayed) < 3 * PAGE_SIZE


def test_a_letter_that_cannot_be_sent_back_does_not_stop_the_others() -> None:
    """It is tried once, stays, and the walk goes past it."""
    store = Store(letters(PAGE_SIZE + 3))
    stuck = [letter for letter in store.letters if letter.died_at in {1, 50, PAGE_SIZE + 3}]
    store.stuck = {letter.id for letter in stuck}
    assert run(of(store).replay_all()) == PAGE_SIZE
    assert store.letters == stuck


def test_a_rate_spreads_the_letters_over_time() -> None:
    """Twenty letters at a hundred a second take at least the time of twenty."""
    store = Store(letters(20))
    started = time.monotonic()
    assert run(of(store).replay_all(rate=100)) == 20
    assert time.monotonic() - started >= 0.2


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_a_rate_that_would_never_end_is_refused(rate: float) -> None:
    """No letter is touched."""
    store = Store(letters(1))
    with pytest.raises(ValueError, match="above 0"):
        run(of(store).replay_all(rate=rate))
    assert len(store.letters) == 1


def test_a_job_in_another_state_is_no_dead_letter() -> None:
    """It is neither shown, nor replayed, nor removed."""
    waiting = Letter(died_at=None)
    trimmed = Letter(died_at=7, ended="trimmed")
    dead = of(Store([waiting, trimmed]))
    for letter in (waiting, trimmed):
        assert run(dead.get(letter.id)) is None
        assert not run(dead.replay(letter.id))
        assert not run(dead.remove(letter.id))
    assert not run(dead.replay(uuid4()))


def test_list_pages_with_and_without_a_filter() -> None:
    """Offset and limit count what is chosen."""
    store = Store([Letter(died_at=n, job=Job(observer="ab"[n % 2])) for n in range(300, 0, -1)])
    dead = of(store)
    assert [letter.died_at for letter in run(dead.list(offset=10, limit=2))] == [290, 289]
    page = run(dead.list(offset=100, limit=3, filter=DeadLetterFilter(observer="a")))
    assert [letter.died_at for letter in page] == [100, 98, 96]


def test_stats_count_by_reason_rule_and_type() -> None:
    """Each letter counts once, the largest group first."""
    store = Store([Letter(died_at=3_000, job=None, reason="corrupt"), *letters(2)])
    stats = run(of(store).stats())
    assert stats.total == 3
    assert list(stats.by_reason.items()) == [("permanent_error", 2), ("corrupt", 1)]
    assert stats.by_observer == {"order_shipped": 2}
    assert stats.by_action_type == {"webhook": 2}
    assert stats.oldest_died_at is not None
    assert stats.newest_died_at is not None
    assert (stats.newest_died_at - stats.oldest_died_at).total_seconds() == pytest.approx(2.999)
    empty = run(of(Store([])).stats())
    assert (empty.total, empty.oldest_died_at) == (0, None)
