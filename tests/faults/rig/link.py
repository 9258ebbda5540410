"""One client's connection through a proxy: requests one way, replies the other, and the weather between."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Final

from tests.faults.rig.resp import Frames, error, is_push
from tests.faults.rig.rules import Fate, Rule

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]

#: The most bytes that are read at once.
_CHUNK: Final = 1 << 16
#: Close without a goodbye: the peer sees a reset.
_RESET: Final = struct.pack("ii", 1, 0)


class End(Enum):
    """How a connection ends."""

    CLOSE = "close"
    RESET = "reset"


class Weather:
    """What happens to all connections of a proxy.

    Attributes:
        delay_secs: How much later each reply comes.
        slice_size: The most bytes that are passed on at once; 0 for all.
        slice_pause_secs: What is waited behind each slice.
    """

    def __init__(self) -> None:
        self.delay_secs = 0.0
        self.slice_size = 0
        self.slice_pause_secs = 0.0
        self._requests, self._replies = asyncio.Event(), asyncio.Event()
        self._requests.set()
        self._replies.set()

    async def hold(self, *, requests: bool, replies: bool) -> int:
        """Keep back what goes in these directions."""
        for gate, closed in ((self._requests, requests), (self._replies, replies)):
            if closed:
                gate.clear()
        return 0

    async def clear(self) -> int:
        """Be fair again."""
        self.delay_secs, self.slice_size, self.slice_pause_secs = 0.0, 0, 0.0
        self._requests.set()
        self._replies.set()
        return 0

    async def wait(self, *, requests: bool) -> None:
        """Return when something may go in this direction."""
        await (self._requests if requests else self._replies).wait()

    async def send(self, writer: asyncio.StreamWriter, data: bytes, *, requests: bool) -> None:
        """Pass bytes on when they may go, and as they may go."""
        await self.wait(requests=requests)
        if not self.slice_size:
            writer.write(data)
            await writer.drain()
            return
        at = 0
        while at < len(data):
            # The size may change on the way, when the weather does.
            size = self.slice_size or len(data)
            writer.write(data[at : at + size])
            await writer.drain()
            await asyncio.sleep(self.slice_pause_secs)
            await self.wait(requests=requests)
            at += size


class Link:
    """A client, the server, and what has been asked and not answered.

    Args:
        weather: What happens to all connections.
        rule_for: Says which rule takes a request.
        client: The connection from the client.
        server: The connection to the server.
        raw: Whether what goes over it is no requests and replies, so that no rule can take it.
    """

    def __init__(
        self,
        weather: Weather,
        rule_for: Callable[[bytes], Rule | None],
        client: Stream,
        server: Stream,
        *,
        raw: bool = False,
    ) -> None:
        self._weather = weather
        self._raw = raw
        self._rule_for = rule_for
        self._client, self._server = client, server
        #: The rule of each request that has not been answered, in their order.
        self._asked: deque[Rule | None] = deque()
        #: What is to be said to the client, or how it ends, each with the time from which it may be.
        self._replies: asyncio.Queue[tuple[float, bytes | End]] = asyncio.Queue()

    async def run(self) -> None:
        """Pass on what comes, until one side has ended."""
        for _, writer in (self._client, self._server):
            connection: socket.socket = writer.get_extra_info("socket")
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tasks = [asyncio.create_task(self._take_requests()), asyncio.create_task(self._take_replies())]
        end = End.RESET
        try:
            end = await self._give_replies()
        finally:
            for task in tasks:
                task.cancel()
            if end is End.RESET:
                self.reset()
            else:
                self._client[1].close()
                self._server[1].close()

    def reset(self) -> None:
        """Reset both connections."""
        for _, writer in (self._client, self._server):
            reset(writer)

    def half_close(self) -> None:
        """Tell the client that nothing more will come; it may go on talking."""
        with contextlib.suppress(OSError):
            self._client[1].write_eof()

    async def _take_requests(self) -> None:
        frames = Frames()
        try:
            while data := await self._client[0].read(_CHUNK):
                if self._raw:
                    await self._weather.send(self._server[1], data, requests=True)
                    continue
                for request in frames.feed(data):
                    await self._take(request)
            # Whoever has said all may still listen.
            await self._weather.wait(requests=True)
            self._server[1].write_eof()
        except OSError:
            self._say(End.RESET)

    async def _take(self, request: bytes) -> None:
        rule = self._rule_for(request)
        if rule is not None and rule.then is not None:
            await asyncio.to_thread(rule.then)
        if rule is not None and rule.fate is Fate.CUT_BEFORE:
            raise ConnectionResetError
        self._asked.append(rule)
        if rule is not None and rule.fate is Fate.REFUSE:
            self._answer_refused()
            return
        await self._weather.send(self._server[1], request, requests=True)

    async def _take_replies(self) -> None:
        frames = Frames()
        try:
            while data := await self._server[0].read(_CHUNK):
                if self._raw:
                    self._say(data)
                    continue
                for reply in frames.feed(data):
                    self._take_reply(reply)
            self._say(End.CLOSE)
        except OSError:
            self._say(End.RESET)

    def _take_reply(self, reply: bytes) -> None:
        if is_push(reply):
            self._say(reply)
            return
        # A server that takes no more clients speaks without being asked.
        rule = self._asked.popleft() if self._asked else None
        if rule is None or rule.fate is Fate.PASS:
            self._say(reply)
        elif rule.fate is Fate.MISREPORT:
            self._say(error(rule.error))
        else:
            self._say(reply[: rule.bytes])
            self._say(End.RESET)
        self._answer_refused()

    def _answer_refused(self) -> None:
        """Answer what the server has not seen, as soon as everything before it has been answered."""
        while self._asked and (rule := self._asked[0]) is not None and rule.fate is Fate.REFUSE:
            self._asked.popleft()
            self._say(error(rule.error))

    def _say(self, what: bytes | End) -> None:
        self._replies.put_nowait((asyncio.get_running_loop().time() + self._weather.delay_secs, what))

    async def _give_replies(self) -> End:
        while True:
            due, what = await self._replies.get()
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            if isinstance(what, End):
                return what
            try:
                await self._weather.send(self._client[1], what, requests=False)
            except OSError:
                return End.RESET


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection so that its peer sees a reset."""
    connection: socket.socket = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
