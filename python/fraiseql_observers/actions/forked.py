"""What becomes of a process that a handler has forked and that comes back from the handler: it ends there."""

from __future__ import annotations

import logging
import os

logger = logging.getLogger(__name__)

__all__ = ["end_if_forked"]


def end_if_forked(pid: int, error: BaseException | None = None) -> None:
    """Return in the process `pid`, and end any other one as a program of its own would end.

    The copy of a worker shares its event queue and holds what it has leased: it would run those jobs a second time,
    and take the sockets of the worker out of the queue, which would then hear nothing more.

    Args:
        pid: Of the process that called the handler.
        error: How the handler has ended, if not by returning.
    """
    if os.getpid() == pid:
        return
    code = 0 if error is None else 1
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is None:
        logger.warning("a process that a handler has forked came back from the handler, and is ended")
    else:
        logger.error(
            "a process that a handler has forked is ended: %s came out of the handler", type(error).__name__
        )
    os._exit(code & 0xFF)
