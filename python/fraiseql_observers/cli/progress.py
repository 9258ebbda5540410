"""What ``publish`` shows while it works: a bar on a terminal, nothing but bad lines in a pipe."""

from __future__ import annotations

import os
import stat
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
