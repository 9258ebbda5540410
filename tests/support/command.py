"""Running the operator command: in this process where only its answer matters, else in one of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from fraiseql_observers.cli.app import run

#: Seconds that a command gets; they need two at most, and a loaded machine is slow.
DEADLINE_SECS = 60.0

COMMAND = (sys.executable, "-m", "fraiseql_observers")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What it printed with ``--json``: exactly one line."""
        (line,) = self.out.splitlines()
        return orjson.loads(line)


def run_here(arguments: Sequence[str]) -> Ended:
    """Run the command to its end in this process, with pipes as its output; a tenth of the time of a process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(arguments)
    return Ended(int(code), out.getvalue(), err.getvalue())


def run_command(
    arguments: Sequence[str], *, stdin: bytes = b"", environment: Mapping[str, str] | None = None
) -> Ended:
    """Run the command to its end in a process of its own."""
    ended = subprocess.run(
        [*COMMAND, *arguments],
        input=stdin,
        capture_output=True,
        env={**os.environ, **(environment or {})},
        timeout=DEADLINE_SECS,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


def start_command(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start the command in a process group of its own, with pipes to all its streams."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def ended(process: subprocess.Popen[bytes]) -> Ended:
    """Wait for the end of a command that was started; its standard input is closed."""
    out, err = process.communicate(timeout=DEADLINE_SECS)
    return Ended(process.returncode, out.decode(), err.decode())


def write_config(folder: Path, url: str, prefix: str, rules: str = "", **job_queue: int) -> str:
    """Write a configuration for one server and prefix, and return its path."""
    settings = "".join(f"{name} = {value}\n" for name, value in job_queue.items())
    path = folder / "observers.toml"
    path.write_text(
        f'[job_queue]\nurl = "{url}"\n{settings}[storage]\nkey_prefix = "{prefix}"\n'
        f"[metrics]\nport = 0\n{rules}"
    )
    return str(path)
