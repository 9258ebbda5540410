"""A checker in the style of Jepsen's total queue: what went in must come out, and nothing else may.

It knows nothing of Redis: it holds what producers were told against what receivers wrote down.

Source: K. Kingsbury, "Jepsen", `jepsen.checker/total-queue`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Verdict(Generic[T]):
    """What became of everything that was to be queued.

    Attributes:
        lost: Accepted by the queue and never delivered. Anything here is a broken promise.
        unexpected: Delivered, though nobody asked for it. Anything here is a broken promise.
        duplicated: Delivered more than once, with the number of deliveries beyond the first.
        recovered: Delivered though the producer was not told that it was accepted; it may be.
    """

    lost: set[T]
    unexpected: set[T]
    duplicated: dict[T, int]
    recovered: set[T]

    @property
    def repeats(self) -> int:
        """All deliveries beyond the first."""
        return sum(self.duplicated.values())


def check(attempted: Iterable[T], accepted: Iterable[T], delivered: Iterable[T]) -> Verdict[T]:
    """Compare what was asked for, what was accepted and what was delivered.

    Args:
        attempted: Everything that a producer has tried to enqueue.
        accepted: Those of them whose enqueue has returned normally.
        delivered: Every delivery, repeats included.
    """
    tried, stored, came = set(attempted), set(accepted), Counter(delivered)
    assert stored <= tried, "what was accepted must have been attempted"
    return Verdict(
        lost=stored - came.keys(),
        unexpected=came.keys() - tried,
        duplicated={one: times - 1 for one, times in came.items() if times > 1},
        recovered=(tried - stored) & came.keys(),
    )
