"""Reading a configuration file: its bytes, its text, its TOML, with an error for each way this can fail."""

from __future__ import annotations

import re
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fraiseql_observers.config.lines import key_lines
from fraiseql_observers.problems import KeyPath, Problem, ProblemKind, dotted, error_for

__all__ = ["Source", "read_source"]

#: The largest file that is read. A configuration is written by people; 4 MiB is tens of thousands of observers.
LARGEST_FILE_BYTES = 4 * 1024 * 1024

#: How many lines above a syntax error the start of its statement is looked for.
_STATEMENT_LINES = 200

_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was read.

    Attributes:
        name: The path as it was given, for messages.
        tables: What the file says.
        lines: The line of each key.
    """

    name: str
    tables: dict[str, Any]
    lines: dict[KeyPath, int]

    def place(self, problem: Problem) -> Problem:
        """Return `problem` with this file and the line of its key, or of the nearest table around it."""
        path = problem.path
        while path and path not in self.lines:
            path = path[:-1]
        return Problem(
            problem.kind,
            problem.path,
            problem.message,
            self.name,
            self.lines.get(path, 1),
            problem.within_action,
        )


def read_source(path: Path) -> Source:
    """Read a TOML file.

    Raises:
        ConfigError: If there is no such file, it cannot be read, or it is not TOML; values are not repeated.
    """
    name = str(path)
    text = _text(name, _content(name, path))
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise error_for([_syntax_problem(name, text, str(error))]) from None
    except (ValueError, RecursionError):
        # The reader lets these through for integers of thousands of digits and for thousands of brackets.
        raise _file_error(name, "holds a number or a nesting that is too long to read") from None
    if not tables:
        raise _file_error(name, "is empty")
    return Source(name, tables, key_lines(text.replace("\r\n", "\n")))


def _content(name: str, path: Path) -> bytes:
    if "\x00" in name:
        raise _file_error(name.replace("\x00", "?"), "cannot be read: its name holds a NUL")
    try:
        mode = path.stat().st_mode
        kind = "a directory" if stat.S_ISDIR(mode) else "no regular file"
        if not stat.S_ISREG(mode):
            raise _file_error(name, f"is {kind}")
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise _file_error(name, f"cannot be read: {error.strerror or type(error).__name__}") from None
    if len(content) > LARGEST_FILE_BYTES:
        raise _file_error(name, f"is larger than {LARGEST_FILE_BYTES // 1024 // 1024} MiB")
    return content


def _text(name: str, content: bytes) -> str:
    if content.startswith(b"\xef\xbb\xbf"):
        raise _file_error(name, "starts with a byte order mark; save it as UTF-8 without one")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in content[:4]:
        raise _file_error(name, "is UTF-16 or UTF-32; save it as UTF-8")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _file_error(name, "is not UTF-8", line) from None


def _file_error(name: str, reason: str, line: int | None = None) -> Exception:
    return error_for([Problem(ProblemKind.FILE, (), f"the file {reason}", name, line)])


def _syntax_problem(name: str, text: str, message: str) -> Problem:
    place = _PLACE.search(message)
    lines = [f"{line}\n" for line in text.split("\n")]
    line = int(place[1]) if place and place[1] else len(lines)
    column = int(place[2]) if place and place[2] else 1
    # Only the reader's own words are kept: its messages quote keys and characters, which may be parts of a value.
    reason = re.sub(r"\s*['\"(].*$", "", message[: place.start()] if place else message, flags=re.DOTALL)
    is_duplicate = "twice" in message or "overwrite" in message or "Duplicate" in message
    key = _key_of_statement(lines, line)
    where = f"column {column}" + (f", key {dotted(key)}" if key else "")
    kind = ProblemKind.DUPLICATE if is_duplicate else ProblemKind.SYNTAX
    words = "the same key or table is given twice" if is_duplicate else f"not TOML: {reason or 'a mistake'}"
    return Problem(kind, (), f"{where}: {words}", name, line)


def _key_of_statement(lines: list[str], line: int) -> KeyPath | None:
    """Return the key of the statement that `line` belongs to.

    A line in the middle of a value must not be taken for a key, since it may be a part of a secret. A statement
    starts where all the lines before it are valid by themselves.
    """
    for start in range(line - 1, max(-1, line - 1 - _STATEMENT_LINES), -1):
        try:
            tomllib.loads("".join(lines[:start]))
        except (ValueError, RecursionError):
            continue
        key, equals, _ = lines[start].partition("=")
        header = re.match(r"\s*\[{1,2}([^\[\]#]+)", lines[start])
        text = header[1] if header else (key if equals else "")
        try:
            table: object = tomllib.loads(f"{text} = 0") if text.strip() else {}
        except ValueError:
            return None
        names: list[str] = []
        while isinstance(table, dict) and table:
            name, table = next(iter(table.items()))
            names.append(name)
        return tuple(names) or None
    return None
