"""A server that says of itself whatever a test wants, and remembers what it was asked."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, cast


class FakeServer(socketserver.ThreadingTCPServer):
    """Speaks as much of the protocol as a client needs to greet it.

    Args:
        info: The lines of its answer to INFO; or the raw bytes of its answer to everything.
        config: Its answers to CONFIG GET.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, info: Sequence[str] | bytes, config: dict[str, str] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.info = info
        self.config = config or {}
        #: The port that it names where it is asked as a sentinel.
        self.primary = 0
        #: The first word of every command so far, in capitals.
        self.asked: list[str] = []

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    def answer(self, command: list[str]) -> bytes:
        """Return the reply to a command."""
        match [command[0].upper(), *command[1:]]:
            case ["INFO", *_]:
                assert not isinstance(self.info, bytes)
                text = "".join(f"{line}\r\n" for line in self.info)
                return f"${len(text)}\r\n{text}\r\n".encode()
            case ["CONFIG", _, *names]:
                found = [word for name in names if name in self.config for word in (name, self.config[name])]
                return f"*{len(found)}\r\n".encode() + b"".join(
                    f"${len(word)}\r\n{word}\r\n".encode() for word in found
                )
            case ["SENTINEL", *_]:
                port = str(self.primary)
                return f"*2\r\n$9\r\n127.0.0.1\r\n${len(port)}\r\n{port}\r\n".encode()
            case ["PING", *_]:
                return b"+PONG\r\n"
            case ["CLIENT", "ID"]:
                return b":7\r\n"
            case ["CLIENT" | "SELECT" | "AUTH", *_]:
                return b"+OK\r\n"
            case [name, *_]:
                return f"-ERR unknown command '{name}'\r\n".encode()
            case _:
                return b"-ERR empty\r\n"


class _Conversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server = cast("FakeServer", self.server)
        try:
            if isinstance(server.info, bytes):
                self.request.recv(4096)
                # A client may have asked several things at once.
                self.wfile.write(server.info * 8)
                self.wfile.flush()
                return
            while command := _command(cast("BinaryIO", self.rfile)):
                server.asked.append(command[0].upper())
                self.wfile.write(server.answer(command))
                self.wfile.flush()
        except OSError:
            return


def _command(stream: BinaryIO) -> list[str] | None:
    head = stream.readline()
    if not head.startswith(b"*"):
        return None
    words: list[str] = []
    for _ in range(int(head[1:])):
        size = int(stream.readline()[1:])
        words.append(stream.read(size).decode())
        stream.readline()
    return words


@contextmanager
def fake_server(info: Sequence[str] | bytes, config: dict[str, str] | None = None) -> Generator[FakeServer]:
    """Run a server for the length of a block."""
    with FakeServer(info, config) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
