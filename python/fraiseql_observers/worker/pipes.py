"""What the supervisor and its children say to each other, and the codes with which they end.

Each child has two pipes of its own. On the control pipe the supervisor sends orders, one word a line; its end
of file means `stop`, so that a supervisor that is killed takes its children along, gracefully. On the status
pipe the child sends reports, one JSON object a line.
"""

from __future__ import annotations

import json
import os
from enum import IntEnum, StrEnum
from typing import Any, Final, NamedTuple, Self

#: Bytes of one line on either pipe. A report holds counters by action type, a few KiB; more is a broken
#: child.
MAX_LINE: Final = 1 << 20

Report = dict[str, Any]  # JSON from the status pipe: `kind` and what belongs to it


class ExitCode(IntEnum):
    """With what a worker process ends."""

    DONE = 0
    #: A second signal, or a child that did not end in time: some work was given back.
    PARTIAL = 1
    #: Bad usage or configuration, or a server that must not hold jobs.
    CONFIGURATION = 2
    #: The queue cannot be reached, or refuses the login.
    UNREACHABLE = 3
    #: Only from a child to its supervisor: start another in my place, at once.
    REPLACE = 75


class Order(StrEnum):
    """The words on the control pipe."""

    #: The metrics port is ours: connect to the queue and work.
    GO = "go"
    #: Read the observers again.
    RELOAD = "reload"
    #: Read the gauges from the queue and report them; its argument is the number of the question.
    GAUGES = "gauges"
    #: Finish what runs, for up to `shutdown_timeout_secs`, release the rest, and end.
    STOP = "stop"
    #: Release what runs and end at once.
    LEAVE = "leave"


class ReportKind(StrEnum):
    """The `kind` of a report on the status pipe."""

    #: The configuration has been read; carries a `Plan`.
    PLAN = "plan"
    #: The queue is open; carries `product` and `version` of its server, and the `durability` in force.
    QUEUE = "queue"
    #: Jobs are being leased.
    READY = "ready"
    #: Sent each second: `counters`, and whether the queue is `reachable`.
    PULSE = "pulse"
    #: The answer to `Order.GAUGES`: its `number` and `gauges`, which are `null` where the queue did not
    #: answer.
    GAUGES = "gauges"
    #: Jobs wait that were running when workers died: one process has to run them alone.
    SUSPECTS = "suspects"
    #: The observers have been read again: their number as `observers`, or what is wrong as `error`.
    RELOADED = "reloaded"
    #: The queue refuses the login or a command, which somebody has to change.
    REFUSED = "refused"
    #: About to end with `ExitCode.REPLACE`: the `reason`, and how many `jobs` have been run.
    LEAVING = "leaving"


class Plan(NamedTuple):
    """What a child has read in the configuration; the supervisor does not read it itself, to stay small."""

    version: str
    processes: int
    concurrency: int
    queues: list[str]
    observers: int
    job_timeout_secs: int
    shutdown_timeout_secs: int
    metrics_enabled: bool
    metrics_host: str
    metrics_port: int
    log_level: str
    log_format: str
    duration_bounds: list[float]

    @classmethod
    def from_report(cls, report: Report) -> Self:
        """Take the plan out of a report of kind `PLAN`."""
        return cls(**{name: report[name] for name in cls._fields})


class LineReader:
    """Cuts what arrives on a pipe into lines; an unfinished one waits for its end."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._rest = b""

    def read(self) -> tuple[list[bytes], bool]:
        """Read what is there now, without blocking.

        Returns:
            The lines that are complete, and whether the pipe is still open at its other end.

        Raises:
            ValueError: If a line is longer than `MAX_LINE`.
        """
        parts = [self._rest]
        is_open = True
        while True:
            try:
                part = os.read(self._fd, 65536)
            except BlockingIOError:
                break
            if not part:
                is_open = False
                break
            parts.append(part)
        *lines, self._rest = b"".join(parts).split(b"\n")
        if len(self._rest) > MAX_LINE:
            raise ValueError(f"a line on a pipe exceeds {MAX_LINE} bytes")
        return lines, is_open


def encode_report(kind: ReportKind, values: Report) -> bytes:
    """Write a report as one line of JSON."""
    return json.dumps({"kind": kind, **values}, separators=(",", ":")).encode() + b"\n"


def decode_report(line: bytes) -> Report:
    """Read one line of a status pipe.

    Raises:
        ValueError: If it is no report.
    """
    report = json.loads(line)
    if not isinstance(report, dict) or "kind" not in report:
        raise ValueError("no report")
    return report
