"""The catalogue of faults: its rows, what each run of one came to, and the table that says so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

#: What is done to the queue in each row. A row is survived if every run of it has passed.
ROWS: Final[dict[int, str]] = {
    1: "worker killed while running",
    2: "worker killed at each step of a job",
    3: "worker frozen for longer than its lease, then resumed",
    4: "worker frozen for less than its lease",
    5: "all workers die at once",
    6: "interpreter held for longer than the lease, then past the timeout",
    8: "handler ignores its cancellation",
    9: "poison job: exit, segmentation fault, abort",
    10: "job that eats the memory of its process",
    12: "SIGTERM when idle, busy, over the grace, twice",
    13: "SIGTERM while the server is down",
    14: "server killed and started again",
    16: "power cut",
    17: "append-only file with a torn end",
    18: "append-only file damaged in the middle",
    19: "disk full, appendfsync everysec",
    20: "disk full, appendfsync always",
    21: "slow disk",
    22: "storm of rewrites and saves",
    24: "a stranger's script keeps the server busy",
    25: "scripts flushed all the time",
    26: "memory full",
    27: "wrong eviction policy, at the start and changed live",
    28: "clients evicted, no more clients allowed",
    31: "failover, clean",
    32: "failover with the link cut first",
    33: "writes refused for want of replicas",
    34: "confirmation asked for on a new connection",
    35: "replica does not confirm in time",
    36: "cluster: master killed, replica promoted",
    37: "cluster: slot migrates under load",
    38: "cluster: down",
    39: "Sentinel promotes",
    40: "partition between workers and server",
    42: "reply cut after the request, every script in turn",
    43: "slow link, bytes one by one, split frames, resets",
    45: "address of the server changes or cannot be found",
    46: "TLS: expired, wrong name, unknown authority, no client certificate",
    47: "least rights; rights or password taken away live",
    48: "clock of the server jumps",
    49: "clock of a worker or producer is wrong",
    50: "a million pending, a million due at once",
    52: "damaged records",
    53: "workers of two versions",
    54: "webhook: slow answers",
    55: "webhook: no answer, half an answer",
    56: "webhook: too much of an answer",
    57: "webhook: every status",
    58: "webhook: wrong certificates",
    59: "receiver down for an hour, one dead among many",
    60: "receiver acts, then the connection dies",
    61: "secret rotated under load",
    62: "DNS rebinding",
    63: "mail server refuses in every way",
    64: "chat service refuses in every way",
    65: "metrics scraped during every other fault",
    66: "soak: a random mix for a long time",
}


class Outcome(Enum):
    """What a run came to. Only the first is good."""

    PASSED = "passed"
    NOT_PASSED = "not passed"
    COULD_NOT_RUN = "could not run"


@dataclass
class Entry:
    """One run of one or more rows.

    A number that the run has not found in its evidence stays ``None`` and is shown as such: nothing is 0 by default.

    Attributes:
        rows: Which rows it runs.
        run: What ran: the test, and its parameters.
        seed: Replays it, where it is random.
        lost: Jobs whose enqueue was confirmed and that have neither run nor died as dead letters.
        duplicated: Completed runs beyond the first of their job.
        bound: The most of those that the faults of this run explain.
        drain_secs: How long after the last fault the last job took.
        outcome: What it came to; ``None`` until it has ended.
        note: Why it could not run, or what else there is to say.
    """

    rows: tuple[int, ...]
    run: str
    seed: int | None = None
    lost: int | None = None
    duplicated: int | None = None
    bound: int | None = None
    drain_secs: float | None = None
    outcome: Outcome | None = None
    note: str = ""

    def record(
        self,
        *,
        lost: int | None = None,
        duplicated: int | None = None,
        bound: int | None = None,
        drain_secs: float | None = None,
        note: str = "",
    ) -> None:
        """Take what the run has found; call it before the asserts, so that a failure is shown with its numbers."""
        self.lost = lost if lost is not None else self.lost
        self.duplicated = duplicated if duplicated is not None else self.duplicated
        self.bound = bound if bound is not None else self.bound
        self.drain_secs = drain_secs if drain_secs is not None else self.drain_secs
        self.note = note or self.note


def check_rows(numbers: Iterable[object]) -> tuple[int, ...]:
    """Return the numbers of rows, all of which there are.

    Raises:
        ValueError: If one is no row of the catalogue.
    """
    rows: list[int] = []
    for number in numbers:
        if not isinstance(number, int) or number not in ROWS:
            raise ValueError(f"the catalogue has no row {number!r}")
        rows.append(number)
    return tuple(rows)


def survived(entries: Iterable[Entry]) -> set[int]:
    """Return the rows that have been run, and of which every run has passed."""
    entries = list(entries)
    run = {row for entry in entries for row in entry.rows}
    failed = {row for entry in entries if entry.outcome is not Outcome.PASSED for row in entry.rows}
    return run - failed


def table(entries: Iterable[Entry]) -> str:
    """Write the catalogue as a table in Markdown: a line for each run of each row, then the rows without any."""
    entries = list(entries)
    lines = [
        "| row | fault | run | seed | lost | duplicated | bound | drained in | |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row, fault in ROWS.items():
        runs = sorted((entry for entry in entries if row in entry.rows), key=lambda entry: entry.run)
        lines += [_line(row, fault, entry) for entry in runs]
    run = {row for entry in entries for row in entry.rows}
    good = survived(entries)
    lines += [
        "",
        f"{len(good)} of {len(run)} rows survived, in {len(entries)} runs.",
        f"Not survived: {_listed(run - good)}.",
        f"Not run: {_listed(ROWS.keys() - run)}.",
    ]
    return "\n".join(lines) + "\n"


def _line(row: int, fault: str, entry: Entry) -> str:
    result = Outcome.NOT_PASSED if entry.outcome is None else entry.outcome
    drain = None if entry.drain_secs is None else f"{entry.drain_secs:.1f} s"
    numbers = [entry.seed, entry.lost, entry.duplicated, entry.bound, drain]
    shown = ["–" if number is None else str(number) for number in numbers]
    told = f"{result.value}: {entry.note}" if entry.note else result.value
    return _row(str(row), fault, entry.run, *shown, told)


def _row(*cells: str) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", r"\|") for cell in cells) + " |"


def _listed(rows: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(rows))) or "none"
