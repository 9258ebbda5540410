"""What a queue of several shards comes to: its sums, and which confirmed jobs have not run."""

from __future__ import annotations

from uuid import UUID

from fraiseql_observers import assembly
from fraiseql_observers.config import load_config
from fraiseql_observers.errors import QueueError
from tests.support.load import Load
from tests.support.site import Site
from tests.support.wait import PATIENCE_SECS, wait_until


def with_shards(site: Site, shards: int, handlers: tuple[str, ...] = ("quick",)) -> Site:
    """Spread the site's queue over so many shards, with a short lease."""
    site.settings = site.settings.replace(
        "[storage]\n", f"[worker]\nlease_duration_secs = 5\n[storage]\nshards = {shards}\n", 1
    )
    site.write(handlers)
    return site


def shard_of(job: UUID, shards: int) -> int:
    """Return where a job is, as the core says."""
    high, low = job.int >> 64, job.int & (1 << 64) - 1
    return ((high ^ low) * 0x9E3779B97F4A7C15 % (1 << 64) >> 32) % shards


def unfinished(site: Site) -> int:
    """Count the jobs of all shards that have not ended; one more where a shard does not answer."""
    queue, close = assembly.connect(load_config(site.path))
    try:
        stats = queue.stats_blocking("default")
    except QueueError:
        return 1
    finally:
        close()
    return sum(one.pending + one.scheduled + one.running for one in stats)


def not_run(site: Site, load: Load, *, deadline_secs: float = PATIENCE_SECS) -> list[float]:
    """Wait until nothing is left to run; return when the jobs were confirmed that have not run."""
    wait_until(lambda: unfinished(site) == 0, deadline_secs=deadline_secs, what="an empty queue")
    ran = site.runs()
    return sorted(at for job, at in load.confirmed.items() if str(job) not in ran)
