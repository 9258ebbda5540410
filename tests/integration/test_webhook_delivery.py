"""Webhooks over real sockets: a local receiver that behaves, misbehaves and hangs."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
import time

import pytest
import trustme
from standardwebhooks import Webhook

from fraiseql_observers.actions.base import ActionResult
from fraiseql_observers.actions.httpx_sender import LONGEST_RESPONSE_BYTES, HttpxSender
from fraiseql_observers.actions.models import WebhookAction
from fraiseql_observers.actions.policy import DestinationPolicy
from fraiseql_observers.actions.resolving import resolve_webhook
from fraiseql_observers.actions.webhook import WebhookCall
from fraiseql_observers.errors import ActionTimeout, PermanentError, RetryableError
from tests.support.scripted_receiver import (
    Received,
    Receiver,
    Reply,
    context_of,
    deliver,
    receiving,
    says,
    status,
)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_signed_request_arrives_and_verifies() -> None:
    """The bytes on the wire are what was signed."""

    async def run() -> None:
        async with receiving(says(status(200, b"ok"))) as receiver:
            results = await deliver(receiver, signing_secret=SECRET, headers={"X-Name": "{{ job.attempt }}"})
            (received,) = receiver.received
            assert results == [ActionResult(200)]
            assert received.line == "POST /hook?a=b HTTP/1.1"
            assert received.headers["host"] == f"127.0.0.1:{receiver.port}"
            assert received.headers["x-name"] == "1"
            assert "transfer-encoding" not in received.headers
            event = Webhook(SECRET).verify(received.body, received.headers)
            assert event["data"] == {"status": "new", "name": "Zoë"}
            assert abs(int(received.headers["webhook-timestamp"]) - time.time()) < 5

    asyncio.run(run())


def test_connections_are_kept_and_bounded() -> None:
    """A hundred deliveries need no hundred handshakes."""

    async def run() -> None:
        async with receiving(says(status(200))) as receiver:
            policy = DestinationPolicy()
            sender = HttpxSender(policy, connections=3)
            config = WebhookAction(url=f"http://127.0.0.1:{receiver.port}/", allow_private=True)
            call = WebhookCall(resolve_webhook(config, policy), sender)
            await asyncio.gather(*(call.run(context_of()) for _ in range(100)))
            assert (len(receiver.received), receiver.connections <= 3) == (100, True)
            await sender.aclose()

    asyncio.run(run())


def test_connection_that_the_receiver_closed_is_not_used_again() -> None:
    """A receiver may close an idle connection without saying so."""

    async def run() -> None:
        async with receiving(says(status(200), then_close=True)) as receiver:
            policy = DestinationPolicy()
            sender = HttpxSender(policy, connections=2)
            config = WebhookAction(url=f"http://127.0.0.1:{receiver.port}/", allow_private=True)
            call = WebhookCall(resolve_webhook(config, policy), sender)
            for _ in range(20):
                assert await call.run(context_of()) == ActionResult(200)
            assert receiver.connections == 20
            await sender.aclose()

    asyncio.run(run())


def test_exception_of_one_action_serves_no_other() -> None:
    """A kept connection to a private address must not be used by an action without the exception."""

    async def run() -> None:
        async with receiving(says(status(200))) as receiver:
            policy = DestinationPolicy()
            sender = HttpxSender(policy, connections=5)
            url = f"http://localhost:{receiver.port}/"
            allowed = resolve_webhook(WebhookAction(url=url, allow_private=True), policy)
            await WebhookCall(allowed, sender).run(context_of())
            strict = WebhookCall(type(allowed)(WebhookAction(url=url), allowed.url, ()), sender)
            with pytest.raises(PermanentError, match="refused"):
                await strict.run(context_of())
            assert len(receiver.received) == 1
            await sender.aclose()

    asyncio.run(run())


def test_allowed_host_is_reached_without_allow_private() -> None:
    """The exception by host works for whoever sends there."""

    async def run() -> None:
        async with receiving(says(status(200))) as receiver:
            policy = DestinationPolicy.of([f"127.0.0.1:{receiver.port}"])
            sender = HttpxSender(policy, connections=1)
            config = WebhookAction(url=f"http://127.0.0.1:{receiver.port}/")
            assert await WebhookCall(resolve_webhook(config, policy), sender).run(
                context_of()
            ) == ActionResult(200)
            await sender.aclose()

    asyncio.run(run())


def test_redirect_to_a_private_address_is_refused() -> None:
    """The exception was for the destination that was configured, and a redirect leads elsewhere."""

    async def run() -> None:
        async with receiving(says(status(200))) as inner:
            hop = says(status(307, headers=f"Location: http://127.0.0.1:{inner.port}/\r\n"))
            async with receiving(hop) as outer:
                with pytest.raises(PermanentError, match="refused"):
                    await deliver(outer, follow_redirects=3)
            assert inner.received == []

    asyncio.run(run())


@pytest.mark.parametrize(
    "reply",
    [
        says(b"", then_close=True),
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", then_close=True),
        says(b"HTTP/1.1 200 OK\r\nContent-Le", then_close=True),
        says(b"HTTP/1.1 99 X\r\n\r\n"),
        says(b"220 mail.example ESMTP\r\n"),
        says(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n"),
        says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        says(status(503, headers="Retry-After: 7\r\n")),
    ],
    ids=["nothing", "half-body", "half-header", "status-99", "smtp", "large-header", "bad-chunk", "503"],
)
def test_broken_answer_is_transient(reply: Reply) -> None:
    """Whether the receiver acted on the request is unknown, so it is sent again."""

    async def run() -> None:
        async with receiving(reply) as receiver:
            with pytest.raises(RetryableError) as caught:
                await deliver(receiver, timeout_secs=1)
            assert f"http://127.0.0.1:{receiver.port}/hook" in str(caught.value)
            assert "a=b" not in str(caught.value)

    asyncio.run(run())


def test_port_that_nobody_listens_on_is_transient() -> None:
    """Receivers are restarted."""

    async def run() -> None:
        async with receiving(says(b"")) as receiver:
            pass
        with pytest.raises(RetryableError, match="connection failed"):
            await deliver(receiver)

    asyncio.run(run())


async def _drips(received: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)  # the pace of the slow receiver, not a wait of the test


async def _continues(received: Received, writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)  # the pace of the slow receiver, not a wait of the test


async def _hangs(received: Received, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("reply", [_drips, _continues, _hangs], ids=["drips", "endless-1xx", "hangs"])
def test_total_deadline_holds_however_slowly_the_answer_comes(reply: Reply) -> None:
    """A timeout per read never fires for a receiver that sends a byte now and then."""

    async def run() -> None:
        async with receiving(reply) as receiver:
            started = time.monotonic()
            with pytest.raises(ActionTimeout):
                await deliver(receiver, timeout_secs=1)
            # At once, but for what else the machine does.
            assert 0.9 <= time.monotonic() - started < 5

    asyncio.run(run())


def test_endless_and_compressed_answers_are_read_up_to_the_bound() -> None:
    """A receiver cannot fill the worker's memory; what it said with 2xx counts."""
    written = 0

    async def endless(received: Received, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 65_536)
            written += 65_536
            await writer.drain()

    async def run() -> None:
        async with receiving(endless) as receiver:
            assert await deliver(receiver) == [ActionResult(200)]
        bomb = gzip.compress(bytes(50_000_000))
        reply = says(status(400, bomb, "Content-Encoding: gzip\r\nContent-Type: text/plain\r\n"))
        async with receiving(reply) as receiver:
            with pytest.raises(PermanentError) as caught:
                await deliver(receiver, url=f"http://127.0.0.1:{receiver.port}/")
            assert len(str(caught.value)) <= 300

    asyncio.run(run())
    # Socket buffers hold some megabytes; the receiver was stopped long before its gigabyte.
    assert written < 50_000_000
    assert LONGEST_RESPONSE_BYTES == 65_536


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("name", ["localhost", "other.example"])
def test_tls_verifies_the_name_although_an_address_is_connected(trusted: bool, name: str) -> None:  # noqa: FBT001
    """The judged address is connected, and the certificate must still be the host's."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(server)
    client = ssl.create_default_context()
    if trusted:
        authority.configure_trust(client)

    async def run() -> None:
        async with receiving(says(status(200)), tls=server) as receiver:
            url = f"https://localhost:{receiver.port}/"
            if trusted and name == "localhost":
                assert await deliver(receiver, url=url, ssl_context=client) == [ActionResult(200)]
                return
            with pytest.raises(RetryableError, match=r"(?i)certificate"):
                await deliver(receiver, url=url, ssl_context=client)
            assert receiver.received == []

    asyncio.run(run())


def test_tls_handshake_that_hangs_leaves_no_socket_behind() -> None:
    """A receiver that accepts and says nothing must not cost a socket per attempt."""

    async def run() -> None:
        closed = asyncio.Event()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.read(1000):
                pass
            closed.set()
            writer.close()

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        receiver = Receiver(says(b""), server.sockets[0].getsockname()[1])
        with pytest.raises(ActionTimeout):
            await deliver(receiver, url=f"https://localhost:{receiver.port}/", timeout_secs=1)
        async with asyncio.timeout(60):
            await closed.wait()
        server.close()

    asyncio.run(run())


def test_plain_http_on_a_tls_port_is_transient() -> None:
    """There is no step down to plain text."""

    async def run() -> None:
        async with receiving(says(status(200))) as receiver:
            with pytest.raises(RetryableError):
                await deliver(receiver, url=f"https://localhost:{receiver.port}/", timeout_secs=1)

    asyncio.run(run())


def test_environment_of_a_proxy_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would connect wherever it likes, past every check."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    monkeypatch.setenv("NETRC", "/no/such/file")

    async def run() -> None:
        async with receiving(says(status(200))) as receiver:
            assert await deliver(receiver) == [ActionResult(200)]

    asyncio.run(run())


def test_cancelled_delivery_leaves_a_sender_that_works() -> None:
    """A worker cancels attempts at shutdown and at deadlines."""

    async def run() -> None:
        started = asyncio.Event()
        replies = [_hangs, says(status(200))]

        async def reply(received: Received, writer: asyncio.StreamWriter) -> None:
            started.set()
            await replies.pop(0)(received, writer)

        async with receiving(reply) as receiver:
            policy = DestinationPolicy()
            sender = HttpxSender(policy, connections=1)
            config = WebhookAction(url=f"http://127.0.0.1:{receiver.port}/", allow_private=True)
            call = WebhookCall(resolve_webhook(config, policy), sender)
            task = asyncio.create_task(call.run(context_of()))
            async with asyncio.timeout(60):
                await started.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await call.run(context_of()) == ActionResult(200)
            assert json.loads(receiver.received[1].body)["entity_type"] == "Order"
            await sender.aclose()

    asyncio.run(run())
