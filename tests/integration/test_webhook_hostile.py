"""Webhooks to receivers that mean harm, or are badly broken: nothing leaks, nothing sticks, nobody else waits."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
import traceback
from pathlib import Path

import pytest
import trustme

from fraiseql_observers.actions.base import ActionResult
from fraiseql_observers.actions.httpx_sender import HttpxSender
from fraiseql_observers.actions.models import WebhookAction
from fraiseql_observers.actions.policy import DestinationPolicy
from fraiseql_observers.actions.resolving import resolve_webhook
from fraiseql_observers.actions.webhook import WebhookCall
from fraiseql_observers.errors import ActionError, ActionTimeout, RetryableError
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

CANARY = "hunter2canary"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def webhook(
    sender: HttpxSender, receiver: Receiver, path: str = "/", *, timeout_secs: int = 5
) -> WebhookCall:
    """Return a webhook to a receiver, over a sender that the test keeps."""
    config = WebhookAction(
        url=f"http://127.0.0.1:{receiver.port}{path}", allow_private=True, timeout_secs=timeout_secs
    )
    return WebhookCall(resolve_webhook(config, DestinationPolicy()), sender)


def echoes(template: str) -> Reply:
    """Return a reply that repeats the path and a header of its request."""

    async def reply(received: Received, writer: asyncio.StreamWriter) -> None:
        seen = f"{received.line} {received.headers.get('authorization', '')}"
        writer.write(template.format(seen=seen, path=received.line.split()[1].lstrip("/")).encode())
        writer.close()

    return reply


@pytest.mark.parametrize("source", ["url_env", "query", "header"])
@pytest.mark.parametrize(
    "template",
    [
        "{seen}\r\n\r\n",
        "HTTP/1.1 200 {seen}\r\nX\r\n\r\n",
        "HTTP/1.1 200 OK\r\n{seen}\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: {seen}\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: {seen}\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{seen}\r\n",
        "HTTP/1.1 500 {seen}\r\nRetry-After: {seen}\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 400 No\r\nContent-Type: text/plain\r\n\r\n{seen}",
        "HTTP/1.1 307 No\r\nLocation: /again/{path}\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 307 No\r\nLocation: https://{seen}/\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 307 No\r\nLocation: http://127.0.0.1:1023/{path}\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 307 No\r\nLocation: http://127.0.0.1:65535/{path}\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_error_repeats_no_secret_that_the_receiver_sends_back(
    source: str, template: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Error texts are stored with the job and shown to operators; a receiver chooses much of what happens."""
    caplog.set_level(logging.DEBUG)

    async def run() -> ActionError:
        async with receiving(echoes(template)) as receiver:
            root = f"http://127.0.0.1:{receiver.port}"
            environment = {"HOOK": f"{root}/services/{CANARY}"}
            fields = {
                "url_env": {"url_env": "HOOK"},
                "query": {"url": f"{root}/hook?token={CANARY}"},
                "header": {"url": f"{root}/hook", "headers": {"Authorization": CANARY}},
            }[source]
            config = WebhookAction(
                **fields,  # type: ignore[arg-type]  # of several shapes
                signing_secret=(SECRET,),
                allow_private=True,
                follow_redirects=2,
                timeout_secs=2,
            )
            sender = HttpxSender(DestinationPolicy(), connections=1)
            call = WebhookCall(resolve_webhook(config, DestinationPolicy(), environment=environment), sender)
            try:
                with pytest.raises(ActionError) as caught:
                    await call.run(context_of())
            finally:
                await sender.aclose()
            assert f"127.0.0.1:{receiver.port}" in str(caught.value)
            assert CANARY in receiver.received[0].line + str(receiver.received[0].headers)
            return caught.value

    error = asyncio.run(run())
    told = [str(error), repr(error), *traceback.format_exception(error)]
    assert CANARY not in "".join(told)
    assert SECRET.removeprefix("whsec_") not in "".join(told) + caplog.text


def test_no_library_logs_what_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    """Somebody who turns on all logs to look for a fault must not fill them with secrets."""
    caplog.set_level(logging.DEBUG)

    async def run() -> None:
        async with receiving(says(status(200))) as receiver:
            url = f"http://127.0.0.1:{receiver.port}/{CANARY}?token={CANARY}"
            await deliver(receiver, url=url, headers={"Authorization": CANARY}, signing_secret=SECRET)

    asyncio.run(run())
    assert CANARY not in caplog.text
    assert SECRET not in caplog.text


def test_request_carries_these_headers_and_no_others() -> None:
    """A library adds nothing of its own: what comes twice or unasked confuses receivers."""

    async def run() -> None:
        async with receiving(says(status(200, headers="Set-Cookie: a=b\r\n"))) as receiver:
            sender = HttpxSender(DestinationPolicy(), connections=1)
            call = webhook(sender, receiver)
            await call.run(context_of())
            await call.run(context_of())
            await sender.aclose()
            for received in receiver.received:
                assert set(received.headers) == {
                    *("host", "content-length", "content-type", "user-agent", "accept-encoding"),
                    *("webhook-id", "webhook-timestamp", "idempotency-key"),
                    *("x-fraiseql-attempt", "x-fraiseql-event"),
                }
            from fraiseql_observers import __version__

            assert receiver.received[0].headers["user-agent"] == f"fraiseql-observers/{__version__}"

    asyncio.run(run())


