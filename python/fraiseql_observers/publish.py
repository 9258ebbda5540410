"""Publishing a stream of events, one JSON object a line, through rules into the queue.

Publishing the same stream again adds nothing: an event without an id gets one from the bytes of its line, and
the queue knows the jobs of an event by its id. So whatever ends a run early, running it again is safe.
Two lines with the same bytes and no id are one event.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fraiseql_observers.errors import EventError, QueueError
from fraiseql_observers.events import EntityEvent

if TYPE_CHECKING:
    from fraiseql_observers._core import ProcessSummary
    from fraiseql_observers.executor import BlockingQueuedObserverExecutor
    from fraiseql_observers.lines import Line, LineReader

#: Distinct texts kept about conditions that could not be evaluated; a broken rule repeats one text for ever.
MAX_CONDITION_TEXTS = 100


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no event: its number and what is wrong with it."""

    number: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.reason}"


class PublishReport:
    """What a run has done so far. Every count is of events or jobs that the queue has answered for.

    Attributes:
        events: Lines that are events and were handed to the rules.
        matched: Events that matched at least one rule.
        queued: Jobs stored.
        duplicates: Jobs that the queue knew already.
        spooled: Jobs on this machine's disk, since the queue was away.
        skipped: Rules left out of an event since their condition could not be evaluated.
        bad_lines: Lines that are no events.
        not_queued: Events of which at least one job was not stored.
        derived_ids: Events whose id was derived from their line.
        condition_errors: Distinct texts behind ``skipped``, with their number.
        failure: What ended the run early, or ``None``.
        interrupted: Whether `Publisher.stop` ended the run.
    """

    def __init__(self) -> None:
        self.events = 0
        self.matched = 0
        self.queued = 0
        self.duplicates = 0
        self.spooled = 0
        self.skipped = 0
        self.bad_lines = 0
        self.not_queued = 0
        self.derived_ids = 0
        self.condition_errors: dict[str, int] = {}
        self.failure: QueueError | OSError | None = None
        self.interrupted = False

    @property
    def errors(self) -> int:
        """Lines that are no events, and events of which at least one job was not stored."""
        return self.bad_lines + self.not_queued

    @property
    def is_complete(self) -> bool:
        """Whether every line was read and every job of every event is in the queue."""
        return not self.errors and self.failure is None and not self.interrupted

    def to_dict(self) -> dict[str, int]:
        """The six counts, by the names of the command's ``--json`` output."""
        return {
            "events": self.events,
            "matched": self.matched,
            "queued": self.queued,
            "duplicates": self.duplicates,
            "skipped": self.skipped,
            "errors": self.errors,
        }

    def add(self, summary: ProcessSummary) -> None:
        """Count what became of one event."""
        self.events += 1
        self.queued += summary.jobs_queued
        self.duplicates += summary.duplicates
        self.spooled += summary.jobs_spooled
        self.skipped += summary.conditions_skipped
        self.matched += bool(summary.matched)
        self.not_queued += bool(summary.queueing_errors)
        # Where jobs were not stored, the texts say so as well, and that is the failure's to tell.
        for text in summary.errors if not summary.queueing_errors else ():
            if text in self.condition_errors or len(self.condition_errors) < MAX_CONDITION_TEXTS:
                self.condition_errors[text] = self.condition_errors.get(text, 0) + 1


class Publisher:
    """Sends the events of one stream in batches and counts what became of them.

    Args:
        executor: Where events go.
        batch_size: Most events in one call of the executor.
        hold_secs: The longest time that a partial batch waits for more lines.
        max_event_bytes: The largest event.
        on_bad_line: Told of each line that is no event; the others go on.
        on_batch: Told after each call of the executor.
    """

    def __init__(
        self,
        executor: BlockingQueuedObserverExecutor,
        *,
        batch_size: int,
        hold_secs: float,
        max_event_bytes: int,
        on_bad_line: Callable[[BadLine], None],
        on_batch: Callable[[PublishReport], None],
    ) -> None:
        self._executor = executor
        self._batch_size = batch_size
        self._hold_secs = hold_secs
        self._max_event_bytes = max_event_bytes
        self._on_bad_line = on_bad_line
        self._on_batch = on_batch
        self._reader: LineReader | None = None
        self._stopping = False
        self._report = PublishReport()

    def run(self, reader: LineReader) -> PublishReport:
        """Publish every line of ``reader``.

        An unreachable or full queue ends the run; the report then holds the error. Jobs whose outcome is
        unknown count as not queued, although they may be stored.
        """
        self._reader = reader
        try:
            self._send_all(reader)
        except (QueueError, OSError) as error:
            self._report.failure = error
        self._report.interrupted = self._stopping
        return self._report

    def stop(self) -> None:
        """Send what has been read, then end. May be called from a signal handler."""
        self._stopping = True
        if self._reader is not None:
            self._reader.wake()

    def _send_all(self, reader: LineReader) -> None:
        batch: list[tuple[int, EntityEvent]] = []
        send_by = 0.0
        ended = False
        while not (ended or self._stopping):
            try:
                line = reader.next(max(0.0, send_by - time.monotonic()) if batch else None)
            except TimeoutError:
                self._send(batch)
                continue
            if line is None:
                ended = True
            elif (event := self._read(line)) is not None:
                if not batch:
                    send_by = time.monotonic() + self._hold_secs
                batch.append((line.number, event))
            # The deadline holds on a stream of blank or bad lines too, where `next` never times out.
            if batch and (len(batch) == self._batch_size or time.monotonic() >= send_by):
                self._send(batch)
        self._send(batch)

    def _read(self, line: Line) -> EntityEvent | None:
        if line.is_too_long:
            self._refuse(
                line.number,
                f"{line.length} bytes are more than an event may have (storage.max_payload_bytes)",
            )
            return None
        if not line.content:
            return None
        try:
            event, is_derived = EntityEvent.from_line(line.content, self._max_event_bytes)
        except EventError as error:
            self._refuse(line.number, str(error))
            return None
        self._report.derived_ids += is_derived
        return event

    def _refuse(self, number: int, reason: str) -> None:
        self._report.bad_lines += 1
        self._on_bad_line(BadLine(number, reason))

    def _send(self, batch: list[tuple[int, EntityEvent]]) -> None:
        if not batch:
            return
        summaries = self._executor.process_events([event for _, event in batch], raise_on_error=False)
        failures: list[QueueError] = []
        for (number, _), summary in zip(batch, summaries, strict=True):
            failure = summary.failure()
            if isinstance(failure, EventError):
                # With every key written it is larger than its line, and than what the queue takes.
                self._refuse(number, str(failure))
                continue
            self._report.add(summary)
            if isinstance(failure, QueueError):
                failures.append(failure)
        batch.clear()
        self._on_batch(self._report)
        if failures:
            # The next batch would wait for the same time-out and meet the same error.
            raise failures[0]
