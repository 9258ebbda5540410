"""The handlers of the rig: those that all tests of faults share, with the lease in each line that they write.

An action is not told its lease, so the program around it is made to tell; nothing else of it is changed.
"""

from __future__ import annotations

from fraiseql_observers._core import LeasedJob
from fraiseql_observers.worker.contract import Rule
from fraiseql_observers.worker.dispatch import Dispatcher
from tests.support.handlers import act, die_once, nothing
from tests.support.runs import LEASE

__all__ = ["act", "nothing"]

_run = Dispatcher._run


async def _run_and_tell(self: Dispatcher, key: bytes, job: LeasedJob, rule: Rule) -> None:
    LEASE.set(key.hex())
    die_once("claim", job.event.data)
    await _run(self, key, job, rule)


Dispatcher._run = _run_and_tell  # type: ignore[method-assign]
