"""Lines of a byte stream, numbered, with a bound on their length and on the time that a caller waits.

A thread of its own reads ahead, so that a caller on a pipe can stop waiting at a deadline or at a signal. At
most `READ_AHEAD_CHUNKS` chunks and one line are held, whatever the length of the stream.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

#: Bytes asked of the stream at a time: what a pipe holds on Linux.
CHUNK_BYTES = 65_536
#: Chunks read ahead of the caller; enough that reading and processing overlap.
READ_AHEAD_CHUNKS = 4


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a stream.

    Attributes:
        number: Its number; the first is 1.
        content: Its bytes without white space at either end; empty where the line was too long.
        length: How many bytes it has, its line end not counted.
        is_too_long: Whether it passes the bound, so that its content was dropped.
    """

    number: int
    content: bytes
    length: int
    is_too_long: bool = False


class LineReader:
    """Reads lines from a file, a pipe or a terminal, ahead of the caller until it is closed.

    Args:
        descriptor: Where to read. The reader keeps a copy of its own, so the caller may close it at any time.
        max_line_bytes: The longest line whose content is kept.
    """

    def __init__(self, descriptor: int, *, max_line_bytes: int) -> None:
        # The thread may be in a read when the caller closes the file; under the number of the caller it would
        # then go on with whatever is opened next.
        self._descriptor = os.dup(descriptor)
        self._splitter = _LineSplitter(max_line_bytes)
        self._lines: deque[Line] = deque()
        self._chunks: SimpleQueue[bytes | OSError | None] = SimpleQueue()
        self._room = threading.Semaphore(READ_AHEAD_CHUNKS)
        self._ended = False
        self._closed = False
        #: Bytes taken from the stream so far, for progress bars.
        self.bytes_read = 0
        threading.Thread(target=self._read_ahead, name="fraiseql-line-reader", daemon=True).start()

    def next(self, timeout_secs: float | None) -> Line | None:
        """Return the next line, or ``None`` at the end of the stream.

        Args:
            timeout_secs: The longest wait, or ``None`` to wait for ever.

        Raises:
            TimeoutError: If no line came in time, or `wake` was called; nothing is lost by either.
            OSError: If the stream cannot be read.
        """
        while not self._lines:
            if self._ended:
                return None
            try:
                chunk = self._chunks.get(timeout=timeout_secs)
            except Empty:
                raise TimeoutError from None
            if chunk is None:
                raise TimeoutError
            self._room.release()
            if isinstance(chunk, OSError):
                self._ended = True
                raise chunk
            if not chunk:
                self._ended = True
                self._lines.extend(self._splitter.end())
            else:
                self.bytes_read += len(chunk)
                self._lines.extend(self._splitter.feed(chunk))
        return self._lines.popleft()

    def wake(self) -> None:
        """End a `next` that is waiting. May be called from a signal handler of the waiting thread."""
        # `SimpleQueue.put` is the one way to pass something on that may interrupt a `get` of the same thread.
        self._chunks.put(None)

    def close(self) -> None:
        """Stop reading ahead. A read that waits for a pipe ends with the pipe."""
        self._closed = True
        self._room.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read_ahead(self) -> None:
        try:
            while True:
                self._room.acquire()
                if self._closed:
                    return
                # Not through a buffered file object: its lock would be held here at interpreter exit.
                chunk = os.read(self._descriptor, CHUNK_BYTES)
                self._chunks.put(chunk)
                if not chunk:
                    return
        except OSError as error:
            self._chunks.put(error)
        finally:
            os.close(self._descriptor)


class _LineSplitter:
    """Cuts chunks into lines; of a line that is too long only the length is kept."""

    def __init__(self, max_line_bytes: int) -> None:
        self._max = max_line_bytes
        self._parts: list[bytes] = []
        self._length = 0
        self._number = 1

    def feed(self, chunk: bytes) -> list[Line]:
        """Return the lines that ``chunk`` completes."""
        *complete, rest = chunk.split(b"\n")
        lines = []
        for part in complete:
            self._append(part)
            lines.append(self._take())
        self._append(rest)
        return lines

    def end(self) -> list[Line]:
        """Return the last line, where the stream does not end with a line end."""
        return [self._take()] if self._length else []

    def _append(self, part: bytes) -> None:
        self._length += len(part)
        # A carriage return before the line end may still be stripped, hence one byte of grace.
        if self._length > self._max + 1:
            self._parts.clear()
        elif part:
            self._parts.append(part)

    def _take(self) -> Line:
        content = b"".join(self._parts).strip()
        is_too_long = self._length > self._max + 1 or len(content) > self._max
        line = Line(self._number, b"" if is_too_long else content, self._length, is_too_long)
        self._parts.clear()
        self._length = 0
        self._number += 1
        return line
