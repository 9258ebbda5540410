"""An HTTP receiver that behaves as it is told and writes down every delivery before it answers.

The evidence is a file of its own, one JSON object a line, written through to the kernel before the reply
leaves: what a sender was answered is in the file, even if the receiver is killed right after. It says nothing
of Redis, so a checker can hold it against what the queue claims.

    python -m tests.support.receiver --evidence FILE [--port N] [--rules FILE.json] [--keep-bodies]

prints ``{"port": N}`` when it listens. ``GET /_counts`` answers its counts at any time, SIGTERM ends it. It
is for senders of our own: bodies need a Content-Length, and 127.0.0.1 is the only address.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import signal
import sys
import time
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.support.evidence import Counts, Delivery, Tally, evidence_line
from tests.support.settle import settle

#: The path that answers the counts; it is no delivery.
COUNTS_PATH = "/_counts"
#: Bytes of a request's head and of its body that are accepted.
_LONGEST_HEAD, _LONGEST_BODY = 256 * 1024, 32 * 1024 * 1024


@dataclass(frozen=True)
class Reply:
    """What one delivery is answered.

    Attributes:
        status: The HTTP status; 0 reads the request and cuts the connection without an answer.
        headers: More headers of the answer.
        body: The body of the answer.
        delay_secs: How long to wait before the answer.
        hangs: Never answer; the connection stays until the sender closes it.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    delay_secs: float = 0.0
    hangs: bool = False


@dataclass(frozen=True)
class Rule:
    """What deliveries to a path, or below it, are answered.

    Attributes:
        path: ``/flaky`` holds for ``/flaky``, ``/flaky?x=1`` and ``/flaky/more``.
        replies: The first for the first delivery of a webhook-id, and so on; the last for all that follow.
        one_in: Only one webhook-id in so many meets the rule, always the same ones; others are answered 200.
    """

    path: str
    replies: tuple[Reply, ...]
    one_in: int = 1

    @classmethod
    def from_dict(cls, rule: dict[str, Any]) -> Self:
        """Read a rule from JSON, in the form of the two classes."""
        return cls(rule["path"], tuple(Reply(**reply) for reply in rule["replies"]), rule.get("one_in", 1))

    def to_dict(self) -> dict[str, Any]:
        """Write the rule as JSON that `from_dict` reads."""
        return asdict(self)

    def holds_for(self, path: str, webhook_id: str | None) -> bool:
        """Whether the rule decides about a delivery."""
        if path != self.path and not path.startswith(self.path + "/"):
            return False
        return zlib.crc32((webhook_id or "").encode()) % self.one_in == 0


#: One rule for each kind of answer that a sender must tell apart. Any other path is answered 200.
STANDARD_RULES = (
    Rule("/flaky", (Reply(500), Reply())),
    Rule("/limited", (Reply(429, {"Retry-After": "1"}), Reply())),
    Rule("/gone", (Reply(400),)),
    Rule("/down", (Reply(503),)),
    Rule("/slow", (Reply(delay_secs=0.5),)),
    Rule("/hang", (Reply(hangs=True),)),
    Rule("/cut", (Reply(0), Reply())),
)


