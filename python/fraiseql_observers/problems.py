"""What is wrong with a configuration: one `Problem` per mistake, and the error that carries them all."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from fraiseql_observers.errors import ConfigError, UnsupportedAction

__all__ = ["KeyPath", "Problem", "ProblemKind", "dotted", "error_for", "nearest_name"]

#: Where a value stands: table and key names, and positions in lists.
KeyPath = tuple[str | int, ...]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
#: The most characters of a key that are shown: a key is found in a file, and may be anything.
_LONGEST_SHOWN_KEY = 80


class ProblemKind(StrEnum):
    """What sort of mistake a `Problem` is, for programs that read them."""

    FILE = "file"
    SYNTAX = "syntax"
    TYPE = "type"
    RANGE = "range"
    UNKNOWN_KEY = "unknown_key"
    MISSING = "missing"
    EMPTY = "empty"
    DUPLICATE = "duplicate"
    ENUM = "enum"
    NAME = "name"
    CONFLICT = "conflict"
    REDIS_URL = "redis_url"
    URL = "url"
    HEADER = "header"
    METHOD = "method"
    CONDITION = "condition"
    TEMPLATE = "template"
    SECRET = "secret"  # noqa: S105 - the name of a kind of mistake, not a secret
    TLS = "tls"
    ENVIRONMENT = "environment"
    HANDLER = "handler"
    UNSUPPORTED = "unsupported"


#: The error code of a mistake where it is not the plain "configuration".
_CODES = {
    ProblemKind.CONDITION: "OB003",
    ProblemKind.TEMPLATE: "OB008",
    ProblemKind.UNSUPPORTED: "OB014",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake.

    Attributes:
        kind: What sort of mistake it is.
        path: The key that is wrong, relative to what was checked; empty when it is the whole.
        message: What was found and what is allowed, free of secrets.
        source: The file or the environment variable the value came from; empty for a value given in code.
        line: The line in the file, counted from 1, where it is known.
        within_action: Whether the mistake is in an action, which has an error code of its own.
    """

    kind: ProblemKind
    path: KeyPath
    message: str
    source: str = ""
    line: int | None = None
    within_action: bool = False

    @property
    def code(self) -> str:
        """The error code ``OBnnn`` of this mistake."""
        return _CODES.get(self.kind, "OB005" if self.within_action else "OB001")

    def under(self, *prefix: str | int) -> Problem:
        """Return the same mistake seen from further out: with `prefix` before its path."""
        return replace(self, path=(*prefix, *self.path))

    def __str__(self) -> str:
        """Return ``source:line: code dotted.key: message``, without the parts that are not known."""
        place = f"{self.source}:{self.line}" if self.line is not None else self.source
        parts = [place, f"{self.code} {dotted(self.path)}".rstrip(), self.message]
        return ": ".join(part for part in parts if part)


def dotted(path: KeyPath) -> str:
    """Write a path as TOML does, positions in brackets: ``observers.paid.actions[0].url``; long keys are cut."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            cut = part if len(part) <= _LONGEST_SHOWN_KEY else f"{part[:_LONGEST_SHOWN_KEY]}…"
            name = part if part == cut and _BARE_KEY.fullmatch(part) else ascii(cut)
            text += f".{name}" if text else name
    return text


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that was most likely meant, or ``None``."""
    names = sorted(known)
    folded = name.strip().casefold().replace("-", "_")
    if folded in names:
        return folded
    close = difflib.get_close_matches(folded, names, n=1, cutoff=0.6)
    return close[0] if close else None


def error_for(problems: Sequence[Problem], what: str = "the configuration") -> ConfigError:
    """Return the one error that reports all of `problems`.

    Args:
        problems: At least one mistake.
        what: What they were found in, for the first line when there are several.
    """
    cls = UnsupportedAction if all(p.kind is ProblemKind.UNSUPPORTED for p in problems) else ConfigError
    if len(problems) == 1:
        return cls(str(problems[0]), problems)
    # A condition's mistake has several lines, the caret below its place among them.
    lines = "\n".join("  " + str(problem).replace("\n", "\n      ") for problem in problems)
    return cls(f"{len(problems)} mistakes in {what}:\n{lines}", problems)
