"""A queue whose server something is done to, with the books that say whether anything was lost.

What was asked for and confirmed is known to this process, what ran is in a file that handlers write, and what the
server holds is read key by key: three witnesses that know nothing of each other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid5

from fraiseql_observers.errors import ObserversError, QueueError
from tests.faults.rig.catalogue import Entry
from tests.support.audit import Audit
from tests.support.queue_under_test import QueueUnderTest, act
from tests.support.runs import Runs
from tests.support.server import ServerProcess
from tests.support.total_queue import Verdict, check
from tests.support.wait import wait_until
from tests.support.worker_process import WorkerProcess

#: The shortest lease that there is.
LEASE_SECS: Final = 5
#: Seconds that an enqueue takes at most, and by which a busy machine may be late with its answer.
ENQUEUE_SECS: Final = 5
LATE_SECS: Final = 15
#: More crashes than an innocent job meets here, so that a fault of the server never buries one.
MANY_CRASHES: Final = 100
#: Seconds within which everything that waits must have run once a fault is over: lease, backoff and much more, since a
#: machine that is shared is slow. How long it took is in the catalogue.
DRAIN_SECS: Final = LEASE_SECS + 35.0


@dataclass
class Offer:
    """One event, and what became of its enqueue.

    Attributes:
        event: The event.
        confirmed_at: When its enqueue has returned normally, on the monotonic clock; ``None`` if it has not.
        failures: Why it has not, each time.
    """

    event: dict[str, Any]
    confirmed_at: float | None
    failures: list[ObserversError]


class Stand:
    """A queue on a server, its workers, and the books.

    Args:
        folder: Where all files go.
        server: The server.
        prefix: The start of every key.
        url: Where workers and producers find the server, if there is something between.
        slots: Jobs at a time of each worker.
        lease_secs: How long a lease of theirs lasts.
        worker: More lines for the section ``[worker]``.
        rules: More observers.
    """

    def __init__(
        self,
        folder: Path,
        server: ServerProcess,
        prefix: str,
        *,
        url: str | None = None,
        slots: int = 10,
        lease_secs: int = LEASE_SECS,
        worker: str = "",
        rules: str = "",
    ) -> None:
        self.server = server
        self.tag = f"{{{prefix}:default:0}}"
        self.runs = Runs(folder / "runs")
        self._folder, self._prefix, self._slots, self._lease_secs = folder, prefix, slots, lease_secs
        self._worker, self._rules = worker, rules
        self.queue = self._queue_at(server.url if url is None else url)
        self.offers: dict[str, Offer] = {}
        self._workers = 0

    def _queue_at(self, url: str) -> QueueUnderTest:
        return QueueUnderTest(
            self._folder,
            url,
            self._prefix,
            worker=f"lease_duration_secs = {self._lease_secs}\nmax_crashes = {MANY_CRASHES}\n{self._worker}",
            rules=self._rules,
            worker_concurrency=self._slots,
            poll_interval_ms=100,
            initial_delay_ms=10,
            max_delay_ms=100,
        )

    def move(self, url: str) -> None:
        """Let workers and producers that start from now on find the server at another address."""
        self.queue = self._queue_at(url)

    def worker(self, processes: int = 1, *, environment: Mapping[str, str] | None = None) -> WorkerProcess:
        """Return a worker that is not started yet."""
        self._workers += 1
        return WorkerProcess(
            self.queue.config,
            processes=processes,
            environment={**self.runs.environment, **(environment or {})},
            name=f"worker-{self._workers}",
        )

    def publish(self, count: int, do: str = "note", **data: object) -> list[str]:
        """Enqueue so many jobs in one call, all of which must be stored; return their labels."""
        labels = [f"{len(self.offers) + number}" for number in range(count)]
        events = [act(label, do, **data) for label in labels]
        for label, event in zip(labels, events, strict=True):
            self.offers[label] = Offer(event, None, [])
        self.queue.publish(events)
        for label in labels:
            self.offers[label].confirmed_at = time.monotonic()
        return labels

    def offer(self, label: str, do: str = "note", **data: object) -> Offer:
        """Enqueue one job, and note what is told; the same label again is the same event again."""
        offer = self.offers.setdefault(label, Offer(act(label, do, **data), None, []))
        try:
            (summary,) = self.queue.executor.process_events([offer.event], raise_on_error=False)
            failure = summary.failure()
        except QueueError as error:
            failure = error
        if failure is None:
            offer.confirmed_at = time.monotonic()
        else:
            offer.failures.append(failure)
        return offer

    @contextmanager
    def producing(self, *, pause_secs: float = 0.01, repeat: bool = True, **data: Any) -> Generator[None]:
        """Enqueue one job after the other while the block lasts, each again until it is confirmed.

        Args:
            pause_secs: Between two jobs.
            repeat: Whether a job that is not confirmed is tried again.
            data: What the jobs do.
        """
        over = threading.Event()
        failed: list[BaseException] = []

        def produce() -> None:
            number = 0
            try:
                while not over.wait(pause_secs):
                    number += 1
                    label = f"stream {number}"
                    while self.offer(label, **data).confirmed_at is None and repeat and not over.is_set():
                        time.sleep(pause_secs)
            except BaseException as error:  # noqa: BLE001 - raised again by the test's own thread
                failed.append(error)

        thread = threading.Thread(target=produce)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        assert not failed, failed

    def confirmed(self, *, until: float | None = None) -> set[str]:
        """Say which jobs are confirmed, all or before a time of the monotonic clock."""
        return {
            label
            for label, offer in self.offers.items()
            if offer.confirmed_at is not None and (until is None or offer.confirmed_at < until)
        }

    def ran(self) -> list[str]:
        """Give the label of each run that has come to its end."""
        return [note.label for note in self.runs.ends()]

    def wait_for_runs(self, count: int) -> None:
        """Return when so many runs have come to their end."""
        wait_until(lambda: len(self.ran()) >= count, what=f"{count} runs")

    def audit(self) -> Audit:
        """Read everything that the server holds."""
        with self.server.client() as client:
            return Audit.read(client, self.tag)

    def unsettled(self) -> int:
        """Count the jobs that have not ended."""
        stats = self.queue.stats()
        return stats.pending + stats.suspects + stats.running + stats.scheduled + stats.parked

    def drain(self, *, deadline_secs: float = DRAIN_SECS) -> float:
        """Return when every job has ended, with the seconds that this took."""
        begun = time.monotonic()

        def drained() -> bool:
            try:
                return self.unsettled() == 0
            except QueueError:
                return False

        try:
            wait_until(drained, deadline_secs=deadline_secs, what="the end of all jobs")
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.unsettled()} jobs have not ended") from None
        return time.monotonic() - begun

    def judge(
        self, entry: Entry, *, bound: int, drained_secs: float | None = None, lost: int = 0, note: str = ""
    ) -> Verdict[str]:
        """Hold the witnesses against each other, when every job has ended.

        Args:
            entry: The line of the catalogue.
            bound: The most runs beyond the first of their job that the faults explain.
            drained_secs: How long the last job took.
            lost: How many confirmed jobs the promise allows to be lost.
            note: What else there is to say.
        """
        audit = self.audit()
        ids = {job: label for label, job in self._ids().items()}
        dead = [ids[member[:16]] for member in audit.dead]
        verdict = check(self.offers, self.confirmed(), [*self.ran(), *dead])
        entry.record(
            lost=len(verdict.lost),
            duplicated=verdict.repeats,
            bound=bound,
            drain_secs=drained_secs,
            note=note,
        )
        assert audit.problems() == []
        assert len(verdict.lost) <= lost, f"lost: {sorted(verdict.lost)}"
        assert verdict.unexpected == set()
        assert verdict.repeats <= bound, verdict.duplicated
        assert audit.places().keys() <= ids.keys()
        return verdict

    def _ids(self) -> dict[str, bytes]:
        return {label: job_id(offer.event) for label, offer in self.offers.items()}


def job_id(event: dict[str, Any]) -> bytes:
    """Return the id of the only job of an event, as the keys have it."""
    observer = str(event["entity_type"]).lower()
    return uuid5(UUID(str(event["id"])), f"0:{observer}").bytes
