"""The keeper: a process of its own that runs one embedded server for everybody who uses its directory.

``python -m fraiseql_observers.embedded.keeper DIRECTORY BINARY LINGER_SECS`` takes the keeper's lock, leaves
its starter and returns; the process that stays is nobody's child and in no terminal's session.

Users are counted by a shared lock that each of them holds on `users.lock`. It is the simplest count that is
right: the kernel keeps it, so that kill -9 of a user needs no detection; a child made by `fork` goes on
counting after its parent's death; and the keeper that wants to end takes the same lock exclusively, which is
one atomic step that fails while anybody is there. It then keeps the lock until it is gone: a user who arrives
meanwhile waits for the lock, finds no keeper and starts a fresh one, and never meets a server that is ending.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from fraiseql_observers.embedded.locks import FileLock
from fraiseql_observers.embedded.paths import DataDirectory, Record, choose_socket
from fraiseql_observers.embedded.process import STOP_SECS, start_server, stop_server
from fraiseql_observers.embedded.wire import Answer, ping, shut_down

#: Seconds between two looks at the users and the files. The death of the server wakes the keeper at once.
_LOOK_SECS = 0.25
#: Seconds between two looks at a server that is starting.
_START_LOOK_SECS = 0.02
#: Seconds before the server is started again after the first crash in a row; doubled after each further one.
_FIRST_BACKOFF_SECS = 0.1
#: Seconds after which a server that runs has recovered, so that its next crash counts as the first.
_HEALTHY_SECS = 30.0
#: Crashes in a row after which the keeper gives up; the next user that looks after it hears why from the log.
_MOST_CRASHES = 5

_log = logging.getLogger("fraiseql_observers.embedded.keeper")


class Keeper:
    """Runs the server of one directory until nobody has used it for a while.

    Args:
        directory: A prepared data directory.
        binary: The server to run.
        linger_secs: How long the server stays after its last user.
        socket: Where the server listens.
        lock: The keeper's lock, held.
    """

    def __init__(
        self, directory: DataDirectory, binary: Path, linger_secs: float, socket: Path, lock: FileLock
    ) -> None:
        self._directory = directory
        self._binary = binary
        self._linger_secs = linger_secs
        self._lock = lock
        self._users = FileLock(directory.users_lock)
        self._server_lock = FileLock(directory.server_lock)
        self._socket = socket
        self._server: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._crashes = 0
        self._last_used_at = time.monotonic()
        self._told_to_stop = False
        self._wakes, self._wake_end = os.pipe()

    def run(self) -> int:
        """Serve until the last user is gone for long enough, SIGTERM, or the directory's removal.

        Returns:
            0, or 1 if the server does not run.
        """
        self._listen_to_signals()
        try:
            if not self._end_orphan() or not self._start():
                return 1
            while self._goes_on():
                self._sleep(_LOOK_SECS)
                if not self._look_after_server():
                    return 1
        finally:
            if self._server is not None:
                stop_server(self._server)
        self._clear()
        return 0

    def _goes_on(self) -> bool:
        """Whether somebody needs the server, or has needed it shortly before."""
        if self._told_to_stop:
            _log.info("told to stop")
            return False
        if not self._lock.names_its_path():
            _log.warning("the data directory was removed")
            return False
        if not self._users.try_exclusive():
            self._last_used_at = time.monotonic()
        elif time.monotonic() - self._last_used_at < self._linger_secs:
            self._users.unlock()
        else:
            # The lock is kept from here to the end of the process.
            _log.info("nobody has used the server for %s s", self._linger_secs)
            return False
        return True

    def _end_orphan(self) -> bool:
        """Wait until no server uses the files; ask one that a killed keeper has left behind to end."""
        if self._server_lock.try_exclusive():
            return True
        _log.warning("a server without a keeper still runs; it is shut down")
        shut_down(self._socket)
        if self._server_lock.wait_exclusive(STOP_SECS):
            return True
        _log.error("a server without a keeper uses %s and does not end; end it by hand", self._directory.path)
        return False

    def _start(self) -> bool:
        """Start the server and wait until it takes commands, however long it reads its file."""
        try:
            self._server = start_server(self._binary, self._directory, self._socket, self._server_lock)
        except OSError as error:
            _log.error("the server cannot be run: %s", error)
            return False
        self._started_at = time.monotonic()
        while ping(self._socket) is not Answer.READY:
            if self._server.poll() is not None or not self._goes_on():
                return False
            self._sleep(_START_LOOK_SECS)
        Record(str(self._socket), os.getpid(), self._server.pid).write(self._directory)
        return True

    def _look_after_server(self) -> bool:
        """Start the server again if it is gone; False if that is in vain."""
        assert self._server is not None
        if self._server.poll() is None:
            if self._socket.exists() or not self._lock.names_its_path():
                return True
            _log.warning("somebody removed %s; the server is started again", self._socket)
            stop_server(self._server)
        else:
            _log.warning("the server ended by itself: %s", self._server.returncode)
        if time.monotonic() - self._started_at > _HEALTHY_SECS:
            self._crashes = 0
        while self._goes_on():
            self._crashes += 1
            if self._crashes > _MOST_CRASHES:
                _log.error("the server ended %s times in a row; giving up", _MOST_CRASHES)
                return False
            self._sleep(_FIRST_BACKOFF_SECS * 2 ** (self._crashes - 1))
            if self._start():
                return True
        return True

    def _clear(self) -> None:
        """Remove a short directory of ours, unless somebody who reconnects still knows it."""
        if self._socket.parent != self._directory.path and not self._told_to_stop:
            self._directory.record.unlink(missing_ok=True)
            self._socket.unlink(missing_ok=True)
            self._socket.parent.rmdir()

    def _listen_to_signals(self) -> None:
        os.set_blocking(self._wake_end, False)
        os.set_blocking(self._wakes, False)
        signal.set_wakeup_fd(self._wake_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, self._on_sigchld)
        signal.signal(signal.SIGTERM, self._on_sigterm)
        # Those of a terminal are meant for the program that runs in it.
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        # A starter may have blocked signals for a thread of its own, and the mask is inherited.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def _on_sigchld(self, *_: object) -> None:
        """Do nothing: that the signal is not ignored is what wakes `_sleep`."""

    def _on_sigterm(self, *_: object) -> None:
        self._told_to_stop = True

    def _sleep(self, secs: float) -> None:
        """Wait for a signal, at most so long."""
        if select.select([self._wakes], [], [], secs)[0]:
            os.read(self._wakes, 64)


def main(arguments: list[str]) -> int:
    """Become the keeper of a directory, or find that it has one.

    The lock is taken before the starter is left, and passes to the process that stays: when the starter sees
    this process end well, there is a keeper, and no record that leads to the server of an earlier one.
    """
    directory = DataDirectory(Path(arguments[0]))
    binary = Path(arguments[1])
    linger_secs = float(arguments[2])
    logging.basicConfig(format="%(asctime)s keeper[%(process)d] %(message)s", level=logging.INFO)
    os.umask(0o077)
    try:
        lock = FileLock(directory.keeper_lock)
        if not lock.try_exclusive():
            return 0
        socket = choose_socket(directory)
        Record(str(socket)).write(directory)
        if os.fork():
            # Only the copy goes; an orderly exit here would run what belongs to the process that stays.
            os._exit(0)
        os.setsid()
        os.chdir("/")
        return Keeper(directory, binary, linger_secs, socket, lock).run()
    except OSError as error:
        _log.error("the keeper cannot go on: %s", error)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
