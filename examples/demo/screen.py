"""What the demonstration shows: bars that move on a terminal, a line every second elsewhere."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from examples.demo.tally import Tally

#: Seconds between two lines where nothing can move.
LINE_EVERY_SECS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """How things stand.

    Attributes:
        events: Events published so far.
        jobs: Jobs stored so far.
        delivered: Jobs that have arrived.
        dead_lettered: Jobs that were refused for good.
        pending: Jobs that no worker has taken yet.
        running: Jobs that a worker runs.
        waiting: Jobs that wait for the time of their next attempt.
    """

    events: int
    jobs: int
    delivered: int
    dead_lettered: int
    pending: int
    running: int
    waiting: int

    def __str__(self) -> str:
        return (
            f"{self.delivered} delivered, {self.dead_lettered} dead-lettered, {self.running} running, "
            f"{self.waiting} waiting for a retry"
        )


class Screen:
    """Shows a run while it lasts.

    Args:
        events: How many events will be published.
        jobs: How many jobs they will make.
    """

    def __init__(self, *, events: int, jobs: int) -> None:
        self._console = Console(highlight=False)
        self._started = self._last_line_at = time.monotonic()
        self._bars = Progress(
            TextColumn("       {task.description:>9}"),
            BarColumn(40),
            MofNCompleteColumn(),
            console=self._console,
        )
        self._published = self._bars.add_task("events", total=events)
        self._done = self._bars.add_task("jobs done", total=jobs)
        self._live = Live(self._bars, console=self._console, refresh_per_second=10)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def say(self, text: str, style: str = "") -> None:
        """Tell what happens now."""
        seconds = time.monotonic() - self._started
        self._console.print(Text.assemble((f"{seconds:5.1f} s  ", "dim"), (text, style)), soft_wrap=True)

    def show(self, moment: Moment) -> None:
        """Show how things stand."""
        self._bars.update(self._published, completed=moment.events)
        self._bars.update(self._done, completed=moment.delivered + moment.dead_lettered)
        self._live.update(Group(self._bars, Text(f"         {moment}", "dim")))
        if not self._console.is_terminal and time.monotonic() - self._last_line_at >= LINE_EVERY_SECS:
            self._last_line_at = time.monotonic()
            self.say(f"{moment.events} events published; {moment}")


def print_tally(tally: Tally) -> bool:
    """Print the table and the checks, and return whether all of them hold."""
    console = Console(highlight=False)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(style="dim")
    for name, figure, explanation in tally.rows():
        colour = ("red" if figure else "green") if name == "lost" else ""
        table.add_row(name, Text(f"{figure:,}", colour), explanation)
    console.print()
    console.print(table)
    console.print()
    checks = list(tally.checks())
    for text, holds in checks:
        mark = Text("  holds  ", "green") if holds else Text("  FAILS  ", "bold red")
        console.print(Text.assemble(mark, text), soft_wrap=True)
    return all(holds for _, holds in checks)
