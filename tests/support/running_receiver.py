"""A receiver beside the test: in a thread, or in a process that can be killed, frozen and started again."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.evidence import Counts, Delivery, read_evidence
from tests.support.receiver import COUNTS_PATH, STANDARD_RULES, Receiver, Rule

_REPOSITORY = Path(__file__).resolve().parents[2]
#: Seconds within which a receiver starts, stops or answers its counts.
_DEADLINE_SECS = 20.0


class ReceiverThread:
    """A receiver in a thread of the test's own process: quick to start, and its speed shared with the test.

    Args:
        evidence: The file to append to.
        rules: The first that holds decides; without one the answer is 200.
    """

    def __init__(self, evidence: Path, rules: Sequence[Rule] = STANDARD_RULES) -> None:
        self._evidence = evidence
        self._rules = rules
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="receiver", daemon=True)
        self._port = 0

    @property
    def url(self) -> str:
        """The address without a path."""
        return f"http://127.0.0.1:{self._port}"

    def counts(self) -> Counts:
        """Sum up what has come so far."""

        async def ask() -> Counts:
            return self._receiver.counts()

        return asyncio.run_coroutine_threadsafe(ask(), self._loop).result(_DEADLINE_SECS)

    def deliveries(self) -> list[Delivery]:
        """Read the evidence so far, with bodies."""
        return list(read_evidence(self._evidence))

    def __enter__(self) -> Self:
        self._receiver = Receiver(self._evidence, self._rules, keep_bodies=True)
        self._thread.start()
        start = asyncio.run_coroutine_threadsafe(self._receiver.start(), self._loop)
        self._port = start.result(_DEADLINE_SECS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._receiver.stop(), self._loop).result(_DEADLINE_SECS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_DEADLINE_SECS)
        self._loop.close()


class ReceiverProcess:
    """A receiver in a process of its own, for many deliveries and for faults.

    Args:
        evidence: The file to append to; a restarted receiver goes on with it.
        rules: The first that holds decides; without one the answer is 200.
        keep_bodies: Whether the evidence holds the bodies.
    """

    def __init__(
        self, evidence: Path, rules: Sequence[Rule] = STANDARD_RULES, *, keep_bodies: bool = False
    ) -> None:
        self._evidence = evidence
        self._rules = rules
        self._keeps_bodies = keep_bodies
        self._process: subprocess.Popen[str] | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """The address without a path, the same after a restart."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None, "the receiver has not been started"
        return self._process.pid

    def start(self) -> Self:
        """Start the process and return when it listens; again on the port that it had before."""
        rules = self._evidence.with_suffix(".rules.json")
        rules.write_text(json.dumps([rule.to_dict() for rule in self._rules]))
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.support.receiver"),
                *("--evidence", str(self._evidence.resolve()), "--rules", str(rules.resolve())),
                *("--port", str(self._port)),
                *(["--keep-bodies"] if self._keeps_bodies else []),
            ],
            cwd=_REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the receiver did not start; its error is above"
        self._port = json.loads(line)["port"]
        return self

    def stop(self) -> None:
        """End the process with SIGTERM and return when it is gone."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the process with SIGKILL and return when it is gone."""
        self._end(signal.SIGKILL)

    def counts(self) -> Counts:
        """Ask the process for what has come since its start."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_DEADLINE_SECS)
        try:
            connection.request("GET", COUNTS_PATH)
            return Counts(**json.load(connection.getresponse()))
        finally:
            connection.close()

    def deliveries(self) -> list[Delivery]:
        """Read the evidence so far, that of earlier starts included."""
        return list(read_evidence(self._evidence))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        os.kill(process.pid, number)
        # A process that a test has frozen sees SIGTERM only when it goes on.
        os.kill(process.pid, signal.SIGCONT)
        process.wait(_DEADLINE_SECS)
        if process.stdout is not None:
            process.stdout.close()
