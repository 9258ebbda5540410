"""The history of a run: what producers were told and what was done to the system, a line each, in one file.

Several processes write to it; a line is one call, so that a process that is killed leaves a whole line or none.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID


class Told(StrEnum):
    """What a producer knows of an enqueue."""

    #: It is about to ask.
    ASKED = "asked"
    #: The call has returned normally.
    ACKED = "acked"
    #: It may have been stored.
    UNKNOWN = "unknown"
    #: The queue said that nothing was stored.
    FAILED = "failed"


@dataclass(frozen=True)
class Enqueue:
    """What a producer was told of some jobs.

    Attributes:
        told: What it knows.
        jobs: Their ids.
        at: Seconds on the system's monotonic clock, the same for all processes.
        error: Why it is not acked.
        due: When they are due, in seconds since 1970; 0 for at once.
    """

    told: Told
    jobs: tuple[UUID, ...]
    at: float
    error: str = ""
    due: float = 0.0


@dataclass(frozen=True)
class Fault:
    """Something that was done to the system.

    Attributes:
        kind: What, in one word.
        target: To whom.
        in_flight: How many jobs were in flight there, at most, that it may cause to run again.
        at: Seconds on the system's monotonic clock.
    """

    kind: str
    target: str
    in_flight: int
    at: float


class History:
    """The file.

    Args:
        path: Need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def told(
        self, told: Told, jobs: Iterable[UUID], *, error: str = "", due: float = 0.0, at: float | None = None
    ) -> None:
        """Write what a producer knows of some jobs."""
        line = Enqueue(told, tuple(jobs), time.monotonic() if at is None else at, error, due)
        self._append({"enqueue": {**asdict(line), "jobs": [str(job) for job in line.jobs]}})

    def fault(self, kind: str, target: str, in_flight: int) -> Fault:
        """Write what was done; call it right after it was."""
        fault = Fault(kind, target, in_flight, time.monotonic())
        self._append({"fault": asdict(fault)})
        return fault

    def enqueues(self) -> list[Enqueue]:
        """Read what producers were told, in its order."""
        return [
            Enqueue(
                Told(line["told"]),
                tuple(UUID(job) for job in line["jobs"]),
                line["at"],
                line["error"],
                line["due"],
            )
            for line in self._read("enqueue")
        ]

    def faults(self) -> list[Fault]:
        """Read what was done to the system, in its order."""
        return [Fault(**line) for line in self._read("fault")]

    def jobs(self, told: Told) -> set[UUID]:
        """Say of which jobs a producer was told this, ever."""
        return {job for line in self.enqueues() if line.told is told for job in line.jobs}

    def _append(self, line: dict[str, Any]) -> None:
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, json.dumps(line).encode() + b"\n")
        finally:
            os.close(file)

    def _read(self, kind: str) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        with self.path.open("rb") as lines:
            read = (json.loads(line) for line in lines)
            return [line[kind] for line in read if kind in line]
