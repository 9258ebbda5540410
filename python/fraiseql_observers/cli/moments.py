"""Times on the command line: an instant, a day, or how long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import typer

#: How long ago, in the units that tables show ages in.
_AGO = re.compile(r"(?P<count>\d{1,6})(?P<unit>s|min|m|h|d)")
_SECONDS = {"s": 1, "min": 60, "m": 60, "h": 3_600, "d": 86_400}


def moment(text: str | datetime) -> datetime:
    """Read a time: ``2026-11-24T10:00:00Z``, ``2026-11-24`` (its first moment, UTC), or ``90min``, ``36h``, ``7d`` ago.

    Raises:
        BadParameter: If it is none of these, or names no zone.
    """
    if isinstance(text, datetime):
        return text
    ago = _AGO.fullmatch(text)
    if ago is not None:
        age = timedelta(seconds=int(ago["count"]) * _SECONDS[ago["unit"]])
        return datetime.now(UTC) - age
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        read = None
    if read is not None and read.utcoffset() is None and len(text) == len("2026-11-24"):
        read = read.replace(tzinfo=UTC)
    if read is None or read.utcoffset() is None:
        raise typer.BadParameter(
            f"{text!r} is no time: 2026-11-24T10:00:00Z, 2026-11-24, or how long ago, as in 90min, 36h, 7d"
        )
    return read
