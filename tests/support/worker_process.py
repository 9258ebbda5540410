"""A real worker in a process group of its own, to be killed, frozen, told to stop and started again."""

from __future__ import annotations

import atexit
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.wait import PATIENCE_SECS, wait_until

_REPOSITORY = Path(__file__).resolve().parents[2]


class WorkerProcess:
    """A worker, its supervisor and children, as ``python -m fraiseql_observers.worker`` runs it.

    What it writes goes to a file beside its configuration, over all its starts.

    Args:
        config: The configuration file.
        processes: How many children; where it is not given the configuration says so.
        environment: Variables beside those of this process.
        name: Tells apart the logs of several workers with one configuration.
    """

    def __init__(
        self,
        config: str | Path,
        *,
        processes: int | None = None,
        environment: Mapping[str, str] | None = None,
        name: str = "worker",
    ) -> None:
        self._config = Path(config)
        self._arguments = [] if processes is None else ["--processes", str(processes)]
        self._environment = {**os.environ, **(environment or {})}
        self._log = self._config.with_name(f"{name}.log")
        self._started_at = 0
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.kill)

    @property
    def pid(self) -> int:
        """The process id of the supervisor, which is the id of the group too."""
        assert self._process is not None, "the worker has not been started"
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has written since it was last started."""
        return self._log.read_bytes()[self._started_at :].decode(errors="replace")

    @property
    def whole_log(self) -> str:
        """What it has written over all its starts."""
        return self._log.read_text(errors="replace")

    @property
    def has_ended(self) -> bool:
        """Whether the supervisor is not there: not started, killed, or ended by itself."""
        return self._process is None or self._process.poll() is not None

    def spawn(self) -> Self:
        """Start it and return at once."""
        assert self._process is None or self._process.poll() is not None, "the worker runs already"
        self._started_at = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "fraiseql_observers.worker"),
                    *("--config", str(self._config), *self._arguments),
                ],
                # Handlers of tests are modules below this folder.
                cwd=_REPOSITORY,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    def start(self) -> Self:
        """Start it and return when it has said what it will do."""
        self.spawn()
        wait_until(
            lambda: "jobs at a time" in self.log or self.has_ended,
            what="the worker's first line",
        )
        assert not self.has_ended, f"the worker did not start:\n{self.log}"
        return self

    def processes(self) -> list[int]:
        """Every living process of the group, the supervisor included."""
        return list(_group(self.pid))

    def children(self) -> list[int]:
        """Every living process of the group that is not the supervisor."""
        return [pid for pid in self.processes() if pid != self.pid]

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor and its children, as a terminal or a service manager does."""
        os.killpg(self.pid, number)

    def kill(self) -> None:
        """End all its processes with SIGKILL and return when they are gone."""
        if self._process is None:
            return
        if self.processes():
            self.signal_group(signal.SIGKILL)
        self._process.wait(PATIENCE_SECS)
        self.wait_until_gone()

    def stop(self) -> int:
        """Tell it to stop and return its exit code; no process of it stays."""
        os.kill(self.pid, signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Wait until it has ended by itself and return its exit code; no process of it stays."""
        assert self._process is not None, "the worker has not been started"
        try:
            code = self._process.wait(PATIENCE_SECS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the worker does not end:\n{self.log}") from None
        self.wait_until_gone()
        return code

    def wait_until_gone(self) -> None:
        """Return when no process of the group is left."""
        wait_until(
            lambda: not self.processes(),
            what="the end of every process of the worker",
        )

    @contextmanager
    def frozen(self) -> Generator[None]:
        """Stop all its processes from running, without ending them, for as long as the block lasts."""
        self.signal_group(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal_group(signal.SIGCONT)

    def metrics(self) -> dict[str, float]:
        """Read ``/metrics``: every sample by name and labels, as they are written."""
        text = self.get("/metrics")
        samples = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}

    def get(self, path: str) -> str:
        """Read a page of the worker's own endpoint."""
        address = re.search(r"metrics (http://[0-9.:]+)/metrics", self.log)
        assert address is not None, f"the worker shows no metrics:\n{self.log}"
        with urllib.request.urlopen(address[1] + path, timeout=10) as answer:  # noqa: S310 - its own address
            content: bytes = answer.read()
        return content.decode()

    def records(self) -> list[dict[str, Any]]:
        """Read its log since it was last started: one record a line."""
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        atexit.unregister(self.kill)
        if error is not None:
            # pytest shows it with the failure.
            print(f"--- {self._log.name}\n{self.whole_log[-20_000:]}")


def _group(group: int) -> Iterator[int]:
    """Give the living processes of a group; one that has ended and that nobody has collected is not one."""
    table = subprocess.run(
        ["ps", "-axo", "pid=,pgid=,stat="], capture_output=True, text=True, check=True, timeout=10
    ).stdout
    for line in table.splitlines():
        pid, pgid, state = line.split()[:3]
        if int(pgid) == group and not state.startswith("Z"):
            yield int(pid)
