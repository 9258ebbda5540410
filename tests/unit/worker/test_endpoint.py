"""The HTTP server: what it refuses, and what a hostile client costs."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus

import pytest

from fraiseql_observers.worker.endpoint import DEADLINE_SECS, MAX_CONNECTIONS, MAX_REQUEST, Answer, HttpServer


def answer_path(path: str, answer: Callable[[Answer], None]) -> None:
    answer(Answer(HTTPStatus.OK, path.encode()))


class Loop:
    """Turns a server's selector in a thread, as the supervisor would, on a clock that a test can move."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.server = HttpServer(self.selector, "127.0.0.1", 0, answer_path)
        host, port = self.server.address.rsplit(":", 1)
        self.address = (host, int(port))
        self.ahead = 0.0
        self.is_done = False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        while not self.is_done:
            for key, _ in self.selector.select(0.01):
                key.data()
            self.server.expire(time.monotonic() + self.ahead)
        self.server.close()

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=5)

    def ask(self, request: bytes) -> str:
        with self.connect() as client:
            client.sendall(request)
            return read_all(client)


def read_all(client: socket.socket) -> str:
    parts = []
    try:
        while part := client.recv(65536):
            parts.append(part)
    except ConnectionResetError:  # A server that closes with unread bytes resets.
        pass
    return b"".join(parts).decode()


@pytest.fixture
def loop() -> Iterator[Loop]:
    """A server that answers each path with itself."""
    running = Loop()
    yield running
    running.is_done = True
    running.thread.join(5)


def test_a_get_is_answered_and_the_connection_closed(loop: Loop) -> None:
    text = loop.ask(b"GET /metrics?name=x HTTP/1.1\r\nHost: a\r\n\r\n")
    assert text.startswith("HTTP/1.1 200 OK\r\n")
    assert text.endswith("Connection: close\r\n\r\n/metrics")


@pytest.mark.parametrize("method", ["POST", "HEAD", "DELETE", "get"])
def test_other_methods_are_refused(loop: Loop, method: str) -> None:
    text = loop.ask(f"{method} /metrics HTTP/1.1\r\n\r\n".encode())
    assert text.startswith("HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\n")


@pytest.mark.parametrize(
    "line", [b"", b"GET", b"GET /", b"GET / HTTP/2", b"\x16\x03\x01\x02 \x00 HTTP/1.1x x"]
)
def test_what_is_no_request_is_refused(loop: Loop, line: bytes) -> None:
    assert loop.ask(line + b"\r\n\r\n").startswith("HTTP/1.1 400 Bad Request\r\n")


def test_headers_without_end_are_refused(loop: Loop) -> None:
    text = loop.ask(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * (MAX_REQUEST // 6 + 2))
    assert text.startswith("HTTP/1.1 431 ")


def test_a_silent_client_is_closed_after_the_deadline(loop: Loop) -> None:
    with loop.connect() as client:
        assert loop.ask(b"GET / HTTP/1.1\r\n\r\n")  # By now the other one has been accepted and seen.
        loop.ahead = DEADLINE_SECS + 1
        assert client.recv(1) == b""


def test_too_many_connections_are_closed_at_once_and_the_others_served(loop: Loop) -> None:
    held = [loop.connect() for _ in range(MAX_CONNECTIONS)]
    with loop.connect() as one_more:
        assert one_more.recv(1) == b""
    held[0].sendall(b"GET /alive HTTP/1.1\r\n\r\n")
    assert read_all(held[0]).endswith("/alive")
    for client in held:
        client.close()
