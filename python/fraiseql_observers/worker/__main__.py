"""``python -m fraiseql_observers.worker --config FILE``: run a worker."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Final

from fraiseql_observers import logs
from fraiseql_observers.worker.standard_error import outlive_reader
from fraiseql_observers.worker.supervisor import Supervisor

#: As `[worker] processes` allows; the supervisor does not import the model that declares it.
MAX_PROCESSES: Final = 64


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a worker until it is told to stop.

    Args:
        arguments: The command line without the program, where it is not that of this process.

    Returns:
        The exit code: 0 stopped, 1 some work was given back, 2 usage or configuration or an unfit server, 3
        the queue cannot be reached.
    """
    _open_closed_streams()
    options = _parser().parse_args(arguments)
    outlive_reader()
    logs.setup("info", "auto")
    command = [sys.executable, "-m", "fraiseql_observers.worker.child", "--config", options.config]
    return Supervisor(command, processes=options.processes).run()


def _open_closed_streams() -> None:
    """Let the standard streams that we were started without lead nowhere.

    Python has ``None`` for them, which no log line can be written to; and a pipe or socket of ours would get their
    numbers, into which every program that writes errors to number 2 then writes.
    """
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(fd)
        except OSError:
            # It gets the lowest number that is free, which is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(fd, "w" if fd else "r", encoding="utf-8", closefd=False))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fraiseql_observers.worker",
        description="Run the jobs of the observers in a file.",
        epilog="SIGINT or SIGTERM finishes what runs, a second one releases it; SIGHUP reloads observers.",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        default=os.environ.get("FRAISEQL_OBSERVERS_CONFIG", "observers.toml"),
        help="default: $FRAISEQL_OBSERVERS_CONFIG, else observers.toml here",
    )
    parser.add_argument(
        "--processes", metavar="N", type=_processes, help=f"1-{MAX_PROCESSES}; default: [worker] processes"
    )
    return parser


def _processes(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= MAX_PROCESSES:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MAX_PROCESSES}")
    return number


if __name__ == "__main__":
    sys.exit(main())
