"""A program that enqueues: seeded events, in a process of its own, each outcome written to the history.

``python -m tests.faults.rig.producer --config FILE --history FILE --seed N --jobs N --rate N``
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid5

from fraiseql_observers import BlockingQueuedObserverExecutor, build_with_queue_sync, load_config
from fraiseql_observers._core import EntityEvent, Job
from fraiseql_observers.errors import ObserversError, QueueError, QueueFull
from tests.faults.rig.history import History, Told

#: Stands in every event, so that it may be in the bytes of jobs, and nowhere else.
PAYLOAD_CANARY: Final = "payload-canary-5d2e91"
#: Events in one call, at most.
_CALL_SIZE: Final = 20
#: How often a call whose outcome is unknown is repeated, before the producer goes on without ever knowing.
_REPEATS: Final = 200
#: Seconds until a call is repeated: a refusal comes at once, and what it is for takes a while to pass.
_PAUSE_SECS: Final = 0.05
#: One call in so many is not repeated at all.
_GIVE_UP: Final = 50
#: One call in so many makes jobs for later, and for how much later at most.
_LATER: Final = 8
_LATER_SECS: Final = 3.0
#: As the configurations of the rig have it.
MAX_ATTEMPTS: Final = 4
_NAMESPACE: Final = UUID("6f3f0c1e-2f0b-4a55-9a53-0d5f1f1b8c11")


def events(seed: int, jobs: int) -> Iterator[dict[str, Any]]:
    """Make the events of a run, the same for the same seed."""
    rng = random.Random(seed)
    for number in range(jobs):
        name = f"{seed}-{number}"
        yield {
            "id": str(uuid5(_NAMESPACE, name)),
            "event_type": "INSERT",
            "entity_type": "Act",
            "entity_id": str(uuid5(_NAMESPACE, f"entity of {name}")),
            "data": {"label": str(number), "note": PAYLOAD_CANARY, **_work(rng)},
        }


def job_of(event: dict[str, Any]) -> UUID:
    """Tell the id of the only job of an event, which both sides can work out."""
    return uuid5(UUID(event["id"]), "0:act")


def _work(rng: random.Random) -> dict[str, Any]:
    """Choose what a job does: mostly little, sometimes for a while, now and then it fails."""
    match rng.random():
        case share if share < 0.75:
            return {"do": "note", "secs": 0.0}
        case share if share < 0.9:
            return {"do": "note", "secs": rng.uniform(0.05, 0.5)}
        case share if share < 0.98:
            return {"do": "flaky", "times": rng.randint(1, 2), "after_secs": 0.5}
        case _:
            return {"do": "fail", "text": "always"}


class Producer:
    """Enqueues all events, and writes down what it is told.

    Args:
        executor: The enqueue side.
        history: Where to write.
        seed: Of the events and of all choices.
    """

    def __init__(self, executor: BlockingQueuedObserverExecutor, history: History, seed: int) -> None:
        self._executor = executor
        self._history = history
        self._seed = seed
        self._rng = random.Random(seed + 1)

    def run(self, jobs: int, rate: float) -> None:
        """Enqueue so many jobs, so many a second where that can be kept."""
        begun = time.monotonic()
        done = 0
        waiting = list(events(self._seed, jobs))
        while waiting:
            size = self._rng.randint(1, _CALL_SIZE)
            batch, waiting = waiting[:size], waiting[size:]
            repeats = 0 if self._rng.randrange(_GIVE_UP) == 0 else _REPEATS
            later = self._rng.uniform(0.0, _LATER_SECS) if self._rng.randrange(_LATER) == 0 else None
            due = None if later is None else datetime.now(UTC) + timedelta(seconds=later)
            while batch and repeats >= 0:
                batch = self._enqueue(batch, due)
                repeats -= 1
                time.sleep(_PAUSE_SECS if batch else 0.0)
            done += size
            time.sleep(max(begun + done / rate - time.monotonic(), 0.0))

    def _enqueue(self, batch: list[dict[str, Any]], due: datetime | None) -> list[dict[str, Any]]:
        """Enqueue once; return what is not known to be stored."""
        due_secs = 0.0 if due is None else due.timestamp()
        self._history.told(Told.ASKED, map(job_of, batch), due=due_secs)
        outcomes = self._try(batch, due)
        by_outcome: dict[tuple[Told, str], list[dict[str, Any]]] = {}
        for event, failure in zip(batch, outcomes, strict=True):
            by_outcome.setdefault(_told(failure), []).append(event)
        for (told, error), concerned in by_outcome.items():
            self._history.told(told, map(job_of, concerned), error=error, due=due_secs)
        return [event for event, failure in zip(batch, outcomes, strict=True) if failure is not None]

    def _try(self, batch: list[dict[str, Any]], due: datetime | None) -> Sequence[ObserversError | None]:
        try:
            if due is None:
                summaries = self._executor.process_events(batch, raise_on_error=False)
                return [summary.failure() for summary in summaries]
            jobs = [_job(event, due) for event in batch]
            self._executor.queue.enqueue_blocking(jobs, enqueue_timeout_secs=5)
        except QueueError as failure:
            return [failure] * len(batch)
        return [None] * len(batch)


def _job(event: dict[str, Any], due: datetime) -> Job:
    """Make the job that the observer would make, for later."""
    return Job(
        action={"type": "function"},
        event=EntityEvent.from_dict(event),
        max_attempts=MAX_ATTEMPTS,
        initial_delay_ms=10,
        max_delay_ms=100,
        max_age_secs=3600,
        observer="act",
        scheduled_at=due,
    )


def _told(failure: ObserversError | None) -> tuple[Told, str]:
    match failure:
        case None:
            return Told.ACKED, ""
        case QueueFull():
            return Told.FAILED, str(failure)
        case _:
            return Told.UNKNOWN, f"{type(failure).__name__}: {failure}"


def start_producer(
    config: str | Path,
    history: History,
    *,
    seed: int,
    jobs: int,
    rate: float,
    environment: Mapping[str, str],
) -> subprocess.Popen[bytes]:
    """Start a producer in a process of its own; what it says on standard error goes beside the history."""
    with history.path.with_name("producer.log").open("ab") as log:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.faults.rig.producer"),
                *("--config", str(config), "--history", str(history.path)),
                *("--seed", str(seed), "--jobs", str(jobs), "--rate", str(rate)),
            ],
            env={**os.environ, **environment},
            cwd=Path(__file__).resolve().parents[3],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a producer to its end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", required=True)
    parser.add_argument("--history", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--jobs", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    given = parser.parse_args(arguments)
    with build_with_queue_sync(load_config(given.config)) as executor:
        Producer(executor, History(given.history), given.seed).run(given.jobs, given.rate)


if __name__ == "__main__":
    main()
