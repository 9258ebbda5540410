"""What the command prints: results on standard output, everything else on standard error.

On a terminal results are tables with colour, unless ``NO_COLOR`` is set. In a pipe they are lines of fields
between tabs, neither wrapped nor cut, so that ``cut``, ``awk`` and ``grep`` work on them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import orjson
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fraiseql_observers.cli.clean import harmless, one_line

#: Units of time in seconds, each used from two of it.
UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
#: Printed for a value that is not there.
NOTHING = "-"


class Output:
    """The two streams of one run of the command."""

    def __init__(self) -> None:
        self.results = Console(highlight=False, markup=False, emoji=False)
        self.messages = Console(stderr=True, highlight=False, markup=False, emoji=False)

    def json(self, value: object) -> None:
        """Print one JSON document on standard output, on one line."""
        sys.stdout.write(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS, default=str).decode() + "\n")
        sys.stdout.flush()

    def text(self, text: str, style: str = "") -> None:
        """Print a line of the result."""
        self.results.print(Text(text, style), soft_wrap=True)

    def heading(self, text: str) -> None:
        """Print a line above a part of the result."""
        self.results.print(Text.assemble("\n", (text, "bold underline")))

    def lines(self, text: str) -> None:
        """Print lines of the result, free of what a terminal would obey."""
        sys.stdout.write(harmless(text))

    def pairs(self, rows: Sequence[tuple[str, object]], *, title: str | None = None) -> None:
        """Print names and their values, one pair a line."""
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        self._print(table, rows, title=title)

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None
    ) -> None:
        """Print rows under headings, numbers to the right; a person sees instants as seen from now."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for index, name in enumerate(columns):
            values = [row[index] for row in rows]
            table.add_column(
                name,
                justify="right" if all(isinstance(value, int) for value in values) else "left",
                # A piece of an id helps nobody, and cannot be copied.
                no_wrap=any(isinstance(value, UUID | datetime) for value in values),
                overflow="fold",
            )
        if self.results.is_terminal:
            now = datetime.now(UTC)
            rows = [[from_now(v, now) if isinstance(v, datetime) else v for v in row] for row in rows]
        self._print(table, rows, header=columns, title=title)

    def note(self, text: str) -> None:
        """Say something beside the result."""
        self.messages.print(Text(harmless(text)), soft_wrap=True)

    def warning(self, text: str) -> None:
        """Say that something deserves a look."""
        self._message("warning", "yellow", text)

    def error(self, text: str) -> None:
        """Say what went wrong."""
        self._message("error", "bold red", text)

    def _message(self, kind: str, style: str, text: str) -> None:
        self.messages.print(Text.assemble((f"{kind}: ", style), harmless(text)), soft_wrap=True)

    def _print(
        self,
        table: Table,
        rows: Sequence[Sequence[object]],
        *,
        header: Sequence[str] | None = None,
        title: str | None = None,
    ) -> None:
        cells = [[shown(value) for value in row] for row in rows]
        if not self.results.is_terminal:
            for row in [*([list(header)] if header else []), *cells]:
                sys.stdout.write("\t".join(row) + "\n")
            # What is said on standard error afterwards must not overtake the result.
            sys.stdout.flush()
        elif rows:
            if title is not None:
                self.heading(title)
            for row in cells:
                table.add_row(*(Text(cell) for cell in row))
            self.results.print(table)


def shown(value: object) -> str:
    """Write a value for people: on one line, and free of what a terminal would obey."""
    match value:
        case None | "":
            return NOTHING
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        case bool():
            return "yes" if value else "no"
        case _:
            return one_line(str(value))


def from_now(moment: datetime, now: datetime) -> str:
    """Write an instant as people say it: ``in 5 s``, ``3 min ago``."""
    seconds = (moment - now).total_seconds()
    unit, name = next(((unit, name) for unit, name in UNITS if abs(seconds) >= 2 * unit), UNITS[-1])
    count = f"{round(abs(seconds) / unit)} {name}"
    return f"in {count}" if seconds > 0 else f"{count} ago"


def instant(milliseconds: int | None) -> datetime | None:
    """Turn wire milliseconds into an instant; ``None`` and 0 mean that there is none."""
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC) if milliseconds else None