def test_environment_makes_no_proxy_no_password_and_no_trust(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A proxy would connect past every check, and an authority of the machine would vouch for anybody."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    (tmp_path / ".netrc").write_text(f"default login {CANARY} password {CANARY}\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))

    async def run() -> None:
        async with receiving(says(status(200))) as proxy, receiving(says(status(200))) as plain:
            for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            monkeypatch.delenv("NO_PROXY", raising=False)
            assert await deliver(plain) == [ActionResult(200)]
            async with receiving(says(status(200)), tls=server) as secure:
                with pytest.raises(RetryableError, match=r"(?i)certificate"):
                    await deliver(secure, url=f"https://localhost:{secure.port}/")
            assert (proxy.connections, secure.received) == (0, [])
            assert "authorization" not in plain.received[0].headers

    asyncio.run(run())


def test_second_answer_to_one_request_settles_no_other_job() -> None:
    """The next attempt on that connection would be told what was meant for the one before."""

    async def run() -> None:
        async with receiving(says(status(200) + status(200))) as receiver:
            sender = HttpxSender(DestinationPolicy(), connections=1)
            call = webhook(sender, receiver)
            assert await call.run(context_of()) == ActionResult(200)
            with pytest.raises(RetryableError):
                await call.run(context_of())
            assert await call.run(context_of()) == ActionResult(200)
            assert receiver.connections == 2
            await sender.aclose()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("reply", "connections"),
    [
        (status(500, b"later"), 1),
        (status(404), 1),
        (status(400, b"x" * 100_000), 2),
        (status(500, headers="Connection: close\r\n"), 2),
        (b"HTTP/1.1 500 X\r\nContent-Length: x\r\n\r\n", 2),
    ],
    ids=["500", "404", "more-than-is-read", "close", "broken"],
)
def test_connection_is_used_again_only_after_an_answer_that_was_read_to_its_end(
    reply: bytes, connections: int
) -> None:
    """An error is an answer too; what is left of one must not be taken for the next."""

    async def run() -> None:
        replies = [says(reply), says(status(200))]

        async def answer(received: Received, writer: asyncio.StreamWriter) -> None:
            await replies.pop(0)(received, writer)

        async with receiving(answer) as receiver:
            sender = HttpxSender(DestinationPolicy(), connections=1)
            call = webhook(sender, receiver)
            with pytest.raises(ActionError):
                await call.run(context_of())
            assert await call.run(context_of()) == ActionResult(200)
            assert receiver.connections == connections
            await sender.aclose()

    asyncio.run(run())


async def _hangs(received: Received, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def _drips_a_header(received: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while not writer.is_closing():
        writer.write(b"a: b\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)  # the pace of the slow receiver, not a wait of the test


def _floods(head: bytes, text: bytes) -> Reply:
    async def reply(received: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(text)
            await writer.drain()
            await asyncio.sleep(0)

    return reply


@pytest.mark.parametrize(
    "reply",
    [
        _drips_a_header,
        _floods(b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 100),
        _floods(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1;" + b"x" * 50_000 + b"\r\nx\r\n"
        ),
    ],
    ids=["drips-a-header", "floods-with-1xx", "chunks-of-one-byte"],
)
def test_deadline_holds_against_much_that_says_nothing(reply: Reply) -> None:
    """What keeps the client busy must let it look at the clock."""

    async def run() -> None:
        async with receiving(reply) as receiver:
            started = time.monotonic()
            with pytest.raises(ActionTimeout):
                await deliver(receiver, timeout_secs=1)
            # At once, but for what else the machine does.
            assert 0.9 <= time.monotonic() - started < 5

    asyncio.run(run())


@pytest.mark.parametrize("ends_by", ["deadline", "cancellation"])
def test_attempts_that_were_given_up_leave_no_connection(ends_by: str) -> None:
    """Neither end may keep a socket of an attempt that is over."""

    async def run() -> None:
        arrived, gone = asyncio.Semaphore(0), asyncio.Semaphore(0)

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            arrived.release()
            while await reader.read(1000):
                pass
            gone.release()
            writer.close()

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        receiver = Receiver(says(b""), server.sockets[0].getsockname()[1])
        sender = HttpxSender(DestinationPolicy(), connections=20)
        call = webhook(sender, receiver, timeout_secs=1 if ends_by == "deadline" else 60)
        attempts = [asyncio.create_task(call.run(context_of())) for _ in range(20)]
        async with asyncio.timeout(60):
            for _ in attempts:
                await arrived.acquire()
            if ends_by == "cancellation":
                for attempt in attempts:
                    attempt.cancel()
            errors = await asyncio.gather(*attempts, return_exceptions=True)
            expected = ActionTimeout if ends_by == "deadline" else asyncio.CancelledError
            assert [type(error) for error in errors] == [expected] * 20
            # The sender is still open: what is gone was closed with its attempt.
            for _ in attempts:
                await gone.acquire()
        await sender.aclose()
        server.close()

    asyncio.run(run())


def test_receiver_that_hangs_holds_up_no_other() -> None:
    """Attempts share nothing but the count of connections, which is that of the attempts."""

    async def run() -> None:
        async with receiving(_hangs) as dead, receiving(says(status(200))) as alive:
            sender = HttpxSender(DestinationPolicy(), connections=10)
            hanging = webhook(sender, dead, timeout_secs=60)
            tasks = [asyncio.create_task(hanging.run(context_of())) for _ in range(9)]
            call = webhook(sender, alive)
            async with asyncio.timeout(60):
                while len(dead.received) < 9:
                    assert await call.run(context_of()) == ActionResult(200)
                assert await call.run(context_of()) == ActionResult(200)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await sender.aclose()

    asyncio.run(run())
