"""``fraiseql-observers status``: how the queue is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fraiseql_observers.cli.options import DEFAULT_CONFIG, AsJson, ConfigFile
from fraiseql_observers.cli.output import Output, instant
from fraiseql_observers.cli.session import with_queue
from fraiseql_observers.config import Config
from fraiseql_observers.inspector import Inspector, Status
from fraiseql_observers.queue import RedisJobQueue

WORKER_COLUMNS = ("host", "pid", "started", "slots", "version")


def status(config: ConfigFile = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Show the server, how many jobs are where, the workers, and what has happened so far.

    Example: fraiseql-observers status --json
    """
    output = Output()

    async def look(queue: RedisJobQueue, config: Config) -> Status:
        return await Inspector(queue).status(config)

    answer = with_queue(config, look)
    if as_json:
        output.json(answer.to_dict())
        return
