"""`fraiseql_observers.lines`: numbered, bounded lines, and waits that end."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fraiseql_observers.lines import CHUNK_BYTES, Line, LineReader
from tests.support.wait import wait_until


class Pipe:
    """A pipe whose other end a test writes to."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self._is_open = True

    def write(self, content: bytes) -> None:
        """Write all of ``content``."""
        while content:
            content = content[os.write(self.writing, content) :]

    def end(self) -> None:
        """End the stream."""
        if self._is_open:
            self._is_open = False
            os.close(self.writing)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A pipe that is closed after the test."""
    pipe = Pipe()
    yield pipe
    pipe.end()
    os.close(pipe.reading)


def all_lines(reader: LineReader) -> list[Line]:
    """Read to the end of the stream."""
    return list(iter(lambda: reader.next(10.0), None))


def read_all(content: bytes, pipe: Pipe, max_line_bytes: int = 100) -> list[Line]:
    """Read ``content`` as lines."""
    reader = LineReader(pipe.reading, max_line_bytes=max_line_bytes)
    pipe.write(content)
    pipe.end()
    return all_lines(reader)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"a", [(1, b"a")]),
        (b"a\nb\n", [(1, b"a"), (2, b"b")]),
        (b"a\r\n\n  b \r\n", [(1, b"a"), (2, b""), (3, b"b")]),
        (b"\n\nc", [(1, b""), (2, b""), (3, b"c")]),
        (b"\xff\x00\n", [(1, b"\xff\x00")]),
    ],
)
def test_lines_are_numbered_and_stripped(
    content: bytes, expected: list[tuple[int, bytes]], pipe: Pipe
) -> None:
    """Every line counts, the blank ones too, so that a number in a message is that of an editor."""
    assert [(line.number, line.content) for line in read_all(content, pipe)] == expected


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_line_at_the_bound_is_kept_and_one_above_it_refused(end: bytes, pipe: Pipe) -> None:
    """The bound is on the content; a line end of one byte or two is none of it."""
    at, above = read_all(b"x" * 100 + b"\n" + b"y" * 101 + end, pipe)
    assert (at.content, at.is_too_long) == (b"x" * 100, False)
    assert (above.content, above.is_too_long) == (b"", True)


def test_a_huge_line_is_dropped_and_the_next_one_read(pipe: Pipe) -> None:
    """A line of several chunks is refused with its length, and what follows is not affected."""
    reader = LineReader(pipe.reading, max_line_bytes=100)
    length = 3 * CHUNK_BYTES + 17

    def write() -> None:
        pipe.write(b"x" * length + b"\nnext\n")
        pipe.end()

    writer = threading.Thread(target=write)
    writer.start()
    huge, following = all_lines(reader)
    writer.join(10.0)
    assert (huge.number, huge.length, huge.is_too_long) == (1, length, True)
    assert (following.number, following.content) == (2, b"next")
    assert reader.bytes_read == length + 6


def test_a_silent_stream_times_out_and_loses_nothing(pipe: Pipe) -> None:
    """The start of a line that came before the time-out belongs to the line that ends after it."""
    reader = LineReader(pipe.reading, max_line_bytes=100)
    pipe.write(b"fir")
    wait_until(lambda: reader.bytes_read == 3 or not _times_out(reader), what="the start")
    assert _times_out(reader)
    pipe.write(b"st\n")
    line = reader.next(10.0)
    assert line is not None
    assert line.content == b"first"


def _times_out(reader: LineReader) -> bool:
    try:
        reader.next(0.05)
    except TimeoutError:
        return True
    return False


def test_wake_ends_a_wait_and_loses_nothing(pipe: Pipe) -> None:
    """A wait without a time-out ends at `wake`, and the next call goes on where it was."""
    reader = LineReader(pipe.reading, max_line_bytes=100)
    ended = threading.Event()

    def wait_for_ever() -> None:
        with pytest.raises(TimeoutError):
            reader.next(None)
        ended.set()

    waiting = threading.Thread(target=wait_for_ever)
    waiting.start()
    reader.wake()
    assert ended.wait(10.0)
    waiting.join(10.0)
    pipe.write(b"next\n")
    line = reader.next(10.0)
    assert line is not None
    assert line.content == b"next"


def test_reading_ahead_is_bounded(pipe: Pipe) -> None:
    """A producer that is faster than the queue is held back by its pipe, not kept in memory."""
    LineReader(pipe.reading, max_line_bytes=100)
    written = 0
    os.set_blocking(pipe.writing, False)

    def is_blocked_for_good() -> bool:
        nonlocal written
        try:
            written += os.write(pipe.writing, b"x" * CHUNK_BYTES)
        except BlockingIOError:
            return _stays_blocked(pipe.writing)
        return False

    wait_until(is_blocked_for_good, what="the pipe to be full")
    assert written <= 8 * CHUNK_BYTES


def _stays_blocked(descriptor: int) -> bool:
    deadline = time.monotonic() + 0.2
    while time.monotonic() < deadline:
        try:
            os.write(descriptor, b"x")
        except BlockingIOError:
            time.sleep(0.01)
        else:
            return False
    return True


def test_a_reader_leaves_a_file_alone_that_gets_the_number_of_its_own() -> None:
    """The caller closes its file, opens another, and the reader still reads the first and only the first."""
    number, first = os.pipe()
    reader = LineReader(number, max_line_bytes=100)
    os.close(number)
    reading, second = os.pipe()
    os.dup2(reading, number)
    os.write(first, b"first\n")
    line = reader.next(10.0)
    assert line is not None
    assert line.content == b"first"
    os.write(second, b"second\n")
    with pytest.raises(TimeoutError):
        reader.next(0.1)
    assert os.read(reading, 100) == b"second\n"
    # The kernel gives the lowest free number, so `reading` may be `number` already.
    for descriptor in {number, first, reading, second}:
        os.close(descriptor)


def test_a_stream_that_cannot_be_read_says_so() -> None:
    """An error in reading reaches the caller."""
    descriptor = os.open(Path(__file__).parent, os.O_RDONLY)
    try:
        with pytest.raises(IsADirectoryError):
            LineReader(descriptor, max_line_bytes=100).next(10.0)
    finally:
        os.close(descriptor)
