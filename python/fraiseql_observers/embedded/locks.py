"""Locks on files that the kernel releases when their holder dies, however it dies.

`flock` belongs to an open file, not to a process: a child made by `fork` shares its parent's lock, and the
lock ends when the last of them closes the file or dies. An explicit unlock would end it for all of them, so a
lock that may be shared is only ever closed.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

#: Seconds between two tries for a lock that is held for moments only.
_RETRY_SECS = 0.01


class FileLock:
    """A file that can be locked by one (exclusive) or by many (shared).

    The file is held by its bare descriptor: an object that is dropped without `close` keeps its lock until
    the process ends, since somebody may still use what the lock stands for.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._file = _identity(os.fstat(self.fd))

    def try_exclusive(self) -> bool:
        """Lock out everybody else, unless somebody holds the lock."""
        return self._try(fcntl.LOCK_EX)

    def try_shared(self) -> bool:
        """Lock beside others, unless somebody holds it exclusively."""
        return self._try(fcntl.LOCK_SH)

    def wait_exclusive(self, deadline_secs: float) -> bool:
        """Lock out everybody else as soon as nobody holds the lock; False if the deadline passes first."""
        return self._wait(fcntl.LOCK_EX, deadline_secs)

    def wait_shared(self, deadline_secs: float) -> bool:
        """Lock beside others as soon as nobody holds it exclusively; False if the deadline passes first."""
        return self._wait(fcntl.LOCK_SH, deadline_secs)

    def unlock(self) -> None:
        """Give the lock back and keep the file open. Only for locks that no child shares."""
        fcntl.flock(self.fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file; the lock ends when every process that shares it has done so."""
        # A daemon may have closed all descriptors, and ours may since be that of another file.
        if self._is_open():
            os.close(self.fd)

    def names_its_path(self) -> bool:
        """Whether the file is still open and still the one at its path.

        It is not after the directory was removed, or after a daemon has closed all descriptors.
        """
        try:
            return self._is_open() and _identity(self._path.stat()) == self._file
        except OSError:
            return False

    def _is_open(self) -> bool:
        try:
            return _identity(os.fstat(self.fd)) == self._file
        except OSError:
            return False

    def _try(self, kind: int) -> bool:
        try:
            fcntl.flock(self.fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _wait(self, kind: int, deadline_secs: float) -> bool:
        # A blocking flock has no timeout, so it is tried again and again.
        end = time.monotonic() + deadline_secs
        while not self._try(kind):
            if time.monotonic() >= end:
                return False
            time.sleep(_RETRY_SECS)
        return True


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def is_held(path: Path) -> bool:
    """Whether some process holds the lock of ``path`` exclusively."""
    probe = FileLock(path)
    try:
        # Shared, so that two who look at the same time do not take each other for the holder.
        return not probe.try_shared()
    finally:
        probe.close()
