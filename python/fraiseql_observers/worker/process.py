"""One child process as its supervisor sees it: how it starts, what it says, how it is told to end."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Final

from fraiseql_observers.worker.pipes import LineReader, Order

#: Signals that a terminal or a service manager sends to the whole group. A child obeys its pipe instead.
GROUP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ChildProcess:
    """A running child, with the supervisor's ends of its two pipes.

    Args:
        command: The program and its arguments; the numbers of the pipes are added to them.
        name: How log lines call this child.
    """

    def __init__(self, command: Sequence[str], name: str) -> None:
        self.name = name
        control_read, self._control = os.pipe()
        self.status_fd, status_write = os.pipe()
        try:
            with _group_signals_blocked():
                self._process = subprocess.Popen(
                    [*command, "--control-fd", str(control_read), "--status-fd", str(status_write)],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(control_read, status_write),
                )
        except BaseException:
            os.close(self._control)
            os.close(self.status_fd)
            raise
        finally:
            os.close(control_read)
            os.close(status_write)
        # A child that is frozen must not freeze the supervisor with a pipe that is full.
        os.set_blocking(self._control, False)
        os.set_blocking(self.status_fd, False)
        self._reader = LineReader(self.status_fd)
        self._control_open = True

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """Say with what the child has ended (a signal as its negative number), or ``None`` while it lives."""
        return self._process.poll()

    def read_lines(self) -> tuple[list[bytes], bool]:
        """Read what the child has said since the last call, see `pipes.decode_report`.

        Returns:
            Its lines in order, and whether more may come.

        Raises:
            ValueError: If a line has no end.
        """
        return self._reader.read()

    def send(self, order: Order, argument: int | None = None) -> bool:
        """Give an order; ``False`` if the child is gone or has stopped reading.

        A graceful stop always arrives: where the pipe is full, its end of file says the same.
        """
        if not self._control_open:
            return False
        line = f"{order}\n" if argument is None else f"{order} {argument}\n"
        try:
            os.write(self._control, line.encode())
        except (BrokenPipeError, BlockingIOError):
            if order is Order.STOP:
                self._close_control()
            return False
        return True

    def kill(self) -> None:
        """End the process with SIGKILL; it is gone when `exit_code` says so."""
        self._process.kill()

    def close(self) -> None:
        """Close the pipes, which tells a child that still lives to stop."""
        self._close_control()
        os.close(self.status_fd)

    def _close_control(self) -> None:
        if self._control_open:
            self._control_open = False
            os.close(self._control)


@contextmanager
def _group_signals_blocked() -> Generator[None]:
    """Let a child start with the group's signals blocked, since it inherits the mask.

    Otherwise a Ctrl-C in the moment before the child has installed its handlers would end it with a trace.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, GROUP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
