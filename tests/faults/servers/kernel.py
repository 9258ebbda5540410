"""Disks that can be filled, grown and cut off from power, and libraries that lie to a server; all of it on Linux.

What a machine does not allow skips the test with the reason, which does not count as passed.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

#: EXT4_IOC_SHUTDOWN, which is _IOR('X', 125, __u32), and its flag that throws away what is not in the journal yet.
_SHUTDOWN: Final = 0x8004587D
_NO_LOG_FLUSH: Final = 2
#: The smallest image that mkfs.ext4 gives a journal by itself, with room to spare.
_IMAGE_MEGABYTES: Final = 128


def require_root(*programs: str) -> None:
    """Skip the test where it may not mount, or where a program is missing."""
    if sys.platform != "linux":
        pytest.skip("needs Linux")
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount")
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"needs {' and '.join(missing)}")


def _run(*command: str) -> None:
    """Run a program to its end; a machine that does not allow it skips the test with what it said."""
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    if ended.returncode != 0:
        pytest.skip(f"{command[0]} is not allowed here: {ended.stderr.strip()}")


class SmallDisk:
    """A file system in memory, of a size that can be changed.

    Args:
        folder: Where it is mounted; it must exist and be empty.
        megabytes: Its size.
    """

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder
        _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder))

    def grow(self, megabytes: int) -> None:
        """Change its size."""
        _run("mount", "-o", f"remount,size={megabytes}m", str(self.folder))


@contextmanager
def small_disk(folder: Path, *, megabytes: int) -> Generator[SmallDisk]:
    """Mount a small disk for as long as the block lasts."""
    require_root("mount", "umount")
    folder.mkdir()
    disk = SmallDisk(folder, megabytes)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False, timeout=30)


class PoweredDisk:
    """A file system on an image, whose power can be cut.

    Args:
        image: The file to make.
        folder: Where it is mounted; it must exist and be empty.
    """

    def __init__(self, image: Path, folder: Path) -> None:
        self._image, self.folder = image, folder
        with image.open("wb") as file:
            file.truncate(_IMAGE_MEGABYTES << 20)
        _run("mkfs.ext4", "-q", "-F", str(image))
        self.mount()

    def mount(self) -> None:
        """Mount it, with what its journal says."""
        _run("mount", "-o", "loop", str(self._image), str(self.folder))

    def unmount(self) -> None:
        """Unmount it."""
        subprocess.run(["umount", str(self.folder)], check=True, timeout=30, capture_output=True)

    def cut_power(self) -> None:
        """Let nothing reach the image any more that has not reached it already."""
        # Not on every system.
        import fcntl

        folder = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(folder)


@contextmanager
def powered_disk(folder: Path) -> Generator[PoweredDisk]:
    """Make and mount a disk for as long as the block lasts."""
    require_root("mount", "umount", "mkfs.ext4")
    place = folder / "disk"
    place.mkdir()
    disk = PoweredDisk(folder / "image", place)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False, timeout=30)


def shim(folder: Path, source: str) -> Path:
    """Compile a library for ``LD_PRELOAD`` and return its path."""
    if sys.platform != "linux":
        pytest.skip("needs Linux")
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    path = folder / "shim.so"
    subprocess.run(
        [compiler, "-x", "c", "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-o", str(path), "-", "-ldl"],
        input=source.encode(),
        check=True,
        timeout=60,
    )
    return path
