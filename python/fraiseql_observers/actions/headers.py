"""Which headers a webhook may set: names and values that cannot change the request around them."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["HARMLESS_HEADERS", "header_name_complaint", "header_value_complaint", "repeated_name"]

#: Headers whose values are no secrets, so that a job enqueued by hand may carry them.
HARMLESS_HEADERS = frozenset({"accept", "content-type", "user-agent"})

#: Framing and routing belong to the HTTP client, identity and signature to this package.
_FORBIDDEN = frozenset(
    {"host", "content-length", "content-encoding", "transfer-encoding", "connection", "keep-alive", "te"}
    | {"trailer", "upgrade", "expect", "idempotency-key", "accept-encoding"}
)
_FORBIDDEN_PREFIXES = ("proxy-", "webhook-", "x-fraiseql-")

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_VALUE = re.compile(r"[!-~](?:[ -~\t]*[!-~])?")
LONGEST_VALUE = 8192


def header_name_complaint(name: str) -> str | None:
    """Say what is wrong with a header's name, or return ``None``."""
    if not _NAME.fullmatch(name):
        return "is no header name; allowed: letters, digits and -_.!#$%&'*+^`|~"
    folded = name.lower()
    if folded in _FORBIDDEN or folded.startswith(_FORBIDDEN_PREFIXES):
        return "is set by the sender itself and cannot be given"
    return None


def header_value_complaint(value: str) -> str | None:
    """Say what is wrong with a header's value, without repeating it, or return ``None``."""
    if any(character in "\r\n\x00" for character in value):
        return "has a value with a line break or NUL"
    if not _VALUE.fullmatch(value):
        return "has a value that is empty, starts or ends with a space, or is not printable ASCII"
    return f"has a value longer than {LONGEST_VALUE} characters" if len(value) > LONGEST_VALUE else None


def repeated_name(names: Iterable[str]) -> str | None:
    """Return the first name that comes twice when case does not count, or ``None``."""
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            return name
        seen.add(name.lower())
    return None
