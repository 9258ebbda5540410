"""A worker of the demonstration: a process group of its own, to be killed or stopped as a whole."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

#: Seconds that a worker gets to finish what runs; an answer of the receiver takes a hundredth of one.
STOP_DEADLINE_SECS = 20.0
#: Lines of a worker's log that are shown when it fails.
SHOWN_LOG_LINES = 20


class WorkerFailed(Exception):
    """The worker ended although nobody told it to; the text holds the end of its log."""


class DemoWorker:
    """One run of ``python -m fraiseql_observers.worker``.

    Args:
        config: The file with the rules.
        log: Where its output goes.
    """

    def __init__(self, config: Path, log: Path) -> None:
        self._config = config
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the process; it leases jobs as soon as it is ready."""
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(
                    sys.executable,
                    "-m",
                    "fraiseql_observers.worker",
                    "--config",
                    str(self._config),
                ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A group of its own: Ctrl-C is for the demonstration, which then stops its worker properly.
                start_new_session=True,
            )

    def check(self) -> None:
        """Raise `WorkerFailed` if the worker has ended by itself."""
        if self._process is not None and self._process.returncode is not None:
            raise WorkerFailed(f"the worker ended with exit code {self._process.returncode}:\n{self.log_end}")

    @property
    def log_end(self) -> str:
        """The last lines of its log."""
        lines = self._log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-SHOWN_LOG_LINES:])

    async def kill(self) -> None:
        """End every process of the worker at once, as a power cut or the kernel's memory killer would."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """Let the worker finish what runs, and return its exit code; kill it where it does not obey."""
        code = await self._end(signal.SIGTERM)
        if code is None:
            code = await self._end(signal.SIGKILL)
        return code if code is not None else 1

    def kill_now(self) -> None:
        """End what is left of the worker, where nothing can be awaited any more."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _end(self, number: signal.Signals) -> int | None:
        process = self._process
        if process is None:
            return 0
        if process.returncode is None:
            os.killpg(process.pid, number)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), STOP_DEADLINE_SECS)
        return process.returncode


class Workers:
    """All workers of one run.

    Args:
        config: The file with the rules.
        folder: Where their logs go.
    """

    def __init__(self, config: Path, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self.started: list[DemoWorker] = []

    def new(self) -> DemoWorker:
        """Make a worker that is not started yet."""
        worker = DemoWorker(self._config, self._folder / f"worker-{len(self.started) + 1}.log")
        self.started.append(worker)
        return worker
