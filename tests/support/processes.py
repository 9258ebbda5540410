"""Looking at processes by their id."""

from __future__ import annotations

import os
import subprocess


def is_alive(pid: int) -> bool:
    """Whether a process runs. One that has ended and that nobody has collected does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return bool(state.strip()) and not state.startswith("Z")
