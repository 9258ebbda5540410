"""The secrets that this process knows, kept out of every text that leaves it: log lines, stored errors."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["hide", "redact"]

_known: re.Pattern[str] | None = None


def hide(secrets: Iterable[str]) -> None:
    """Replace these texts from now on, in place of those named before."""
    global _known  # noqa: PLW0603 - what a process must not say is a fact of the process
    # The longest first, so that a secret which contains another one is replaced as a whole.
    texts = sorted((secret for secret in set(secrets) if secret), key=len, reverse=True)
    _known = re.compile("|".join(map(re.escape, texts))) if texts else None


def redact(text: str) -> str:
    """Return the text with ``***`` in place of every secret."""
    return text if _known is None else _known.sub("***", text)
