"""The two words that the embedded server's neighbours say to it, over a plain socket.

A Redis client would do it too, but the keeper stays small without one.
"""

from __future__ import annotations

import enum
import socket
from pathlib import Path

#: Seconds for one answer. A server that is up answers in well under a millisecond.
_ANSWER_SECS = 2.0


class Answer(enum.Enum):
    """What a server says to PING."""

    READY = enum.auto()
    LOADING = enum.auto()
    NONE = enum.auto()


def ping(path: Path) -> Answer:
    """Ask the server behind a socket whether it takes commands."""
    reply = _ask(path, b"PING\r\n")
    if reply.startswith(b"+PONG"):
        return Answer.READY
    return Answer.LOADING if reply.startswith(b"-LOADING") else Answer.NONE


def shut_down(path: Path) -> None:
    """Ask the server behind a socket, if there is one, to write its file to disk and end."""
    _ask(path, b"SHUTDOWN NOSAVE\r\n")


def _ask(path: Path, command: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ANSWER_SECS)
        try:
            connection.connect(str(path))
            connection.sendall(command)
            return connection.recv(256)
        except OSError:
            # Refused, cut, silent: to the caller it is all one, there is no answer.
            return b""
