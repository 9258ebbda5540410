"""What long commands show while they work: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import os
import stat
import time
from types import TracebackType
from typing import BinaryIO, Self

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from fraiseql_observers.cli.output import Output
from fraiseql_observers.lines import LineReader
from fraiseql_observers.publish import BadLine, PublishReport

#: Bad lines that are told one by one; a file in another format would fill the terminal.
MAX_TOLD_LINES = 20


#: How often a run that no terminal shows says how far it is, in seconds.
TOLD_EVERY_SECS = 10.0


class CountProgress:
    """Follows a run over things whose number is known.

    Args:
        output: Where to show it.
        done: What is done to them: ``replayed`` and the like.
        total: How many there are.
    """

    def __init__(self, output: Output, done: str, total: int) -> None:
        self._output = output
        self._done = done
        self._total = total
        self._told_at = time.monotonic()
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description} {task.completed:,} of {task.total:,}"),
            BarColumn(),
            TimeElapsedColumn(),
            console=output.messages,
            disable=not output.messages.is_terminal,
            transient=True,
        )
        self._task: TaskID = self._bar.add_task(done, total=total)
        self._count = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        if kind is not None:
            self._output.note(f"{self._done} {self._count} of {self._total} before this ended")

    def update(self, count: int) -> None:
        """Tell how many have been done so far."""
        self._count = count
        self._bar.update(self._task, completed=count)
        if self._bar.disable and time.monotonic() - self._told_at >= TOLD_EVERY_SECS:
            self._told_at = time.monotonic()
            self._output.note(f"{self._done} {count} of {self._total} so far")


class PublishProgress:
    """Follows one run of a `Publisher`.

    Args:
        output: Where to show it.
        stream: What is read; the bar has an end only where this is a file.
        reader: Counts the bytes.
    """

    def __init__(self, output: Output, stream: BinaryIO, reader: LineReader) -> None:
        self._output = output
        self._reader = reader
        about = os.fstat(stream.fileno())
        self._size = about.st_size if stat.S_ISREG(about.st_mode) else None
        self._bad_lines = 0
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.fields[events]:,} events"),
            *([BarColumn()] if self._size else []),
            DownloadColumn(binary_units=True),
            TimeElapsedColumn(),
            console=output.messages,
            disable=not output.messages.is_terminal,
            transient=True,
        )
        self._task: TaskID = self._bar.add_task("publish", total=self._size, events=0)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        if self._bad_lines > MAX_TOLD_LINES:
            self._output.error(f"{self._bad_lines - MAX_TOLD_LINES} more lines are no events")

    def update(self, report: PublishReport) -> None:
        """Move the bar to where the run is."""
        self._bar.update(self._task, completed=self._reader.bytes_read, events=report.events)

    def tell_bad_line(self, line: BadLine) -> None:
        """Report a line that is no event, unless there were too many."""
        self._bad_lines += 1
        if self._bad_lines <= MAX_TOLD_LINES:
            self._output.error(str(line))
