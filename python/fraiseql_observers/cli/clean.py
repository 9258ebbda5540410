"""Text from outside made safe for a terminal."""

from __future__ import annotations


def one_line(text: str) -> str:
    """Write what is not printable as escapes: line ends, ANSI sequences, changes of the reading direction.

    An error text or an event may come from anybody, and a terminal obeys what it is shown.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in text)


def harmless(text: str) -> str:
    """Write several lines, each as `one_line` does."""
    return "\n".join(one_line(line) for line in text.split("\n"))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
