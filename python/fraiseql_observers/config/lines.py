"""On which line of a TOML text each key stands.

The standard library's reader gives values without their places, so this walks the text once more. It reads only
text that the standard reader has accepted, and therefore needs to find where values end, not whether they are
valid.
"""

from __future__ import annotations

import re
import tomllib

from fraiseql_observers.problems import KeyPath

__all__ = ["key_lines"]

_KEY_PART = re.compile(r'[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|\'[^\']*\'')
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
#: A string, longest delimiters first. Up to two quotes may stand directly before the closing three.
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")|\'\'\'.*?\'{3,5}(?!\')|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL
)
_SCALAR = re.compile(r"[^,\]}#\n]*")


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line, counted from 1, of every key, table and list item of a valid TOML text."""
    return _Walk(text).run()


class _Walk:
    """One pass over a text: `at` is the position, `table` the path that keys are under."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.table: KeyPath = ()
        self.lines: dict[KeyPath, int] = {}
        #: How many elements each array of tables has so far.
        self.elements: dict[KeyPath, int] = {}
        self._counted_to = 0
        self._line = 1

    def run(self) -> dict[KeyPath, int]:
        self._skip(_BLANK)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                self._header()
            else:
                self._pair(self.table)
            self._skip(_BLANK)
        return self.lines

    def _header(self) -> None:
        line = self._line_here()
        is_element = self.text.startswith("[[", self.at)
        self.at += 2 if is_element else 1
        names = self._key()
        self.at += 2 if is_element else 1
        path: KeyPath = ()
        for name in names[:-1]:
            path = self._inside((*path, name))
            self.lines.setdefault(path, line)
        last = (*path, names[-1])
        if is_element:
            self.elements[last] = self.elements.get(last, 0) + 1
            self.lines.setdefault(last, line)
        self.table = self._inside(last)
        self.lines.setdefault(self.table, line)

    def _inside(self, path: KeyPath) -> KeyPath:
        """Step into the newest element where `path` is an array of tables."""
        return (*path, self.elements[path] - 1) if path in self.elements else path

    def _pair(self, table: KeyPath) -> None:
        line = self._line_here()
        path = table
        for name in self._key():
            path = (*path, name)
            self.lines.setdefault(path, line)
        self.at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(path)

    def _key(self) -> list[str]:
        names: list[str] = []
        while True:
            self._skip(_SPACE)
            part = self._skip(_KEY_PART)
            # A quoted key is a TOML string; the standard reader knows its escapes.
            names.append(next(iter(tomllib.loads(f"{part} = 0"))))
            self._skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return names
            self.at += 1

    def _value(self, path: KeyPath) -> None:
        match self.text[self.at]:
            case "[":
                self._items(path, "]", keyed=False)
            case "{":
                self._items(path, "}", keyed=True)
            case '"' | "'":
                self._skip(_STRING)
            case _:
                self._skip(_SCALAR)

    def _items(self, path: KeyPath, end: str, *, keyed: bool) -> None:
        self.at += 1
        number = 0
        self._skip(_BLANK)
        while self.text[self.at] != end:
            if keyed:
                self._pair(path)
            else:
                item = (*path, number)
                self.lines.setdefault(item, self._line_here())
                self._value(item)
                number += 1
            self._skip(_BLANK)
            if self.text[self.at] == ",":
                self.at += 1
                self._skip(_BLANK)
        self.at += 1

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            # The standard reader accepted this text, so the walk has lost its way: that is a mistake of ours.
            raise AssertionError(f"no key or value at offset {self.at} of the configuration")
        self.at = match.end()
        return match[0]

    def _line_here(self) -> int:
        self._line += self.text.count("\n", self._counted_to, self.at)
        self._counted_to = self.at
        return self._line
