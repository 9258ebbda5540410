"""Small pieces of Markdown, and of the docstrings that it is made from."""

from __future__ import annotations

import html
import inspect
import re
from collections.abc import Iterable, Sequence

#: An entry of an ``Attributes:`` section: four spaces, the name, a colon, the text.
_ENTRY = re.compile(r"^ {4}(\w+): (.*)$")

_CODE = re.compile(r"`([^`]*)`")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a table; a bar in a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines) + "\n"


def _cell(text: str) -> str:
    """Keep bars from ending a cell; in code, some readers would show the backslash of an escaped one."""

    def code(span: re.Match[str]) -> str:
        if "|" not in span[1]:
            return span[0]
        return f"<code>{html.escape(span[1], quote=False).replace('|', '&#124;')}</code>"

    return _CODE.sub(code, text).replace("|", "\\|")


def prose(text: str) -> str:
    """Turn the marks of docstrings into those of Markdown, and a hard-wrapped paragraph into one line."""
    return re.sub(r"\s+", " ", text.replace("``", "`")).strip()


def summary(thing: object) -> str:
    """Take the text of a docstring that stands before its first section."""
    text = inspect.getdoc(thing) or ""
    return re.split(r"\n(?:Attributes|Args|Returns|Raises):\n", text)[0].strip()


def attributes(thing: object) -> dict[str, str]:
    """Read the ``Attributes:`` section of a docstring, by name."""
    found: dict[str, str] = {}
    name = ""
    _, _, section = (inspect.getdoc(thing) or "").partition("Attributes:\n")
    for line in section.splitlines():
        entry = _ENTRY.match(line)
        if entry:
            name = entry[1]
            found[name] = entry[2]
        elif line.startswith("     ") and name:
            found[name] += " " + line.strip()
        elif line.strip():
            break
    return {key: prose(text) for key, text in found.items()}
