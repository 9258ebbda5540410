"""A directory for an embedded server, and the processes that serve it."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.processes import is_alive
from tests.support.wait import wait_until

#: Seconds that servers in these tests stay after the last user.
LINGER_SECS = 0.3
#: Seconds that the end of a server may take beyond that, on a loaded machine.
SLACK_SECS = 30.0


@dataclass
class EmbeddedPlace:
    """A directory for an embedded server, and every process that was seen to serve it."""

    path: Path
    seen: set[int] = field(default_factory=set)

    @property
    def url(self) -> str:
        """The URL of the directory."""
        return f"embedded://{self.path}"

    def pids(self) -> tuple[int, int]:
        """The keeper and the server as they are now."""
        record = json.loads((self.path / "server.json").read_text())
        self.seen |= {record["keeper_pid"], record["server_pid"]} - {None}
        return record["keeper_pid"], record["server_pid"]

    def wait_until_empty(self) -> None:
        """Wait until none of the processes that were seen is left."""
        wait_until(
            lambda: not any(map(is_alive, self.seen)),
            deadline_secs=LINGER_SECS + SLACK_SECS,
            what=f"the end of the processes {self.seen}",
        )

    def outlast_the_linger(self) -> None:
        """Let pass what a server without users would not survive: the one wait that nothing can signal."""
        end = time.monotonic() + 2 * LINGER_SECS + 0.5
        wait_until(lambda: time.monotonic() > end, what="time to pass")

    def clear(self) -> None:
        """Fail if a process that serves the directory does not end, and end it."""
        if (self.path / "server.json").exists():
            self.pids()
        try:
            self.wait_until_empty()
        finally:
            for pid in filter(is_alive, self.seen):
                os.kill(pid, signal.SIGKILL)
