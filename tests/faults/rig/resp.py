"""The least of RESP2 and RESP3 that a proxy needs: where a frame ends, and what a request asks for."""

from __future__ import annotations

from typing import Final

_END: Final = b"\r\n"
#: A value on one line.
_LINES: Final = frozenset(b"+-:_#,(")
#: A line with a length, then so many bytes.
_BLOBS: Final = frozenset(b"$=!")
#: A line with a number of values, then these.
_LISTS: Final = frozenset(b"*~>")
#: A line with a number of pairs of values, then these.
_MAP: Final = ord("%")
#: A map that says something of the value behind it.
_ATTRIBUTES: Final = ord("|")


class Frames:
    """Cuts a stream of bytes, which comes in pieces of any size, into whole frames."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes; return the frames that they complete."""
        self._rest += data
        frames: list[bytes] = []
        at = 0
        while (end := _end_of_frame(self._rest, at)) is not None:
            frames.append(bytes(self._rest[at:end]))
            at = end
        del self._rest[:at]
        return frames


def _end_of_frame(data: bytearray, at: int) -> int | None:
    """Say where the frame that starts at ``at`` ends, or ``None`` where it is not whole yet."""
    values = 1
    while values:
        line_end = data.find(_END, at)
        if line_end < 0:
            return None
        kind, rest, at = data[at], data[at + 1 : line_end], line_end + len(_END)
        values -= 1
        if kind in _LINES:
            continue
        # Anything else is an inline command: words on one line.
        count = int(rest) if kind in _BLOBS | _LISTS or kind in {_MAP, _ATTRIBUTES} else 0
        if kind in _BLOBS and count >= 0:
            at += count + len(_END)
        elif kind in _LISTS:
            values += max(count, 0)
        elif kind == _MAP:
            values += 2 * count
        elif kind == _ATTRIBUTES:
            values += 2 * count + 1
    return at if at <= len(data) else None


def words(request: bytes) -> list[bytes]:
    """Return the command and the arguments of a request, which is an array of blobs or a line of words."""
    if not request.startswith(b"*"):
        return request.split()
    found: list[bytes] = []
    line_end = request.index(_END)
    at = line_end + len(_END)
    for _ in range(int(request[1:line_end])):
        line_end = request.index(_END, at)
        start = line_end + len(_END)
        end = start + int(request[at + 1 : line_end])
        found.append(request[start:end])
        at = end + len(_END)
    return found


def is_push(frame: bytes) -> bool:
    """Whether the server sends this by itself, as the answer to no request."""
    return frame.startswith(b">")


def error(text: str) -> bytes:
    """Return the reply that says that a command has failed; the first word of the text is its code."""
    return f"-{text}".encode() + _END
