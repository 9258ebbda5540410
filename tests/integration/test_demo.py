"""The demonstration as a whole: it ends by itself, its sums hold, and it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.wait import wait_until

REPOSITORY = Path(__file__).resolve().parents[2]


def start_demo(folder: Path) -> subprocess.Popen[str]:
    """Start it, with everything that it makes in ``folder``."""
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "examples.demo"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
        start_new_session=True,
    )


def processes_of(folder: Path) -> list[str]:
    """List the command lines of processes that name ``folder`` or have it in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                environment = (entry / "environ").read_bytes()
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(folder) in environment + command:
                found.append(command.replace(b"\0", b" ").decode(errors="replace"))
    return found


def test_the_sums_of_the_demonstration_hold(tmp_path: Path) -> None:
    """Three thousand events, a worker killed in the middle: nothing is lost, and every check is printed."""
    process = start_demo(tmp_path)
    shown, _ = process.communicate(timeout=120)
    assert process.returncode == 0, shown
    assert "FAILS" not in shown
    assert shown.count("  holds  ") == 10
    for part in ("killed in mid-work", "lost               0", "Where to look next"):
        assert part in shown
    assert processes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", ["worker 1 starts", "worker 2 starts"])
def test_ctrl_c_ends_it_and_leaves_nothing_behind(line: str, tmp_path: Path) -> None:
    """No process and no file stays, and the exit code is that of an interrupted program."""
    process = start_demo(tmp_path)
    assert process.stdout is not None
    shown = ""
    while line not in shown:
        read = process.stdout.readline()
        assert read, shown
        shown += read
    wait_until(lambda: len(processes_of(tmp_path)) > 3, what="the processes of the demonstration")
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130, shown + rest
    assert "Interrupted" in rest
    assert processes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
