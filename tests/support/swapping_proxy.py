"""A proxy that replaces the connection to the server behind its client's back when the client waits for a proof.

It stands for whatever may lie between a producer and its server. On the new connection nothing has been written, so
that the server confirms it at once.
"""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Self

#: What a client sends when it waits for a proof.
_WAITS = (b"\r\nWAITAOF\r\n", b"\r\nWAIT\r\n")


class SwappingProxy:
    """Listens on a port of 127.0.0.1 and forwards to `port`.

    Args:
        port: The server's.
        swaps: How many waits are sent on a connection of their own; later ones are forwarded as they come.
    """

    def __init__(self, port: int, *, swaps: int) -> None:
        self._server = ("127.0.0.1", port)
        self._swaps_left = swaps
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = [self._listener]
        #: How often a wait went out on a new connection.
        self.swapped = 0

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in self._open:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(client)
            threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        upstream = self._connect(client)
        try:
            while chunk := client.recv(65536):
                if self._swaps_left > 0 and any(word in chunk for word in _WAITS):
                    self._swaps_left -= 1
                    self.swapped += 1
                    upstream = self._connect(client)
                upstream.sendall(chunk)
        except OSError:
            pass
        client.close()

    def _connect(self, client: socket.socket) -> socket.socket:
        upstream = socket.create_connection(self._server)
        self._open.append(upstream)
        threading.Thread(target=self._answer, args=[upstream, client], daemon=True).start()
        return upstream

    @staticmethod
    def _answer(upstream: socket.socket, client: socket.socket) -> None:
        try:
            while chunk := upstream.recv(65536):
                client.sendall(chunk)
        except OSError:
            return
