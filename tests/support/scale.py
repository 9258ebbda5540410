"""How large the tests are that take their sizes from a promise: small by default, as promised on demand."""

from __future__ import annotations

import os

#: ``TESTS_FULL_SIZE=1 pytest tests/faults --timeout 1800`` runs them at full size.
FULL_SIZE = os.environ.get("TESTS_FULL_SIZE") == "1"


def size(*, quick: int, full: int) -> int:
    """Return the number that this run uses."""
    return full if FULL_SIZE else quick
