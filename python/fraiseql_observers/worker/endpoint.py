"""A small HTTP server for `/metrics`, `/healthz` and `/readyz`, driven by the supervisor's selector.

It answers GET, one request a connection, and nothing else. Every connection is bounded in number, bytes and
time, so that a scraper that hangs or floods costs a few KiB for a few seconds. `http.server` and asyncio
would do the same for 10 MB of memory each.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, NamedTuple

#: Open connections; a further one is closed at once.
MAX_CONNECTIONS: Final = 32
#: Bytes of a request with its headers.
MAX_REQUEST: Final = 8192
#: Seconds from accept to the last byte of the answer; an answer itself takes less than one second.
DEADLINE_SECS: Final = 5.0


class Answer(NamedTuple):
    """What goes back to a client."""

    status: HTTPStatus
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


#: Called with the path; it calls the function it is given, now or later, with the answer.
Handler = Callable[[str, Callable[[Answer], None]], None]


class HttpServer:
    """Listens on one address and hands paths to a handler.

    Args:
        selector: The loop that calls the callback registered as each key's data.
        host: The address to listen on.
        port: 0 takes a free one.
        handler: Gives the answers.

    Raises:
        OSError: If the address cannot be had.
    """

    def __init__(self, selector: selectors.BaseSelector, host: str, port: int, handler: Handler) -> None:
        self._selector = selector
        self._handler = handler
        self._connections: set[_Connection] = set()
        family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        self._listener = socket.socket(family, kind, number)
        try:
            # A worker that restarts must not wait for the connections of the one before it to be forgotten.
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind(address)
            self._listener.listen(MAX_CONNECTIONS)
            self._listener.setblocking(False)
        except BaseException:
            self._listener.close()
            raise
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    @property
    def address(self) -> str:
        """Where it listens, as in a URL."""
        host, port = self._listener.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def expire(self, now: float) -> None:
        """Close the connections whose time is up. To be called about once a second."""
        for connection in [*self._connections]:
            if connection.end_at is None:
                connection.end_at = now + DEADLINE_SECS
            elif now >= connection.end_at:
                connection.close()

    def close(self) -> None:
        """Stop listening and close every connection."""
        self._selector.unregister(self._listener)
        self._listener.close()
        for connection in [*self._connections]:
            connection.close()

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:  # The client has gone again, or we are out of descriptors: the next call tells.
            return
        if len(self._connections) >= MAX_CONNECTIONS:
            client.close()
            return
        client.setblocking(False)
        self._connections.add(_Connection(client, self._selector, self._handler, self._connections))


class _Connection:
    """One request and its answer."""

    def __init__(
        self,
        client: socket.socket,
        selector: selectors.BaseSelector,
        handler: Handler,
        open_ones: set[_Connection],
    ) -> None:
        self._client = client
        self._selector = selector
        self._handler = handler
        self._open_ones = open_ones
        self._received = b""
        self._unsent = b""
        self.end_at: float | None = None
        self._is_open = True
        selector.register(client, selectors.EVENT_READ, self._read)

    def _read(self) -> None:
        try:
            part = self._client.recv(MAX_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        if not part:
            self.close()
            return
        self._received += part
        if b"\r\n\r\n" in self._received or b"\n\n" in self._received:
            # Nothing more is read: what follows the headers of a GET is not ours to interpret.
            self._selector.unregister(self._client)
            self._dispatch()
        elif len(self._received) > MAX_REQUEST:
            self._selector.unregister(self._client)
            self._answer(_plain(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))

    def _dispatch(self) -> None:
        words = self._received.split(b"\n", 1)[0].split()
        match words:
            case [b"GET", path, version] if version.startswith(b"HTTP/1."):
                self._handler(path.split(b"?", 1)[0].decode("latin-1"), self._answer)
            case [_, _, version] if version.startswith(b"HTTP/1."):
                self._answer(_plain(HTTPStatus.METHOD_NOT_ALLOWED))
            case _:
                self._answer(_plain(HTTPStatus.BAD_REQUEST))

    def _answer(self, answer: Answer) -> None:
        if not self._is_open:  # Its time was up before the answer came.
            return
        head = (
            f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\n"
            f"Content-Type: {answer.content_type}\r\n"
            f"Content-Length: {len(answer.body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        if answer.status is HTTPStatus.METHOD_NOT_ALLOWED:
            head = head.replace("\r\n", "\r\nAllow: GET\r\n", 1)
        self._unsent = head.encode() + answer.body
        self._selector.register(self._client, selectors.EVENT_WRITE, self._write)

    def _write(self) -> None:
        try:
            sent = self._client.send(self._unsent)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self.close()

    def close(self) -> None:
        """Close the connection, answered or not."""
        if not self._is_open:
            return
        self._is_open = False
        if self._client in self._selector.get_map():
            self._selector.unregister(self._client)
        self._client.close()
        self._open_ones.discard(self)


def _plain(status: HTTPStatus) -> Answer:
    return Answer(status, f"{status.phrase}\n".encode())
