"""`fraiseql_observers.dead_letters`: walks end, filters choose, and nothing is acted on twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import TypeVar
from uuid import UUID, uuid4

import pytest

from fraiseql_observers.dead_letters import (
    PAGE_SIZE,
    DeadLetterFilter,
    DeadLetterQueue,
    DeathReason,
    ErrorType,
)

T = TypeVar("T")


def of(store: Store) -> DeadLetterQueue:
    """Look at a store, which answers as a queue does."""
    return DeadLetterQueue(store)  # type: ignore[arg-type]  # letters that die meanwhile need a queue that obeys the test


def run(call: Coroutine[object, object, T]) -> T:
    """Make one call on an event loop of its own."""
    return asyncio.run(call)


def at_ms(milliseconds: int) -> datetime:
    """Return an instant by the time of the wire."""
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)


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
    error_type: str | None = "permanent"
    last_error: str | None = "HTTP 400 from x"
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
        #: How many letters each change was asked for, and how many pages were read.
        self.calls: list[int] = []
        self.pages = 0
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

    async def dead_letters(
        self, queues: list[str], *, after: tuple[int, bytes] | None, limit: int
    ) -> tuple[list[Letter], tuple[int, bytes] | None]:
        """Return a page, and where the next one begins."""
        assert queues == ["default"]
        self.pages += 1
        older = [letter for letter in self.letters if after is None or place_of(letter) < after]
        page = older[:limit]
        return page, place_of(page[-1]) if len(older) > limit else None

    async def replay(self, letters: Sequence[Letter]) -> list[bool]:
        """Take letters out, as a replay does."""
        return self._take(letters, self.replayed)

    async def remove(self, letters: Sequence[Letter]) -> list[bool]:
        """Take letters out, as a removal does."""
        return self._take(letters, self.removed)

    def _take(self, letters: Sequence[Letter], taken: list[UUID]) -> list[bool]:
        self.meanwhile()
        self.calls.append(len(letters))
        answers = []
        for letter in letters:
            is_there = letter in self.letters and letter.id not in self.stuck
            if is_there:
                self.letters.remove(letter)
                taken.append(letter.id)
            answers.append(is_there)
        return answers


def place_of(letter: Letter) -> tuple[int, bytes]:
    """Say where a letter lies among the others."""
    return letter.died_at or 0, letter.id.bytes


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
        (DeadLetterFilter(error_type=ErrorType.TIMEOUT), {3}),
        (DeadLetterFilter(text="TIMED out"), {3}),
        (DeadLetterFilter(text="http 400", observer="moved"), {1, 2}),
        (DeadLetterFilter(since=at_ms(2)), {2, 3, 4}),
        (DeadLetterFilter(until=at_ms(2)), {1}),
        (DeadLetterFilter(since=at_ms(2), until=at_ms(4)), {2, 3}),
        (DeadLetterFilter(), {1, 2, 3, 4}),
    ],
)
def test_a_filter_chooses_what_is_acted_on(chosen: DeadLetterFilter, expected: set[int]) -> None:
    """Everything that is given must agree; a corrupt letter has no job and so only a reason."""
    moved = Letter(died_at=1, job=Job(observer="moved"))
    both = Letter(died_at=2, job=Job(observer="moved", action_type="function"))
    by_hand = Letter(
        died_at=3,
        job=Job(observer=None, action_type="function"),
        error_type="timeout",
        last_error="timed out after 60 s",
    )
    corrupt = Letter(died_at=4, job=None, reason="corrupt", error_type=None, last_error=None)
    store = Store([corrupt, by_hand, both, moved])
    dead = of(store)
    assert {letter.died_at for letter in run(dead.list(filter=chosen))} == expected
    assert run(dead.count(chosen)) == run(dead.stats(chosen)).total == len(expected)
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


def test_a_range_of_times_is_read_and_nothing_else() -> None:
    """The walk begins at its end and stops at its start, however many letters there are."""
    store = Store(letters(20 * PAGE_SIZE))
    dead = of(store)
    chosen = DeadLetterFilter(since=at_ms(1_000), until=at_ms(1_000 + PAGE_SIZE))
    assert run(dead.count(chosen)) == PAGE_SIZE
    assert store.pages <= 2


@pytest.mark.parametrize(
    ("since", "until", "named"),
    [
        (datetime(2026, 1, 1), None, "since"),  # noqa: DTZ001  # that is the mistake
        (None, datetime(2026, 1, 1), "until"),  # noqa: DTZ001  # that is the mistake
        (at_ms(5), at_ms(5), "since"),
        (at_ms(5), at_ms(5).astimezone(timezone(timedelta(hours=2))), "since"),
    ],
)
def test_times_that_choose_nothing_are_refused(
    since: datetime | None, until: datetime | None, named: str
) -> None:
    """A time without a zone would mean another one elsewhere."""
    with pytest.raises(ValueError, match=named):
        DeadLetterFilter(since=since, until=until)


def test_a_rate_makes_many_small_calls() -> None:
    """Letters go out evenly, not a page at a time."""
    store = Store(letters(20))
    assert run(of(store).replay_all(rate=100)) == 20
    assert store.calls == [10, 10]
    assert run(of(Store(letters(1))).replay_all(rate=0.001)) == 1


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
    store = Store([Letter(died_at=3_000, job=None, reason="corrupt", error_type=None), *letters(2)])
    stats = run(of(store).stats())
    assert stats.total == 3
    assert list(stats.by_reason.items()) == [("permanent_error", 2), ("corrupt", 1)]
    assert stats.by_observer == {"order_shipped": 2}
    assert stats.by_action_type == {"webhook": 2}
    assert stats.by_error_type == {"permanent": 2}
    assert stats.oldest_died_at is not None
    assert stats.newest_died_at is not None
    assert (stats.newest_died_at - stats.oldest_died_at).total_seconds() == pytest.approx(2.999)
    empty = run(of(Store([])).stats())
    assert (empty.total, empty.oldest_died_at) == (0, None)
