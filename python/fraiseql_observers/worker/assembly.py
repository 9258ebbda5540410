"""What a configuration file becomes in a child: its actions, its queue."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fraiseql_observers import assembly, redaction
from fraiseql_observers.actions.registry import build_actions
from fraiseql_observers.config import Config, load_config
from fraiseql_observers.durability import require_durability
from fraiseql_observers.inspector import queue_names
from fraiseql_observers.worker.known_secrets import known_secrets
from fraiseql_observers.worker.rules import ConfiguredRules

if TYPE_CHECKING:
    from fraiseql_observers._core import RedisQueue, ServerFacts


class Assembly:
    """Everything that is made from one file. The observers may be read again; the rest stays.

    Args:
        path: The configuration file.

    Raises:
        ConfigError: With every mistake in it.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self.config, self.rules = self._read()
        self._connection: assembly.Connection | None = None

    @property
    def queue(self) -> RedisQueue:
        """The queue, after `open_queue`."""
        assert self._connection is not None, "the queue is opened first"
        return self._connection.queue

    async def open_queue(self, *, is_first: bool) -> ServerFacts:
        """Connect, and return what the server is and proves; an embedded server is started.

        Args:
            is_first: Whether this is the worker's first child. Replicas that are away later keep no other from work:
                what is stored becomes no safer by waiting for them.

        Raises:
            ConfigError: If an embedded server cannot be started.
            QueueError: If the server cannot be reached, refuses us, or must not hold jobs.
        """
        if self._connection is None:
            # In a thread, since the start of an embedded server blocks.
            self._connection = await asyncio.to_thread(assembly.open_connection, self.config)
        facts = None
        for name in self.config.worker.queues:
            facts = await self.queue.open(name)
        assert facts is not None, "a worker has a queue, and its queue a server"
        level = self.config.storage.durability
        if is_first or not level.startswith("replica:"):
            require_durability(level, facts)
        return facts

    async def revive_server(self) -> None:
        """Start an embedded server again that has died; somebody has to, and a worker needs it.

        Raises:
            ConfigError: If its directory is gone.
            QueueUnavailable: If it does not start.
        """
        if self._connection is not None:
            await asyncio.to_thread(self._connection.ensure)

    async def read_gauges(self) -> dict[str, int]:
        """Ask the queue how many jobs are pending, how many are dead letters, and how many of these have left.

        All queues count that the configuration knows, so that every worker shows the same.

        Raises:
            QueueError: If it does not answer.
        """
        answers = await asyncio.gather(*(self.queue.stats(name) for name in self._queue_names))
        shards = [shard for answer in answers for shard in answer]
        return {
            "pending": sum(s.pending for s in shards),
            "dead": sum(s.dead for s in shards),
            "trimmed": sum(s.counters.get("trimmed", 0) for s in shards),
        }

    def reload(self) -> ConfiguredRules:
        """Read the observers again and return them; the caller puts them to use.

        Raises:
            ConfigError: With every mistake in the file.
        """
        return self._read()[1]

    def close(self) -> None:
        """Leave an embedded server to its other users."""
        if self._connection is not None:
            self._connection.close()

    def _read(self) -> tuple[Config, ConfiguredRules]:
        config = load_config(self._path)
        rules = ConfiguredRules(config, build_actions(config))
        redaction.hide(known_secrets(config))
        self._queue_names = queue_names(config)
        return config, rules
