"""From a configuration file to an open queue, for the length of one command."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from fraiseql_observers._core import RedisQueue
from fraiseql_observers.assembly import connect
from fraiseql_observers.cli.options import chosen_config
from fraiseql_observers.config import Config, load_config

T = TypeVar("T")


def with_queue(config_file: Path, act: Callable[[RedisQueue, Config], Awaitable[T]]) -> T:
    """Connect to the queue that a file names, do one thing with it, and leave it.

    Raises:
        ConfigError: If the file is not valid.
        QueueUnavailable: If the server cannot be reached.
        QueueRefused: If the server refuses the login.
        ServerUnsuitable: If the server must not hold jobs.
    """
    config = load_config(chosen_config(config_file))
    queue, close = connect(config)

    async def session() -> T:
        return await act(queue, config)

    try:
        return asyncio.run(session())
    finally:
        close()
