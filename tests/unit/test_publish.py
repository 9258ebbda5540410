"""`fraiseql_observers.publish`: every line is counted once, and what ends a run early leaves true counts."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

import orjson
import pytest

from fraiseql_observers.errors import EventError, ObserversError, QueueUnavailable
from fraiseql_observers.events import EntityEvent
from fraiseql_observers.lines import LineReader
from fraiseql_observers.publish import BadLine, Publisher, PublishReport

MAX_BYTES = 2_000


@dataclass
class Answer:
    """The summary of one event."""

    matched: int = 1
    jobs_queued: int = 1
    duplicates: int = 0
    conditions_skipped: int = 0
    queueing_errors: int = 0
    errors: Sequence[str] = ()
    error: ObserversError | None = None
    jobs_spooled: int = 0

    def failure(self) -> ObserversError | None:
        """Return the error."""
        return self.error


@dataclass
class RecordingSink:
    """Takes events, remembers the batches and answers what a test wants."""

    answer: Callable[[EntityEvent], Answer] = lambda event: Answer()
    batches: list[list[EntityEvent]] = field(default_factory=list)
    on_batch: Callable[[], None] = lambda: None

    def process_events(self, events: Sequence[EntityEvent], *, raise_on_error: bool = True) -> list[Answer]:
        """Answer for each event."""
        assert not raise_on_error, "the counts of a batch that fails in part are wanted"
        self.batches.append(list(events))
        self.on_batch()
        return [self.answer(event) for event in events]


@dataclass
class Run:
    """One publisher with what it told."""

    sink: RecordingSink
    batch_size: int = 10
    hold_secs: float = 60.0
    bad_lines: list[BadLine] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.publisher = Publisher(
            self.sink,  # type: ignore[arg-type]  # its summaries are not the core's
            batch_size=self.batch_size,
            hold_secs=self.hold_secs,
            max_event_bytes=MAX_BYTES,
            on_bad_line=self.bad_lines.append,
            on_batch=lambda report: None,
        )

    def publish(self, content: bytes) -> PublishReport:
        """Publish a file with this content."""
        with tempfile.TemporaryFile() as file:
            file.write(content)
            file.seek(0)
            return self.follow(file.fileno())

    def follow(self, descriptor: int) -> PublishReport:
        """Publish what comes from a file descriptor."""
        with LineReader(descriptor, max_line_bytes=MAX_BYTES) as reader:
            return self.publisher.run(reader)


def line(**fields: object) -> bytes:
    """Write one event; by default one without an id."""
    event = {"event_type": "INSERT", "entity_type": "Order", "entity_id": str(uuid4()), "data": {}}
    return orjson.dumps(event | fields)


def test_events_go_in_batches_in_the_order_of_the_lines() -> None:
    """A full batch is sent at once, the rest at the end."""
    run = Run(RecordingSink(), batch_size=4)
    lines = [line(data={"n": number}) for number in range(10)]
    report = run.publish(b"\n".join(lines))
    assert [[event.data["n"] for event in batch] for batch in run.sink.batches] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9],
    ]
    assert report.events == 10
    assert report.is_complete


def test_the_report_adds_up_what_the_queue_answered() -> None:
    """Matched counts events, queued and duplicates count jobs, errors count lines and events."""
    answers = iter(
        [
            Answer(matched=2, jobs_queued=2),
            Answer(jobs_queued=0, duplicates=1),
            Answer(matched=0, jobs_queued=0),
            Answer(matched=0, jobs_queued=0, conditions_skipped=1, errors=["Field not found: f"]),
            Answer(matched=2, jobs_queued=1, queueing_errors=1),
        ]
    )
    run = Run(RecordingSink(answer=lambda event: next(answers)))
    report = run.publish(b"\n".join([*(line() for _ in range(5)), b"{"]))
    assert report.to_dict() == {
        "events": 5,
        "matched": 3,
        "queued": 3,
        "duplicates": 1,
        "skipped": 1,
        "errors": 2,
    }
    assert report.condition_errors == {"Field not found: f": 1}
    assert not report.is_complete


def test_a_line_without_an_id_gets_the_same_one_each_time() -> None:
    """The id follows from the bytes of the line; white space around them does not count."""
    without, other, given = line(), line(), line(id=str(uuid4()))
    run = Run(RecordingSink())
    report = run.publish(without + b"\n" + other + b"\r\n  " + without + b" \n" + given)
    first, second, again, own = (event.id for event in run.sink.batches[0])
    assert first == again
    assert first != second
    assert str(own) == orjson.loads(given)["id"]
    assert report.derived_ids == 3


def test_bad_lines_are_told_with_their_number_and_the_others_go_on() -> None:
    """Blank lines count as lines, and are neither events nor errors."""
    run = Run(RecordingSink())
    content = [line(), b"", b"no json", b"[1]", line(entity_id="x"), b"   ", b"\xff", b'{"a": NaN}', line()]
    report = run.publish(b"\n".join(content))
    assert [bad.number for bad in run.bad_lines] == [3, 4, 5, 7, 8]
    assert "entity_id" in str(run.bad_lines[2])
    assert (report.events, report.errors) == (2, 5)


def test_an_event_above_the_limit_is_refused_and_the_limit_named() -> None:
    """The largest event is ``max_payload_bytes`` long; one byte more is an error."""
    shortest = len(line(data={"text": ""}))
    at = line(data={"text": "x" * (MAX_BYTES - shortest)})
    above = line(data={"text": "x" * (MAX_BYTES - shortest + 1)})
    assert len(at) == MAX_BYTES
    run = Run(RecordingSink())
    report = run.publish(at + b"\n" + above + b"\n" + line())
    assert [bad.number for bad in run.bad_lines] == [2]
    assert "max_payload_bytes" in str(run.bad_lines[0])
    assert report.events == 2


def test_an_unreachable_queue_ends_the_run_with_true_counts() -> None:
    """What was stored counts, in the batch that failed too; nothing after it is read."""
    lost = QueueUnavailable("the queue at redis://localhost:6379 cannot be reached")
    answers = iter([*(Answer() for _ in range(4)), *(Answer(1, 0, 0, 0, 1, error=lost) for _ in range(2))])
    sink = RecordingSink(answer=lambda event: next(answers))
    report = Run(sink, batch_size=3).publish(b"\n".join(line() for _ in range(9)))
    assert len(sink.batches) == 2
    assert report.to_dict() == {
        "events": 6,
        "matched": 6,
        "queued": 4,
        "duplicates": 0,
        "skipped": 0,
        "errors": 2,
    }
    assert report.failure is lost


def test_an_event_that_the_queue_finds_too_large_is_a_bad_line_like_others() -> None:
    """With every key written an event is larger than its line; the others go on."""
    answers = iter(
        [Answer(), Answer(1, 0, 0, 0, 1, error=EventError("1,025 bytes, at most 1,024")), Answer()]
    )
    run = Run(RecordingSink(answer=lambda event: next(answers)))
    report = run.publish(b"\n".join([line(), b"", line(), line()]))
    assert [str(bad) for bad in run.bad_lines] == ["line 3: 1,025 bytes, at most 1,024"]
    assert (report.events, report.queued, report.errors, report.failure) == (2, 2, 1, None)


def test_stop_sends_what_was_read_and_ends() -> None:
    """A stop in the middle of a batch's round trip lets it end; what was read with it is sent as well."""
    sink = RecordingSink()
    run = Run(sink, batch_size=3)
    sink.on_batch = run.publisher.stop
    report = run.publish(b"\n".join(line() for _ in range(9)))
    assert report.interrupted
    assert report.events == sum(len(batch) for batch in sink.batches) == 3


