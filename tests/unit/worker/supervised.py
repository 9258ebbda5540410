"""A supervisor over fake children, in a process of its own, with what tests ask about it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.support.processes import is_alive
from tests.support.wait import wait_until

_PROGRAM = """
import sys
from fraiseql_observers import logs
from fraiseql_observers.worker.supervisor import Supervisor
logs.setup("info", "text")
processes = int(sys.argv[2]) or None
sys.exit(Supervisor([sys.executable, {child!r}, sys.argv[1]], processes=processes).run())
"""


class Supervised:
    """Runs one supervisor; its children do what `behaviours` says, see `fake_child`.

    Args:
        directory: An empty directory.
        behaviours: For the first child that starts, the second …; the last serves for all later ones.
        processes: As given on the command line; 0 leaves it to the plan.
    """

    def __init__(self, directory: Path, *behaviours: Mapping[str, Any], processes: int = 0) -> None:
        self._directory = directory
        lines = [json.dumps(behaviour) for behaviour in behaviours or ({},)]
        (directory / "behaviours").write_text("\n".join(lines))
        program = _PROGRAM.format(child=str(Path(__file__).with_name("fake_child.py")))
        self._log_path = directory / "log"
        with self._log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", program, str(directory), str(processes)],
                stdin=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,  # So that a signal to its group does not reach the test run.
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        for pid in self.pids:
            if is_alive(pid):
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, signal.SIGKILL)

    @property
    def log(self) -> str:
        """What the supervisor has logged so far."""
        return self._log_path.read_text()

    @property
    def starts(self) -> list[dict[str, Any]]:
        """Pid and arguments of every child that has started, in order."""
        return [json.loads(line) for line in self._lines("starts")]

    @property
    def pids(self) -> list[int]:
        """The pid of every child that has started, in order."""
        return [start["pid"] for start in self.starts]

    def orders(self, pid: int) -> list[str]:
        """What a child has been told."""
        return [line.split(" ", 1)[1] for line in self._lines("orders") if line.startswith(f"{pid} ")]

    def wait_for_start(self) -> None:
        """Return when the first child works."""
        self.wait_for_log("jobs at a time")

    def wait_for_log(self, text: str) -> None:
        """Return when the log holds this text."""
        wait_until(lambda: text in self.log, what=f"{text!r} in {self._log_path}")

    def wait_for_starts(self, count: int) -> list[int]:
        """Return the pids when so many children have started."""
        wait_until(lambda: len(self.pids) >= count, what=f"{count} starts")
        return self.pids

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor alone."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Return the exit code, when the supervisor has ended."""
        return self.process.wait(15)

    def get(self, path: str) -> tuple[int, str]:
        """Ask the supervisor's endpoint; return the status and the body."""
        found = re.search(r"http://(\S+)/metrics", self.log)
        assert found is not None, f"no address in the log:\n{self.log}"
        try:
            with urllib.request.urlopen(f"http://{found[1]}{path}", timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def _lines(self, name: str) -> Sequence[str]:
        path = self._directory / name
        return path.read_text().splitlines() if path.exists() else []
