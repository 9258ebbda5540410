"""From a configuration file to an open queue, for the length of one command."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from fraiseql_observers._core import RedisQueue
from fraiseql_observers.assembly import connect
from fraiseql_observers.cli.options import chosen_config
from fraiseql_observers.config import load_config
from fraiseql_observers.durability import require_durability
from fraiseql_observers.inspector import queue_names

T = TypeVar("T")


def with_queue(config_file: Path, act: Callable[[RedisQueue, Sequence[str]], Awaitable[T]]) -> T:
    """Connect to the queue that a file names, do one thing with it, and leave it.

    Args:
        config_file: The file.
        act: What to do with the queue, and the names of its parts.

    Raises:
        ConfigError: If the file is not valid.
        QueueUnavailable: If the server cannot be reached.
        QueueRefused: If the server refuses the login.
        ServerUnsuitable: If the server must not hold jobs, or keeps less than the file asks for.
    """
    config = load_config(chosen_config(config_file))
    queue, close = connect(config)

    async def session() -> T:
        names = queue_names(config)
        for name in names:
            require_durability(config.storage.durability, await queue.open(name))
        return await act(queue, names)

    try:
        return asyncio.run(session())
    finally:
        close()
