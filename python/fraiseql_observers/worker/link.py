"""A child's ends of the two pipes to its supervisor."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

from fraiseql_observers.worker.pipes import LineReader, Order, ReportKind, encode_report


class SupervisorLink:
    """Hears orders and sends reports, on the running event loop, without ever blocking it.

    Args:
        control_fd: Where orders come from.
        status_fd: Where reports go to.
    """

    def __init__(self, control_fd: int, status_fd: int) -> None:
        for fd in (control_fd, status_fd):
            # Programs that a handler starts must not keep our pipes open.
            os.set_inheritable(fd, False)
            os.set_blocking(fd, False)
        self._control_fd = control_fd
        self._status_fd = status_fd
        self._reader = LineReader(control_fd)
        self._unsent = bytearray()
        self._on_order: Callable[[Order, str], None] | None = None

    def listen(self, on_order: Callable[[Order, str], None]) -> None:
        """Call this with each order and its argument from now on; the end of the pipe is an order to stop."""
        self._on_order = on_order
        asyncio.get_running_loop().add_reader(self._control_fd, self._read)

    def report(self, kind: ReportKind, **values: Any) -> None:  # noqa: ANN401 - what JSON can hold
        """Send a report, now or as soon as the supervisor reads again."""
        self._unsent += encode_report(kind, values)
        self.flush()

    def pulse(self, **values: Any) -> None:  # noqa: ANN401 - what JSON can hold
        """Send the pulse, unless earlier reports still wait: the next one says all that this one would."""
        self.flush()
        if not self._unsent:
            self.report(ReportKind.PULSE, **values)

    def flush(self) -> None:
        """Send what waits, as far as the supervisor reads."""
        while self._unsent:
            try:
                sent = os.write(self._status_fd, self._unsent)
            except BlockingIOError:
                return
            except BrokenPipeError:  # The supervisor is gone; the end of the other pipe tells us to stop.
                self._unsent.clear()
                return
            del self._unsent[:sent]

    def _read(self) -> None:
        assert self._on_order is not None, "nothing is read before `listen`"
        lines, is_open = self._reader.read()
        for line in lines:
            word, _, argument = line.decode().partition(" ")
            self._on_order(Order(word), argument)
        if not is_open:
            asyncio.get_running_loop().remove_reader(self._control_fd)
            self._on_order(Order.STOP, "")
