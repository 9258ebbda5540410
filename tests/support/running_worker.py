"""A worker as an operator starts it: a process group of its own that tests may stop, kill and read the log of."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.wait import PATIENCE_SECS


class WorkerProcess:
    """``python -m fraiseql_observers.worker --config FILE``.

    Args:
        config: The file.
        log: Where its output goes.
        environment: What it sees besides the environment of the test.
    """

    def __init__(self, config: Path, log: Path, environment: Mapping[str, str] | None = None) -> None:
        self._config = config
        self._log = log
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def start(self) -> Self:
        """Start it; jobs that wait are run as soon as it is ready."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fraiseql_observers.worker", "--config", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )
        return self

    def check(self) -> None:
        """Fail with its log where it has ended by itself."""
        assert self._process is not None, "the worker has not been started"
        assert self._process.poll() is None, f"the worker ended with {self._process.returncode}:\n{self.log}"

    def stop(self) -> int:
        """Tell it to finish what runs, and return its exit code; the log is part of a failure."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End all its processes at once."""
        self._end(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def _end(self, number: signal.Signals) -> int:
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            os.killpg(process.pid, number)
        try:
            return process.wait(PATIENCE_SECS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the worker did not stop in {PATIENCE_SECS} s:\n{self.log}") from None
