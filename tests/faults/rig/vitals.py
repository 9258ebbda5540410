"""What processes take of a machine, looked at again and again: files, threads and memory, which must not grow."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

#: Seconds between two looks.
_PAUSE_SECS: Final = 2.0
#: How much more of each there may be at the end than after the start: numbers, or megabytes.
_ALLOWED: Final = {"files": 5.0, "threads": 3.0, "megabytes": 15.0}
#: The share of the looks at each end that are compared.
_SHARE: Final = 4


@dataclass(frozen=True)
class Look:
    """What one process took at one moment."""

    pid: int
    files: int
    threads: int
    megabytes: float


class Vitals(threading.Thread):
    """Looks until its block ends.

    Args:
        pids: Says which processes to look at.
    """

    def __init__(self, pids: Callable[[], Sequence[int]]) -> None:
        super().__init__(daemon=True)
        self._pids = pids
        self._end = threading.Event()
        self.looks: list[Look] = []

    def run(self) -> None:
        """Look."""
        while not self._end.wait(_PAUSE_SECS):
            for pid in self._pids():
                # One that has just ended is not looked at.
                if (look := _look(pid)) is not None:
                    self.looks.append(look)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self.join(2 * _PAUSE_SECS)

    def growth(self) -> dict[int, dict[str, tuple[float, float]]]:
        """Return for each process what it took in the second quarter of its time and in the last, in the median.

        In the first quarter it is still warming up.
        """
        grown: dict[int, dict[str, tuple[float, float]]] = {}
        for pid in {look.pid for look in self.looks}:
            looks = [look for look in self.looks if look.pid == pid]
            quarter = max(len(looks) // _SHARE, 1)
            early, late = looks[quarter : 2 * quarter] or looks, looks[-quarter:]
            grown[pid] = {
                what: (
                    statistics.median(getattr(look, what) for look in early),
                    statistics.median(getattr(look, what) for look in late),
                )
                for what in _ALLOWED
            }
        return grown

    def broken(self) -> list[str]:
        """Name every process that takes more and more."""
        return [
            f"I8: process {pid} went from {early:.1f} to {late:.1f} {what}"
            for pid, grown in self.growth().items()
            for what, (early, late) in grown.items()
            if late > early + _ALLOWED[what]
        ]


def _look(pid: int) -> Look | None:
    folder = Path(f"/proc/{pid}")
    try:
        status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        files = sum(1 for _ in (folder / "fd").iterdir())
        return Look(pid, files, int(status["Threads"]), int(status["VmRSS"].split()[0]) / 1024)
    except (OSError, KeyError):
        return None
