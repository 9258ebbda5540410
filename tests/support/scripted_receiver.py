"""Receivers of webhooks in the event loop of a test: each answers with the bytes that the test wants."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from fraiseql_observers.actions.base import ActionContext, ActionResult
from fraiseql_observers.actions.httpx_sender import HttpxSender
from fraiseql_observers.actions.models import WebhookAction
from fraiseql_observers.actions.policy import DestinationPolicy
from fraiseql_observers.actions.resolving import resolve_webhook
from fraiseql_observers.actions.webhook import WebhookCall
from fraiseql_observers.events import EntityEvent


@dataclass
class Received:
    """One request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes


Reply = Callable[[Received, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Receiver:
    """A server on this machine that answers every request with `reply`."""

    reply: Reply
    port: int = 0
    connections: int = 0
    received: list[Received] = field(default_factory=list)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                pairs = (line.split(": ", 1) for line in head[1:] if line)
                headers = {name.lower(): value for name, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.received.append(Received(head[0], headers, body))
                await self.reply(self.received[-1], writer)
                await writer.drain()
        except (
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
            ConnectionError,
            asyncio.CancelledError,
        ):
            # The client went away, spoke no HTTP, or the test is over.
            pass
        finally:
            writer.close()

    async def end(self) -> None:
        """End the connections that are left."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


def says(text: bytes, *, then_close: bool = False) -> Reply:
    """Return a reply of exactly these bytes."""

    async def reply(received: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        if then_close:
            writer.close()

    return reply


def status(code: int, body: bytes = b"", headers: str = "") -> bytes:
    """Return a response with a length."""
    return f"HTTP/1.1 {code} X\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


@asynccontextmanager
async def receiving(reply: Reply, *, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Receiver]:
    """Run a receiver."""
    receiver = Receiver(reply)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        await receiver.end()


def context_of(event: EntityEvent | None = None) -> ActionContext:
    """Return a first attempt."""
    event = event or EntityEvent("INSERT", "Order", uuid4(), {"status": "new", "name": "Zoë"})
    return ActionContext(uuid4(), 1, event, "created", datetime.now(UTC))


async def deliver(
    receiver: Receiver, *, attempts: int = 1, ssl_context: ssl.SSLContext | None = None, **fields: Any
) -> list[ActionResult]:
    """Run attempts of a webhook to a receiver, all at once, over one sender."""
    url = f"http://127.0.0.1:{receiver.port}/hook?a=b"
    used: dict[str, Any] = {"url": url, "allow_private": True, "timeout_secs": 5, **fields}
    policy = DestinationPolicy()
    sender = HttpxSender(policy, connections=attempts, ssl_context=ssl_context)
    call = WebhookCall(resolve_webhook(WebhookAction(**used), policy, environment={}), sender)
    try:
        return list(await asyncio.gather(*(call.run(context_of()) for _ in range(attempts))))
    finally:
        await sender.aclose()
