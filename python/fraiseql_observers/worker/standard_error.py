"""Standard error of a worker's processes: a reader that has stopped reading does not stop the work.

A pipe that nobody empties blocks whoever writes to it, for ever. Here a write waits a moment and is then dropped and
counted; as soon as one succeeds again, a log line says how many lines are missing. While somebody reads, nothing
differs from a plain write: it is done when the call returns, in order, so that no exit and no crash loses a line.
"""

from __future__ import annotations

import io
import logging
import os
import select
import socket
import stat
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["StandardError", "outlive_reader"]

logger = logging.getLogger(__name__)

#: Seconds that a write waits for a reader that may only be slow. After one in vain none waits, until one succeeds.
PATIENCE_SECS: Final = 0.5


def outlive_reader() -> None:
    """Let `sys.stderr` drop what nobody reads, if it is a pipe or a socket; a file or a terminal stays as it is."""
    stream = sys.__stderr__
    if stream is None or sys.stderr is not stream:  # It leads elsewhere already.
        return
    fd = stream.fileno()
    mode = os.fstat(fd).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        # Without a buffer in between, since each holds its lock while it writes.
        sys.stderr = io.TextIOWrapper(
            StandardError(fd),
            encoding=stream.encoding,
            errors="backslashreplace",
            line_buffering=True,
        )


class StandardError(io.RawIOBase):
    """Writes to a pipe or a socket for as long as somebody reads it.

    Args:
        fd: Stays open, and whether it blocks stays as it is: other processes share it.
    """

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd
        self._write_some = _writer(fd)
        self._lost = 0
        #: Whether the last line that was written has no end.
        self._is_torn = False

    @property
    def name(self) -> str:
        """As Python calls it."""
        return "<stderr>"

    def fileno(self) -> int:
        """Tell the number, which programs that are started inherit."""
        return self._fd

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all of it, or drop what cannot be written in time; say that it is done in both cases."""
        text = bytes(data)
        rest = b"\n" + text if self._is_torn else text
        whole = len(rest)
        deadline = time.monotonic() + (0.0 if self._lost else PATIENCE_SECS)
        while rest:
            left = deadline - time.monotonic()
            if not _has_room(self._fd, max(left, 0.0)):
                break
            try:
                rest = rest[self._write_some(rest) :]
            except BlockingIOError:  # Another process has taken the room.
                if left <= 0:
                    break
        if rest:
            self._lost += max(text.count(b"\n"), 1)
            self._is_torn = self._is_torn or len(rest) < whole
        else:
            self._is_torn = False
            self._say_what_is_lost()
        return len(text)

    def _say_what_is_lost(self) -> None:
        if lost := self._lost:
            self._lost = 0
            logger.error("%d lines are missing before the last one: nobody read standard error", lost)
            if self._lost:  # It came to nothing, so that the next one says it.
                self._lost += lost


def _has_room(fd: int, secs: float) -> bool:
    """Wait for room in a pipe or socket, or for the end of its reader, which a write then raises."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(secs * 1000))


def _writer(fd: int) -> Callable[[bytes], int]:
    """Make a function that writes some bytes, at least one, and raises `BlockingIOError` rather than to wait."""
    if stat.S_ISSOCK(os.fstat(fd).st_mode):
        return lambda data: _send(fd, data)
    try:
        # An open file of our own, since that of `fd` is shared with processes that do not expect it not to block.
        own = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        # Another system, or a pipe of another user. Where there is room at all, there is room for so much, unless
        # another process takes it in this moment.
        return lambda data: os.write(fd, data[: select.PIPE_BUF])
    return lambda data: os.write(own, data)


def _send(fd: int, data: bytes) -> int:
    connection = socket.socket(fileno=fd)
    try:
        return connection.send(data, socket.MSG_DONTWAIT)
    finally:
        connection.detach()
