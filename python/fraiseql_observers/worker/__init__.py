"""The worker: a supervisor, its child processes, and in each of them a runner that dispatches jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fraiseql_observers.worker.job_executor import JobExecutor

__all__ = ["JobExecutor"]


def __getattr__(name: str) -> object:
    """Import the executor when it is first used: the supervisor lives in this package and must stay small."""
    if name != "JobExecutor":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fraiseql_observers.worker.job_executor import JobExecutor

    return JobExecutor
