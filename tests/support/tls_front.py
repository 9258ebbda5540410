"""TLS in front of a server that has none: a process of our own ends the encryption and hands on the bytes.

So the tests of TLS run on every server. It adds and changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
import threading
import warnings
from collections.abc import Generator
from types import TracebackType
from typing import Self

from tests.support.settle import settle

#: Seconds that the front gets to listen, and to end.
_DEADLINE_SECS = 10.0
_CHUNK_BYTES = 65_536


class TlsFront:
    """A port of 127.0.0.1 that speaks TLS and hands on to another port.

    Args:
        target: The port of the server.
        context: The certificate, and whether clients need one.
    """

    def __init__(self, target: int, context: ssl.SSLContext) -> None:
        self._target = target
        self._context = context
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="tls-front")
        self._listening = threading.Event()
        self._stop = asyncio.Event()
        #: Handshakes that were completed.
        self.accepted = 0
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(_DEADLINE_SECS), "the front does not listen"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_DEADLINE_SECS)
        assert not self._thread.is_alive(), "the front does not end"
        # asyncio leaves what a broken handshake has opened to the collector, which complains in the test of that time.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()

    def use(self, context: ssl.SSLContext) -> None:
        """Take another certificate for the connections to come, and end those that there are."""
        self._context = context
        self._loop.call_soon_threadsafe(self._again.set)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._again = asyncio.Event()
        stopped = asyncio.create_task(self._stop.wait())
        while not stopped.done():
            self._again.clear()
            server = await asyncio.start_server(
                self._connected, "127.0.0.1", self.port, ssl=self._context, ssl_handshake_timeout=5
            )
            self.port = server.sockets[0].getsockname()[1]
            self._listening.set()
            again = asyncio.create_task(self._again.wait())
            await asyncio.wait((stopped, again), return_when=asyncio.FIRST_COMPLETED)
            again.cancel()
            server.close()
            await settle()
            for task in [task for task in asyncio.all_tasks() if task.get_name() == "connection"]:
                task.cancel()
            await settle()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        task.set_name("connection")
        with contextlib.suppress(OSError, asyncio.CancelledError):
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._target)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(_pump(reader, inner_writer))
                    group.create_task(_pump(inner_reader, writer))
            finally:
                inner_writer.close()
        writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hand on bytes until one side has ended."""
    with contextlib.suppress(OSError, ssl.SSLError):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    writer.close()


@contextlib.contextmanager
def choosy_port(context: ssl.SSLContext) -> Generator[int]:
    """Open a port that shakes hands and no more: whom it refuses hears why, as from a server; others are hung up on.

    asyncio keeps to itself what TLS has to say of a handshake that failed.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_shake_hands, args=(listener, context), name="choosy-port")
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(_DEADLINE_SECS)
            assert not thread.is_alive(), "the port does not close"


def _shake_hands(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.settimeout(_DEADLINE_SECS)
        with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True):
            pass
        connection.close()
