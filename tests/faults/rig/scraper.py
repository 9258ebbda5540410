"""Reads the metrics of every worker again and again: each answer comes in time, and no counter ever goes back."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from tests.faults.rig.fleet import Member

#: Seconds within which a scrape is answered, with a server or without one.
IN_TIME_SECS: Final = 1.0
#: Seconds until the scraper itself gives up, so that what is late is told from what never comes.
_PATIENCE_SECS: Final = 5.0
#: Seconds between two rounds.
_PAUSE_SECS: Final = 0.2
#: Names of what must never go back while a supervisor lives.
_GROWING: Final = ("_total", "_count", "_bucket", "_sum")


class Scraper(threading.Thread):
    """Scrapes until its block ends.

    What is scraped while the worker itself is started, frozen or killed is not judged.

    Args:
        members: The workers.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        super().__init__(daemon=True)
        self._members = members
        self._end = threading.Event()
        #: The last samples of each supervisor.
        self._last: dict[int, dict[str, float]] = {}
        #: Everything that was not as it should be.
        self.broken: list[str] = []
        #: Seconds that each scrape took that was judged.
        self.took: list[float] = []
        #: Every line that was ever shown, without its value.
        self.lines: set[str] = set()

    def run(self) -> None:
        """Scrape."""
        while not self._end.wait(_PAUSE_SECS):
            for member in self._members:
                if member.is_up and not member.is_frozen:
                    self._scrape(member)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self.join(2 * _PATIENCE_SECS)

    def _scrape(self, member: Member) -> None:
        changes, pid = member.changes, member.process.pid
        begun = time.monotonic()
        text, error = _get(f"http://127.0.0.1:{member.metrics_port}/metrics")
        took = time.monotonic() - begun
        if member.changes != changes:
            return
        if text is None:
            # Before it has answered once it may not listen yet. One that ends is the fleet's to judge: it stops to
            # listen a little before.
            if pid in self._last and not self._ends(member, changes):
                self.broken.append(f"{member.name} did not answer within {took:.2f} s: {error}")
            return
        self.took.append(took)
        if took > IN_TIME_SECS:
            self.broken.append(f"{member.name} answered after {took:.2f} s")
        self._compare(member, pid, text)

    def _ends(self, member: Member, changes: int) -> bool:
        """Say whether a worker that did not answer is just ending, or is being changed."""
        give_up = time.monotonic() + _PATIENCE_SECS
        while not member.process.has_ended and member.changes == changes:
            if time.monotonic() > give_up:
                return False
            self._end.wait(_PAUSE_SECS)
        return True

    def _compare(self, member: Member, pid: int, text: str) -> None:
        rows = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
        samples = {name: float(value) for name, _, value in rows}
        self.lines.update(name for name, _, _ in rows)
        before = self._last.get(pid, {})
        self.broken += [
            f"{member.name} showed {name} {value} and then {samples.get(name)}"
            for name, value in before.items()
            if name.partition("{")[0].endswith(_GROWING) and samples.get(name, -1.0) < value
        ]
        self._last[pid] = samples


def _get(url: str) -> tuple[str | None, str]:
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE_SECS) as answer:  # noqa: S310 - an address of our own
            return answer.read().decode(), ""
    except (OSError, urllib.error.URLError) as error:
        return None, str(error)
