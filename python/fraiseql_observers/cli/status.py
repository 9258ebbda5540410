"""``fraiseql-observers status``: how the queue is."""

from __future__ import annotations

from collections.abc import Iterator

from fraiseql_observers.cli.options import DEFAULT_CONFIG, AsJson, ConfigFile
from fraiseql_observers.cli.output import Output
from fraiseql_observers.cli.session import with_queue
from fraiseql_observers.inspector import Inspector, QueueStatus

WORKER_COLUMNS = ("host", "pid", "slots", "version", "lease until")


def status(config: ConfigFile = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Show the server, where the jobs are, the workers, and what has happened so far.

    Example: fraiseql-observers status --json
    """
    output = Output()
    found = with_queue(config, lambda queue, _: Inspector(queue).status())
    if as_json:
        output.json(found.to_dict())
        return
    output.pairs(list(_lines(found)))
    output.table(
        WORKER_COLUMNS,
        [(w.host, w.pid, w.concurrency, w.version, w.lease_until) for w in found.workers],
        title="Workers",
    )
    if not found.workers:
        output.warning("no worker is there: jobs wait until one starts")
    output.pairs(list(found.counters.items()), title="Since this queue began")


def _lines(found: QueueStatus) -> Iterator[tuple[str, object]]:
    yield "server", f"{found.product} {found.version}, durability {found.durability}"
    yield "pending", found.pending
    yield "scheduled", found.scheduled
    yield "running", found.running
    yield "parked", found.parked
    yield "suspects", found.suspects
    yield "dead letters", found.dead
