"""The server process below a keeper: how it is started, and how it ends with its keeper.

On Linux the kernel sends the server SIGTERM when its keeper dies, however it dies. macOS has no such thing:
there a server outlives a keeper that was killed with -9, serves those who are connected, and is shut down by
the next keeper. Nowhere do two servers use the same files, since the server inherits `server.lock` and no
keeper starts another one before that lock is free.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from fraiseql_observers.embedded.locks import FileLock
from fraiseql_observers.embedded.paths import DataDirectory

#: `PR_SET_PDEATHSIG` of `prctl` in Linux's <linux/prctl.h>.
_PR_SET_PDEATHSIG = 1
#: Seconds that a server gets to write its file to disk and end.
STOP_SECS = 30.0


def start_server(
    binary: Path, directory: DataDirectory, socket: Path, lock: FileLock
) -> subprocess.Popen[bytes]:
    """Start a server on the directory's append-only file, holding ``lock`` for as long as it lives.

    It says what it does where the caller says it. It has no TCP port, and evicts nothing.

    Raises:
        OSError: If the binary cannot be run.
    """
    settings = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "protected-mode": "yes",
        "dir": str(directory.path),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    arguments = [text for name, value in settings.items() for text in (f"--{name}", value)]
    return subprocess.Popen(
        [str(binary), *arguments],
        stdin=subprocess.DEVNULL,
        pass_fds=(lock.fd,),
        preexec_fn=_end_with_parent(os.getpid()) if sys.platform == "linux" else None,  # noqa: PLW1509 -- the keeper has one thread
    )


def stop_server(process: subprocess.Popen[bytes]) -> None:
    """End a server with SIGTERM, upon which it writes its file to disk; with SIGKILL if it does not obey."""
    process.terminate()
    try:
        process.wait(STOP_SECS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _end_with_parent(parent: int) -> Callable[[], None]:
    # The library is loaded before the fork: between fork and exec only plain calls are safe.
    prctl = ctypes.CDLL(None).prctl

    def ask_the_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        # If the keeper died before the request, the kernel has nothing left to tell.
        if os.getppid() != parent:
            os._exit(1)

    return ask_the_kernel
