"""``fraiseql-observers status``: how the queue is."""

from __future__ import annotations

from dataclasses import fields

from fraiseql_observers.cli.options import DEFAULT_CONFIG, AsJson, ConfigFile
from fraiseql_observers.cli.output import Output
from fraiseql_observers.cli.session import with_queue
from fraiseql_observers.inspector import Inspector, JobCounts

PLACES = tuple(field.name for field in fields(JobCounts))
WORKER_COLUMNS = ("host", "pid", "slots", "version", "lease until")


def status(config: ConfigFile = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Show the server, where the jobs are, the workers, and what has happened so far.

    Example: fraiseql-observers status --json
    """
    output = Output()
    found = with_queue(config, lambda queue, names: Inspector(queue, names).status())
    if as_json:
        output.json(found.to_dict())
        return
    server = found.server
    output.pairs([("server", f"{server.product} {server.version}, durability {server.durability}")])
    output.table(
        ("queue", *PLACES),
        [(name, *(getattr(counts, place) for place in PLACES)) for name, counts in found.queues.items()],
        title="Jobs",
    )
    output.table(
        WORKER_COLUMNS,
        [(w.host, w.pid, w.concurrency, w.version, w.lease_until) for w in found.workers],
        title="Workers",
    )
    if not found.workers:
        output.warning("no worker is there: jobs wait until one starts")
    output.pairs(list(found.counters.items()), title="Since these queues began")
