"""A feed without a queue: a test hands out jobs and reads what was reported."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any


@dataclass(eq=False)
class FakeJob:
    """A leased job."""

    observer: str | None = "paid"
    action_index: int = 0
    action_type: str = "function"
    action: bytes = b"{}"
    attempt: int = 1
    max_attempts: int = 3
    key: bytes = field(default_factory=lambda: uuid.uuid4().bytes)
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    event: Any = field(default_factory=lambda: SimpleNamespace(id=uuid.uuid4()))


Batch = tuple[list[FakeJob], list[tuple[FakeJob, str]], list[str]]


class FakeFeed:
    """Records every report under the job it is about, the first one as its outcome."""

    def __init__(self) -> None:
        self.batch: Batch = ([], [], [])
        self.begun: dict[FakeJob, bool] = {}
        self.keeps: dict[FakeJob, bool] = {}
        self.reports: list[tuple[str, FakeJob, dict[str, Any]]] = []
        self.lease_is_old = False
        self.is_leasing = True
        self.is_drained = True
        self.is_closed = False
        self.healthy = True
        self.rules: list[set[tuple[str, int]]] = []
        self.on_wake: Callable[[], None] = lambda: None

    def hand_out(self, *jobs: FakeJob) -> None:
        self.batch[0].extend(jobs)
        self.on_wake()

    def cancel(self, job: FakeJob, reason: str) -> None:
        self.batch[1].append((job, reason))
        self.on_wake()

    def notify(self, notice: str) -> None:
        self.batch[2].append(notice)
        self.on_wake()

    def outcome(self, job: FakeJob) -> tuple[str, dict[str, Any]] | None:
        """How a job was reported, or ``None``."""
        return next(((kind, values) for kind, reported, values in self.reports if reported is job), None)

    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.reports]

    def start(self, on_wake: Callable[[], None]) -> None:
        self.on_wake = on_wake

    def take(self) -> Batch:
        batch, self.batch = self.batch, ([], [], [])
        return batch

    def begin(self, job: FakeJob, *, threaded: bool = False, keep: bool = True) -> bool:
        self.begun[job] = threaded
        self.keeps[job] = keep
        return not self.lease_is_old

    def succeed(self, job: FakeJob, *, status_code: int | None = None) -> None:
        self.reports.append(("succeed", job, {"status_code": status_code}))

    def fail(self, job: FakeJob, **values: Any) -> None:
        self.reports.append(("fail", job, values))

    def park(self, job: FakeJob, reason: str) -> None:
        self.reports.append(("park", job, {"reason": reason}))

    def release(self, job: FakeJob) -> None:
        self.reports.append(("release", job, {}))

    def stop_leasing(self) -> None:
        self.is_leasing = False

    def set_rules(self, rules: set[tuple[str, int]]) -> None:
        self.rules.append(rules)

    def drained(self) -> asyncio.Future[None]:
        future = asyncio.get_running_loop().create_future()
        if self.is_drained:
            future.set_result(None)
        return future

    async def close(self, *, timeout_ms: int) -> tuple[int, int]:
        self.is_closed = timeout_ms > 0
        return 0, 0

    def detach(self) -> None:
        assert self.is_closed, "a feed is closed first"
        self.on_wake = lambda: None
