"""A schedule of faults, drawn from a seed: what is done when to whom. It depends on its arguments only."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class What(StrEnum):
    """What is done; most faults have a beginning and an end."""

    KILL_CHILD = "kill a child"
    KILL_WORKER = "kill a worker"
    KILL_SUPERVISOR = "kill a supervisor"
    KILL_ALL = "kill all workers at once"
    START_WORKER = "start a worker"
    FREEZE = "freeze beyond the lease"
    NAP = "freeze below the lease"
    THAW = "thaw"
    KILL_SERVER = "kill the server"
    START_SERVER = "start the server"
    FLUSH = "flush the scripts"
    CUT = "cut every connection"
    DELAY = "delay every connection"
    SILENCE = "answer nobody"
    HEAL = "heal the network"
    FILL = "fill the memory"
    EMPTY = "give memory back"


@dataclass(frozen=True, order=True)
class Step:
    """One thing that is done.

    Attributes:
        at: Seconds from the start of the run.
        what: What is done.
        worker: To which worker, where it is done to one.
        amount: How much, where that can be said: seconds of a delay, how many workers.
    """

    at: float
    what: What
    worker: int = 0
    amount: float = 0.0

    def __str__(self) -> str:
        return f"{self.at:7.2f} s  {self.what} (worker {self.worker}, {self.amount:.2f})"


#: Draws the steps of one fault that begins at a time, among so many workers with leases of so many seconds.
Draw = Callable[[random.Random, float, int, float], Iterator[Step]]


def _kill(rng: random.Random, at: float, workers: int, _lease: float) -> Iterator[Step]:
    worker = rng.randrange(workers)
    match rng.random():
        case share if share < 0.6:
            yield Step(at, What.KILL_CHILD, worker)
        case share if share < 0.9:
            yield Step(at, What.KILL_WORKER, worker)
            yield Step(at + rng.uniform(0.0, 2.0), What.START_WORKER, worker)
        case _:
            yield Step(at, What.KILL_SUPERVISOR, worker)
            yield Step(at + rng.uniform(0.0, 2.0), What.START_WORKER, worker)


def _kill_all(rng: random.Random, at: float, workers: int, _lease: float) -> Iterator[Step]:
    yield Step(at, What.KILL_ALL, amount=workers)
    for worker in range(workers):
        yield Step(at + rng.uniform(0.0, 2.0), What.START_WORKER, worker)


def _freeze(rng: random.Random, at: float, workers: int, lease: float) -> Iterator[Step]:
    worker = rng.randrange(workers)
    yield Step(at, What.FREEZE, worker)
    yield Step(at + rng.uniform(1.2, 2.2) * lease, What.THAW, worker)


def _nap(rng: random.Random, at: float, workers: int, lease: float) -> Iterator[Step]:
    worker = rng.randrange(workers)
    yield Step(at, What.NAP, worker)
    yield Step(at + rng.uniform(0.1, 0.5) * lease, What.THAW, worker)


def _kill_server(rng: random.Random, at: float, _workers: int, _lease: float) -> Iterator[Step]:
    yield Step(at, What.KILL_SERVER)
    yield Step(at + rng.uniform(0.3, 3.0), What.START_SERVER)


def _flush(_rng: random.Random, at: float, _workers: int, _lease: float) -> Iterator[Step]:
    yield Step(at, What.FLUSH)


def _cut(_rng: random.Random, at: float, _workers: int, _lease: float) -> Iterator[Step]:
    yield Step(at, What.CUT)


def _delay(rng: random.Random, at: float, _workers: int, _lease: float) -> Iterator[Step]:
    yield Step(at, What.DELAY, amount=rng.uniform(0.02, 0.2))
    yield Step(at + rng.uniform(1.0, 3.0), What.HEAL)


def _silence(rng: random.Random, at: float, _workers: int, _lease: float) -> Iterator[Step]:
    yield Step(at, What.SILENCE)
    yield Step(at + rng.uniform(0.5, 1.5), What.HEAL)


def _fill(rng: random.Random, at: float, _workers: int, _lease: float) -> Iterator[Step]:
    yield Step(at, What.FILL)
    yield Step(at + rng.uniform(0.5, 2.0), What.EMPTY)


#: Every fault of the nemesis by its name.
FAULTS: Final[dict[str, Draw]] = {
    "kill": _kill,
    "kill_all": _kill_all,
    "freeze": _freeze,
    "nap": _nap,
    "server": _kill_server,
    "flush": _flush,
    "cut": _cut,
    "delay": _delay,
    "silence": _silence,
    "fill": _fill,
}

#: Everything at once, in seconds between two faults of a kind.
ALL: Final[dict[str, float]] = {
    "kill": 1.0,
    "freeze": 15.0,
    "nap": 12.0,
    "server": 20.0,
    "flush": 2.0,
    "cut": 7.0,
    "delay": 17.0,
    "silence": 29.0,
    "fill": 31.0,
}


def draw(
    seed: int,
    secs: float,
    every: dict[str, float],
    *,
    workers: int,
    lease_secs: float,
    spared: int = 0,
) -> list[Step]:
    """Draw a schedule.

    Each kind of fault has a stream of its own, so that one that is added leaves the others as they were.

    Args:
        seed: The same seed draws the same schedule.
        secs: The last fault begins before this; what it needs to end may come later.
        every: Seconds between two faults of a kind, by its name in `FAULTS`; they are drawn from half to one and a half
            of that.
        workers: How many workers there are.
        lease_secs: How long their leases last.
        spared: How many of them, from the last, nothing is done to.

    Returns:
        The steps by time.
    """
    return sorted(_drawn(seed, secs, every.items(), workers - spared, lease_secs))


def _drawn(
    seed: int, secs: float, every: Iterable[tuple[str, float]], workers: int, lease: float
) -> Iterator[Step]:
    for kind, between in every:
        rng = random.Random(f"{seed} {kind}")
        at = rng.uniform(0.5, 1.0) * between
        while at < secs:
            yield from FAULTS[kind](rng, at, workers, lease)
            at += rng.uniform(0.5, 1.5) * between
