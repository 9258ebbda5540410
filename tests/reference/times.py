"""Instants as RFC 3339 writes them, in nanoseconds, computed from the calendar alone."""

from __future__ import annotations

import re
from datetime import date

NANOS = 10**9
#: The first nanosecond of year 1 and the first after year 9999, both in UTC, counted from the first.
END = 3_652_059 * 86_400 * NANOS

RFC_3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _month_days(year: int, month: int) -> int:
    return (
        29 if month == 2 and _is_leap(year) else (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]
    )


def _days(year: int, month: int, day: int) -> int:
    """Return the days since the first day of year 1; year 0, a leap year, is before it."""
    if year == 0:
        return _days(4, month, day) - _days(5, 1, 1)
    before = year - 1
    days = before * 365 + before // 4 - before // 100 + before // 400
    return days + sum(_month_days(year, earlier) for earlier in range(1, month)) + day - 1


def instant(text: str) -> tuple[int] | None:
    """Return the nanoseconds since the start of year 1 in UTC, in a tuple because they may be 0; or None.

    None is what is no such text, outside of years 1 to 9999 in UTC, or a leap second.
    """
    found = RFC_3339.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    if not (
        1 <= month <= 12
        and 1 <= day <= _month_days(year, month)
        and hour < 24
        and minute < 60
        and second < 60
    ):
        return None
    offset = 0
    if found[8]:
        hours, minutes = int(found[9]), int(found[10])
        if hours > 23 or minutes > 59:
            return None
        offset = (hours * 60 + minutes) * (1 if found[8] == "+" else -1)
    seconds = _days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset * 60
    nanos = seconds * NANOS + int((found[7] or "0").ljust(9, "0"))
    return (nanos,) if 0 <= nanos < END else None


def written(nanos: int) -> str:
    """Return an instant as text in UTC, with no, three, six or nine digits of fraction, as few as hold it."""
    days, rest = divmod(nanos, 86_400 * NANOS)
    seconds, fraction = divmod(rest, NANOS)
    digits = f"{fraction:09}"
    while digits.endswith("000"):
        digits = digits[:-3]
    day = date.fromordinal(days + 1)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{day.year:04}-{day.month:02}-{day.day:02}T{clock}{'.' * bool(digits)}{digits}Z"
