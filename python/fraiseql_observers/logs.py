"""Logging as ``[log]`` sets it: one line per record, as text for a terminal or as JSON, on standard error.

Log records hold data from events and from receivers. Whatever it contains, it can neither start a new line
nor send a control sequence to a terminal; and the secrets of this process are replaced in it.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Iterable
from typing import Final, TextIO

from fraiseql_observers.redaction import redact

__all__ = ["JOB_FIELDS", "setup"]

#: What a record about a job carries in ``extra``; both formats show it.
JOB_FIELDS: Final = ("job_id", "event_id", "observer", "action_index", "action_type", "attempt")

#: Libraries that write URLs and headers, hence secrets, at the levels below this one.
_QUIET: Final = ("httpx", "httpcore", "hpack")

#: C0 and C1 controls, line and paragraph separators, and the marks that change the direction of text.
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def setup(level: str, style: str, *, stream: TextIO | None = None) -> None:
    """Send every record of this process to one stream.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``, in any case.
        style: ``text``, ``json``, or ``auto``: text on a terminal, JSON elsewhere.
        stream: Standard error where it is not given.
    """
    out: TextIO = sys.stderr if stream is None else stream
    as_text = style == "text" or (style == "auto" and out.isatty())
    handler = logging.StreamHandler(out)
    handler.setFormatter(TextFormatter() if as_text else JsonFormatter())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _one_line(text: str) -> str:
    """Write control characters as their escapes."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class TextFormatter(logging.Formatter):
    """``time LEVEL logger: message field=value``; the lines of a trace follow, each behind a bar."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        fields = "".join(f" {name}={value}" for name, value in _job_fields(record))
        line = f"{_time(record)} {record.levelname:<7} {record.name}: {record.getMessage()}{fields}"
        trace = _trace(self, record)
        lines = [line, *(f"  | {part}" for part in trace.split("\n") if part)]
        return "\n".join(_one_line(redact(part)) for part in lines)


class JsonFormatter(logging.Formatter):
    """One JSON object per record, ASCII only."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        values: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        values.update((name, redact(str(value))) for name, value in _job_fields(record))
        if isinstance(attempt := getattr(record, "attempt", None), int):
            values["attempt"] = attempt
        if trace := _trace(self, record):
            values["trace"] = redact(trace)
        return json.dumps(values)


def _job_fields(record: logging.LogRecord) -> Iterable[tuple[str, object]]:
    return ((name, value) for name in JOB_FIELDS if (value := getattr(record, name, None)) is not None)


def _time(record: logging.LogRecord) -> str:
    # By hand: `formatTime` cannot write UTC with milliseconds.
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z"


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    # `Formatter.format` is not called, since it would add the trace without a mark to a line of text.
    return formatter.formatException(record.exc_info) if record.exc_info else ""
