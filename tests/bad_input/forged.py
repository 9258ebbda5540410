"""Jobs written into Redis by a foreign hand, beside good ones, and a worker in this process that meets them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from redis import Redis

from fraiseql_observers import JobExecutor, load_config
from fraiseql_observers._core import Job
from fraiseql_observers.events import EntityEvent
from tests.support.queue_under_test import QueueUnderTest, act
from tests.support.server import ServerProcess

#: Seconds that a worker gets for everything that a test has put before it.
DEADLINE_SECS = 30.0


class ForgedQueue(QueueUnderTest):
    """A queue into which a test writes by hand.

    Args:
        folder: Where the configuration goes.
        server: The server.
        prefix: The key prefix.
        rules: More observers, or more sections.
    """

    def __init__(self, folder: Path, server: ServerProcess, prefix: str, rules: str = "") -> None:
        super().__init__(
            folder,
            server.url,
            prefix,
            worker="lease_duration_secs = 5",
            rules=rules,
            handlers="tests.bad_input.handlers",
            poll_interval_ms=100,
        )
        self.client: Redis = server.client()

    def good(self, count: int) -> list[UUID]:
        """Store good jobs, which must run whatever stands beside them."""
        return self.publish([act(str(number)) for number in range(count)])

    def forge(self, content: bytes, job_id: UUID | None = None) -> UUID:
        """Write bytes where a pending job's are, with an entry in the list, as somebody who knows the keys would."""
        job_id = job_id or uuid4()
        self.client.hset(self.key("jobs"), job_id.bytes, content)
        self.client.rpush(self.key("pending:d"), job_id.bytes + b"d")
        return job_id

    def forge_job(self, **changes: Any) -> UUID:
        """Write a job that is right but for some of its fields; a field of ``...`` is left out."""
        fields = job_fields() | changes
        kept = {name: value for name, value in fields.items() if value is not ...}
        return self.forge(json.dumps(kept).encode(), UUID(fields["id"]) if "id" not in changes else None)

    def work(self, until: Callable[[], bool]) -> None:
        """Run a worker in this process until something is so."""

        async def run() -> None:
            executor = JobExecutor(self.executor.queue, load_config(self.config))
            running = asyncio.create_task(executor.run())
            try:
                async with asyncio.timeout(DEADLINE_SECS):
                    while not await asyncio.to_thread(until):
                        assert not running.done(), "the worker has ended"
                        await asyncio.sleep(0.02)
            except TimeoutError:
                raise AssertionError(f"waited {DEADLINE_SECS} s; there are {self.summary()}") from None
            finally:
                executor.stop()
                await running

        asyncio.run(run())


def job_fields() -> dict[str, Any]:
    """Return the fields of a good job that was enqueued by hand, with a new id."""
    made = Job(
        action={"type": "log"},
        event=EntityEvent("INSERT", "Act", uuid4(), {"label": "forged", "do": "note"}),
        max_attempts=1,
        initial_delay_ms=10,
        max_delay_ms=100,
        max_age_secs=3600,
    )
    fields: dict[str, Any] = json.loads(made.to_json())
    return fields
