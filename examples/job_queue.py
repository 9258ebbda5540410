"""Configuration, queue, an observer with webhooks, events, metrics and a worker, in one file that runs by itself.

    python examples/job_queue.py

It needs the extra `embedded` and nothing else: the server is its own, in a folder that is removed at the end, and the
receiver listens on this machine. In an application these are three programs: the one that has the events, the worker
(`python -m fraiseql_observers.worker`), and the receiver, which belongs to somebody else.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import os
import secrets
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from datetime import timedelta
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID, uuid4

from prometheus_client import CollectorRegistry, generate_latest

from fraiseql_observers import (
    Config,
    EntityEvent,
    JobExecutor,
    JobQueueConfig,
    MetricsRegistry,
    ObserverDefinition,
    QueuedObserverExecutor,
    build_job_queue,
)

ORDERS = 40
#: Long enough on a busy machine; it takes two or three seconds.
DEADLINE = timedelta(seconds=60)


def configuration(folder: Path, receiver_url: str) -> Config:
    """Say where jobs are kept, and what is done about which events. A file could say the same, see `load_config`."""
    shipped = ObserverDefinition(
        "UPDATE",
        "Order",
        [
            # Two actions are two jobs: each is tried by itself until it succeeds.
            {
                "type": "webhook",
                "url": f"{receiver_url}/customers",
                "signing_secret_env": "EXAMPLE_SECRET",
                "body_template": '{"order": {{ number | json }}, "text": "on its way to {{ customer.city }}"}',
                "allow_private": True,  # the receiver is on this machine
            },
            {
                "type": "webhook",
                "url": f"{receiver_url}/accounts",
                "signing_secret_env": "EXAMPLE_SECRET",
                "allow_private": True,
            },
        ],
        condition="field_changed_to('status', 'shipped') && total >= 100",
        # The preset tries for up to 58 hours; the first delay is cut, since nobody wants to watch it for two minutes.
        retry={"preset": "webhook", "initial_delay_ms": 100},
    )
    return Config(
        job_queue=JobQueueConfig(url=f"embedded://{folder / 'server'}", worker_concurrency=20),
        observers={"order_shipped": shipped},
    )


def events() -> Iterator[EntityEvent]:
    """Make events as an application has them: half of the orders are worth 100 or more."""
    for number in range(1, ORDERS + 1):
        yield EntityEvent(
            "UPDATE",
            "Order",
            uuid4(),
            {
                "number": number,
                "status": "shipped",
                "total": 150 if number % 2 else 50,
                "customer": {"city": "Biel/Bienne"},
            },
            changes={"status": {"old": "paid", "new": "shipped"}},
        )


async def publish(executor: QueuedObserverExecutor) -> list[UUID]:
    """Store the jobs of all events, twice, since an application that is not sure repeats its call."""
    made = list(events())
    summaries = await executor.process_events(made)
    again = await executor.process_events(made)
    job_ids = [job_id for summary in summaries for job_id in summary.job_ids]
    known = sum(summary.duplicates for summary in again)
    print(f"{len(made)} events published twice: {len(job_ids)} jobs stored, {known} known the second time")
    return job_ids


async def run(folder: Path, receiver: Receiver) -> bool:
    """Publish, work, and tell whether every job was delivered."""
    config = configuration(folder, receiver.url)
    # Any Prometheus registry of the application's own takes the counters of this process.
    registry = CollectorRegistry()
    registry.register(MetricsRegistry.collector())

    queue = build_job_queue(config)
    worker = JobExecutor(queue, config)
    working = asyncio.create_task(worker.run())
    try:
        job_ids = await publish(QueuedObserverExecutor(config, queue.core))
        async with asyncio.timeout(DEADLINE.total_seconds()):
            while not receiver.has_accepted(job_ids):
                await asyncio.sleep(0.05)
    finally:
        # What runs is finished, and what has finished is written down.
        worker.stop()
        await working

    # The receiver is out of order for the first request of every eighth job.
    views = [await queue.get_job(job_id) for job_id in job_ids]
    completed = sum(view is not None and view.state == "completed" for view in views)
    print(f"{completed} jobs completed, in {receiver.requests} requests; {receiver.unsigned} were not signed")
    lines = generate_latest(registry).decode().splitlines()
    print(*(line for line in lines if "_total" in line and not line.startswith("#")), sep="\n")
    await queue.aclose()
    return completed == len(job_ids) == ORDERS and receiver.unsigned == 0


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # connections that wait to be taken; by default they are 5


class Receiver:
    """Listens on a free port of 127.0.0.1, in a thread.

    The first request of every eighth job is answered 503, all others 200.

    Args:
        secret: What requests are signed with, ``whsec_`` and base64.
    """

    def __init__(self, secret: str) -> None:
        self._key = base64.b64decode(secret.removeprefix("whsec_"))
        self._lock = threading.Lock()
        self._seen: set[UUID] = set()
        self._accepted: set[UUID] = set()
        self.requests = 0
        self.unsigned = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(receiver.answer(self.headers, body))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:
                """Keep the terminal free of requests."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def has_accepted(self, job_ids: Iterable[UUID]) -> bool:
        """Tell whether all of these jobs have been delivered."""
        with self._lock:
            return self._accepted.issuperset(job_ids)

    def answer(self, headers: Message, body: bytes) -> HTTPStatus:
        """Check one request and say what it is answered."""
        text = headers["webhook-id"]
        signed = f"{text}.{headers['webhook-timestamp']}.".encode() + body
        wanted = "v1," + base64.b64encode(hmac.digest(self._key, signed, "sha256")).decode()
        job_id = UUID(text)
        with self._lock:
            self.requests += 1
            if not hmac.compare_digest(headers.get("webhook-signature", ""), wanted):
                self.unsigned += 1
                return HTTPStatus.UNAUTHORIZED
            if job_id not in self._seen and job_id.int % 8 == 0:
                self._seen.add(job_id)
                return HTTPStatus.SERVICE_UNAVAILABLE
            self._accepted.add(job_id)
        return HTTPStatus.OK

    def __enter__(self) -> Self:
        """Start to answer."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


def main() -> int:
    """Run the example in a folder of its own: 0 if all went well."""
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    os.environ["EXAMPLE_SECRET"] = secret
    with tempfile.TemporaryDirectory(prefix="example-") as folder, Receiver(secret) as receiver:
        return 0 if asyncio.run(run(Path(folder), receiver)) else 1


if __name__ == "__main__":
    sys.exit(main())
