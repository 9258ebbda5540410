"""What handlers of tests did, in a file outside Redis: one line when a run starts, one when it ends.

A line is written by one call, so that a process that is killed leaves a whole line or none.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from pathlib import Path

#: The variable that tells handlers where to write.
RUNS_VARIABLE = "TESTS_RUNS"
#: The lease under which a handler runs, where the program around it tells (`tests.faults.rig.handlers` does).
LEASE: ContextVar[str] = ContextVar("LEASE", default="")


@dataclass(frozen=True)
class Note:
    """One line.

    Attributes:
        what: ``start``, ``end``, or ``fail`` where the handler is about to raise.
        job: The job's id.
        label: ``data.label`` of the event, the test's own name for the job.
        attempt: The number of the attempt.
        pid: The process that runs it.
        at: Seconds on the system's monotonic clock, the same for all processes.
        wall: Seconds since 1970.
        lease: Different for each lease of one process; empty where it is not told.
    """

    what: str
    job: str
    label: str
    attempt: int
    pid: int
    at: float
    wall: float
    lease: str = ""


class Runs:
    """The file, as the test sees it.

    Args:
        path: Need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def environment(self) -> dict[str, str]:
        """What a worker needs so that its handlers write here."""
        return {RUNS_VARIABLE: str(self._path)}

    def notes(self, what: str | None = None) -> list[Note]:
        """Read what has been written so far, in its order; all of it, or the starts or ends only."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as lines:
            notes = (Note(**json.loads(line)) for line in lines)
            return [note for note in notes if what is None or note.what == what]

    def starts(self) -> list[Note]:
        """Every start."""
        return self.notes("start")

    def ends(self) -> list[Note]:
        """Every end."""
        return self.notes("end")

    def ended(self, labels: Iterator[str] | set[str] | list[str]) -> bool:
        """Whether each of these has ended at least once."""
        return set(labels) <= {note.label for note in self.ends()}


def write_note(what: str, *, job: str, label: str, attempt: int) -> None:
    """Append one line; called by handlers, in the worker."""
    note = Note(what, job, label, attempt, os.getpid(), time.monotonic(), time.time(), LEASE.get())
    file = os.open(os.environ[RUNS_VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, json.dumps(asdict(note)).encode() + b"\n")
    finally:
        os.close(file)
