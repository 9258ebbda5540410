"""One queue with the rules that tests of faults share: its file, its events, and looks at what it holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from fraiseql_observers import BlockingQueuedObserverExecutor, JobView, build_with_queue_sync, load_config
from fraiseql_observers._core import QueueStats
from tests.support.command import write_config
from tests.support.wait import PATIENCE_SECS, wait_until

#: Two entities, one observer each: what an event does is decided by its entity and by its data.
RULES = """
[observers.noop]
event_type = "INSERT"
entity = "Noop"
[[observers.noop.actions]]
type = "function"
handler = "HANDLERS:nothing"

[observers.act]
event_type = "INSERT"
entity = "Act"
[[observers.act.actions]]
type = "function"
handler = "HANDLERS:act"
"""

#: Events handed over in one call.
_CALL_SIZE = 1_000
#: More than any test leaves in one state.
_MOST = 1_000


def made(entity: str, label: str, **data: object) -> dict[str, Any]:
    """Make an event; `label` is the test's own name for its job."""
    return {
        "id": str(uuid4()),
        "event_type": "INSERT",
        "entity_type": entity,
        "entity_id": str(uuid4()),
        "data": {"label": label, **data},
    }


def act(label: str, do: str = "note", **data: object) -> dict[str, Any]:
    """Make an event whose handler does what `do` names, see `tests.support.handlers`."""
    return made("Act", label, do=do, **data)


class QueueUnderTest:
    """A configuration on a test's server, below its own prefix.

    Args:
        folder: Where the file goes.
        url: The server.
        prefix: The key prefix.
        worker: Lines for the file's section ``[worker]``.
        rules: More observers, or more sections.
        handlers: The module of the handlers.
        job_queue: Settings of ``[job_queue]``.
    """

    def __init__(
        self,
        folder: Path,
        url: str,
        prefix: str,
        *,
        worker: str = "",
        rules: str = "",
        handlers: str = "tests.support.handlers",
        **job_queue: int,
    ) -> None:
        self.prefix = prefix
        both = RULES.replace("HANDLERS", handlers)
        self.config = write_config(folder, url, prefix, f"[worker]\n{worker}\n{both}\n{rules}", **job_queue)
        self._executor: BlockingQueuedObserverExecutor | None = None

    @property
    def executor(self) -> BlockingQueuedObserverExecutor:
        """The enqueue side, made when it is first used."""
        if self._executor is None:
            self._executor = build_with_queue_sync(load_config(self.config))
        return self._executor

    def key(self, name: str) -> str:
        """Return a key of the queue's only shard."""
        return f"{{{self.prefix}:default:0}}:{name}"

    def publish(self, events: Sequence[dict[str, Any]]) -> list[UUID]:
        """Store the jobs of events, and return their ids in order."""
        job_ids: list[UUID] = []
        for first in range(0, len(events), _CALL_SIZE):
            for summary in self.executor.process_events(events[first : first + _CALL_SIZE]):
                assert summary.is_success
                job_ids += summary.job_ids
        return job_ids

    def stats(self) -> QueueStats:
        """Count the jobs."""
        return self.executor.queue.stats_blocking("default")[0]

    def count(self, counter: str) -> int:
        """Read one of the queue's own counters."""
        return self.stats().counters.get(counter, 0)

    def jobs(self, state: str) -> list[JobView]:
        """List the jobs in a state."""
        return self.executor.queue.list_jobs_blocking(state, ["default"], offset=0, limit=_MOST)

    def view(self, job_id: UUID) -> JobView:
        """Look at one job, which the queue must know."""
        view = self.executor.queue.find_blocking(job_id, ["default"])
        assert view is not None
        return view

    def ids(self, state: str) -> set[UUID]:
        """Say which jobs are in a state."""
        return {view.id for view in self.jobs(state)}

    def wait_until_completed(self, jobs: int, *, deadline_secs: float = PATIENCE_SECS) -> None:
        """Return when so many jobs have completed and nothing is left to do."""
        try:
            wait_until(
                lambda: self._is_settled(jobs), deadline_secs=deadline_secs, what=f"{jobs} completed jobs"
            )
        except AssertionError as error:
            raise AssertionError(f"{error}; there are {self.summary()}") from None

    def summary(self) -> str:
        """Say how many jobs are where, for messages."""
        stats = self.stats()
        return (
            f"{stats.pending} pending, {stats.scheduled} scheduled, {stats.running} running, "
            f"{stats.dead} dead, {stats.counters}"
        )

    def _is_settled(self, completed: int) -> bool:
        stats = self.stats()
        left = stats.pending + stats.running + stats.scheduled
        return stats.counters.get("completed", 0) >= completed and left == 0


def ids_of(deliveries: Iterable[str | None]) -> list[UUID]:
    """Read the webhook-ids of deliveries; each must have one."""
    return [UUID(one) for one in deliveries if one is not None]
