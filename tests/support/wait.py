"""Waiting for a condition with a deadline, the only way in which tests wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Seconds between two looks: short against every deadline, and no load on the code under test.
POLL_SECS = 0.01
#: Seconds after which nobody waits any more. What takes one on a machine of its own may take many on one that is
#: shared; a wait that ends well costs nothing more for it.
PATIENCE_SECS = 60.0


def wait_until(
    condition: Callable[[], T], *, deadline_secs: float = PATIENCE_SECS, what: str = "the condition"
) -> T:
    """Look again and again until ``condition`` answers something true, and return that answer.

    Args:
        condition: A cheap look at the world; an exception in it ends the wait.
        deadline_secs: How long to go on looking; given where it is part of what is tested, or where a minute is short.
        what: Named in the failure, as in "waited 10.0 s for <what>".

    Returns:
        The first true answer.

    Raises:
        AssertionError: If the deadline passes first.
    """
    end = time.monotonic() + deadline_secs
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() >= end:
            raise AssertionError(f"waited {deadline_secs} s for {what}; it last answered {answer!r}")
        time.sleep(POLL_SECS)
