"""The `Retry-After` header: when a receiver wants to be asked again."""

from __future__ import annotations

import re
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime

__all__ = ["LONGEST_RETRY_AFTER", "retry_after"]

#: A receiver may ask for a day of rest and no more: a job must not be parked for years by one header.
LONGEST_RETRY_AFTER = timedelta(hours=24)


def retry_after(value: str | None, *, now: float) -> timedelta | None:
    """Read the header's value.

    Args:
        value: Seconds or an HTTP date, or ``None`` where there is no such header.
        now: The wall clock, in seconds since 1970.

    Returns:
        The least delay, between zero and 24 hours, or ``None`` for what is neither seconds nor a date.
    """
    text = (value or "").strip()
    if re.fullmatch(r"[0-9]{1,18}", text):
        return min(timedelta(seconds=min(int(text), 10**6)), LONGEST_RETRY_AFTER)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # A date without a zone is in UTC, as HTTP dates are.
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)
    try:
        seconds = aware.timestamp() - now
    except OverflowError:
        return LONGEST_RETRY_AFTER
    return timedelta(seconds=min(max(seconds, 0.0), LONGEST_RETRY_AFTER.total_seconds()))
