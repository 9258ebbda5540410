"""A process that uses an embedded server, driven by a test: line by line, and killable at any time.

The process prints one line of JSON when it has opened the server; then it answers each Redis command that it
reads (a JSON list) with a line of its own. Three commands are its own: ``["ensure"]`` calls
`EmbeddedServer.ensure`, ``["fork"]`` makes a child that stays and answers its process id, and
``["close descriptors"]`` does what daemons do.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis

import fraiseql_observers
from fraiseql_observers.embedded import open_embedded

_ROOTS = [
    str(Path(path).resolve().parents[1]) for path in (fraiseql_observers.__file__, Path(__file__).parent)
]


class EmbeddedUser:
    """The test's side of such a process.

    Args:
        url: What the process opens.
        linger_secs: How long a server that it starts stays after the last user.
    """

    def __init__(self, url: str, linger_secs: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.embedded_user", url, str(linger_secs)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(_ROOTS)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._opened: dict[str, Any] = {}

    def opened(self) -> dict[str, Any]:
        """Wait until the server is open; its ``url``, ``run_id`` and ``pid``."""
        if not self._opened:
            self._opened.update(self._read())
        return self._opened

    def ask(self, *command: str) -> Any:  # the type depends on the command
        """Send a command and wait for its answer."""
        self.opened()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._read()

    def kill(self) -> None:
        """End the process with SIGKILL and return when it is gone."""
        self._process.send_signal(signal.SIGKILL)
        self._wait()

    def leave(self) -> None:
        """Let the process close the server and end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self.kill()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process has ended; its error is above"
        return json.loads(line)

    def _wait(self) -> None:
        self._process.wait(60)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None and not stream.closed:
                stream.close()


def main(url: str, linger_secs: float) -> None:
    """Run the process."""
    with open_embedded(url, _linger_secs=linger_secs) as server, redis.Redis.from_url(server.url) as client:
        info = client.info("server")
        _say({"url": server.url, "run_id": info["run_id"], "pid": info["process_id"]})
        for line in sys.stdin:
            command = json.loads(line)
            if command == ["ensure"]:
                _say(server.ensure())
            elif command == ["close descriptors"]:
                os.closerange(3, 256)
                _say("closed")
            elif command == ["fork"]:
                child_pid = os.fork()
                if child_pid == 0:
                    signal.pause()
                _say(child_pid)
            else:
                answer = client.execute_command(*command)
                _say(answer.decode() if isinstance(answer, bytes) else answer)


def _say(answer: object) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
