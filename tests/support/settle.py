"""Letting an event loop come to rest before it ends."""

from __future__ import annotations

import asyncio
from typing import Final

#: Rounds of the loop in which a connection that was accepted gets its task, and one that was closed lets go.
_ROUNDS: Final = 10


async def settle() -> None:
    """Let what has been accepted begin, and what has been closed end.

    A task that is cancelled before its first step closes no connection, and a connection is closed one round after
    it was told to; either would be left to the collector, which warns in the middle of another test.
    """
    for _ in range(_ROUNDS):
        await asyncio.sleep(0)
