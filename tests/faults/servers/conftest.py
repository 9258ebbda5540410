"""Servers that tests break, and disks that they fill."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import ServerProcess

_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made below it


@pytest.fixture
def quick_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a folder in memory, where there is such a thing: a flush there takes no time."""
    if not _MEMORY.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=_MEMORY, prefix="obs-") as folder:
        yield Path(folder)


@pytest.fixture
def everysec(server_binary: Path, quick_disk: Path) -> Iterator[ServerProcess]:
    """Run a server that flushes each second, on a disk that is never slow.

    On a slow one a server holds back, for up to two seconds, what it has answered while a flush is under way, and
    SIGKILL takes that with it: then it has lost what it had promised.
    """
    with ServerProcess(server_binary, appendfsync="everysec", disk=quick_disk) as process:
        yield process