def test_a_pipe_that_goes_silent_has_its_partial_batch_sent() -> None:
    """A batch waits ``hold_secs`` from its first line, not until it is full."""
    reading, writing = os.pipe()
    sent = threading.Event()
    run = Run(RecordingSink(on_batch=sent.set), hold_secs=0.05)
    os.write(writing, line() + b"\n" + line() + b"\n")
    thread = threading.Thread(target=lambda: run.follow(reading))
    thread.start()
    assert sent.wait(10.0), "the partial batch was held for ever"
    assert len(run.sink.batches[0]) == 2
    os.close(writing)
    thread.join(10.0)
    os.close(reading)


def test_a_stop_ends_the_wait_on_a_silent_pipe() -> None:
    """The run ends although the pipe stays open, and what had been read is sent."""
    reading, writing = os.pipe()
    run = Run(RecordingSink())
    os.write(writing, line() + b"\n")
    reports: list[PublishReport] = []
    thread = threading.Thread(target=lambda: reports.append(run.follow(reading)))
    thread.start()
    run.publisher.stop()
    thread.join(10.0)
    assert not thread.is_alive()
    assert reports[0].interrupted
    assert reports[0].events == sum(len(batch) for batch in run.sink.batches)
    os.close(writing)


def test_a_blank_stream_does_not_keep_a_partial_batch() -> None:
    """Lines that are no events keep coming, and the batch is sent when its time is over."""
    reading, writing = os.pipe()
    sent = threading.Event()
    run = Run(RecordingSink(on_batch=sent.set), hold_secs=0.05)
    thread = threading.Thread(target=lambda: run.follow(reading))
    thread.start()
    os.write(writing, line() + b"\n")
    while not sent.wait(0.01):
        os.write(writing, b"\n")
    os.close(writing)
    thread.join(10.0)
    os.close(reading)
    assert len(run.sink.batches[0]) == 1


@pytest.mark.parametrize("count", [99, 100, 101, 1000])
def test_texts_about_conditions_are_bounded(count: int) -> None:
    """A rule that names the value in its error cannot fill the memory."""
    numbers = iter(range(count))
    run = Run(
        RecordingSink(answer=lambda event: Answer(conditions_skipped=1, errors=[f"text {next(numbers)}"]))
    )
    report = run.publish(b"\n".join(line() for _ in range(count)))
    assert report.skipped == count
    assert len(report.condition_errors) == min(count, 100)