class Receiver:
    """The receiver in an event loop.

    Args:
        evidence: The file to append to.
        rules: The first that holds decides; without one the answer is 200.
        keep_bodies: Whether the evidence holds the bodies, which a check of signatures needs.
    """

    def __init__(
        self, evidence: Path, rules: Sequence[Rule] = STANDARD_RULES, *, keep_bodies: bool = False
    ) -> None:
        self._rules = rules
        self._keeps_bodies = keep_bodies
        self._file = os.open(evidence, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._tally = Tally()
        self._numbers: Counter[tuple[str, str | None]] = Counter()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0) -> int:
        """Listen, on a free port if none is given, and return the port."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", port, limit=_LONGEST_HEAD, backlog=1024
        )
        listening: int = self._server.sockets[0].getsockname()[1]
        return listening

    async def stop(self) -> None:
        """Close the port and every connection, answered or not."""
        assert self._server is not None, "the receiver has not been started"
        self._server.close()
        await settle()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await settle()
        os.close(self._file)

    def counts(self) -> Counts:
        """Sum up what has come so far; only from the thread of the event loop."""
        return self._tally.counts()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while await self._answer_one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            # The sender is gone, between two requests or within one, which then was no delivery.
            pass
        except (asyncio.LimitOverrunError, ValueError) as error:
            writer.write(_response(400, {"Connection": "close"}, f"{error}\n".encode()))
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Read a request and answer it; whether the connection goes on."""
        method, path, headers = _parse_head(await reader.readuntil(b"\r\n\r\n"))
        if "transfer-encoding" in headers:
            raise ValueError("this receiver wants a Content-Length")
        length = int(headers.get("content-length", "0"))
        if not 0 <= length <= _LONGEST_BODY:
            raise ValueError(f"a body has at most {_LONGEST_BODY} bytes")
        body = await reader.readexactly(length)
        goes_on = headers.get("connection", "").lower() != "close"
        if path == COUNTS_PATH:
            writer.write(_response(200, {}, json.dumps(asdict(self.counts())).encode()))
            return goes_on
        reply = self._record(method, path, headers, body)
        if reply.delay_secs:
            await asyncio.sleep(reply.delay_secs)
        if reply.hangs:
            await reader.read()
            return False
        if reply.status == 0:
            writer.transport.abort()
            return False
        writer.write(_response(reply.status, reply.headers, reply.body.encode()))
        await writer.drain()
        return goes_on

    def _record(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        """Decide about a delivery and write it down."""
        webhook_id = headers.get("webhook-id")
        bare_path = path.partition("?")[0]
        self._numbers[bare_path, webhook_id] += 1
        number = self._numbers[bare_path, webhook_id]
        rule = next((rule for rule in self._rules if rule.holds_for(bare_path, webhook_id)), None)
        reply = Reply() if rule is None else rule.replies[min(number, len(rule.replies)) - 1]
        delivery = Delivery(
            id=webhook_id,
            method=method,
            path=path,
            number=number,
            status=None if reply.hangs or reply.status == 0 else reply.status,
            at=time.time(),
            headers=headers,
            size=len(body),
            sha256=hashlib.sha256(body).hexdigest(),
            body=body.decode(errors="surrogateescape") if self._keeps_bodies else None,
        )
        os.write(self._file, evidence_line(delivery))
        self._tally.add(delivery)
        return reply


def _parse_head(head: bytes) -> tuple[str, str, dict[str, str]]:
    request, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, path, _version = request.split(" ")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError("a header has no colon")
        # A header that is sent twice must not look like one that is sent once.
        headers[name.lower()] = ", ".join(filter(None, (headers.get(name.lower()), value.strip())))
    return method, path, headers


def _response(status: int, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"HTTP/1.1 {status} Scripted", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def _run(receiver: Receiver, port: int) -> None:
    told_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told_to_stop.set)
    print(json.dumps({"port": await receiver.start(port)}), flush=True)
    await told_to_stop.wait()
    await receiver.stop()


def main(arguments: Sequence[str]) -> None:
    """Run a receiver until SIGTERM."""
    parser = argparse.ArgumentParser(prog="receiver")
    parser.add_argument("--evidence", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--rules", type=Path)
    parser.add_argument("--keep-bodies", action="store_true")
    options = parser.parse_args(arguments)
    rules: Sequence[Rule] = STANDARD_RULES
    if options.rules is not None:
        rules = [Rule.from_dict(rule) for rule in json.loads(options.rules.read_text())]
    asyncio.run(_run(Receiver(options.evidence, rules, keep_bodies=options.keep_bodies), options.port))


if __name__ == "__main__":
    main(sys.argv[1:])
