"""When a process has done enough and should be replaced: `max_jobs_per_process`, `max_memory_mb`."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from fraiseql_observers.config import WorkerConfig

_STATM = Path("/proc/self/statm")


class Limits:
    """The limits of one process.

    Args:
        config: Both limits; 0 is none.
    """

    def __init__(self, config: WorkerConfig) -> None:
        self._max_jobs = config.max_jobs_per_process
        self._max_memory_mb = config.max_memory_mb

    def exceeded(self, jobs: int) -> str | None:
        """Say which limit is reached by a process that has started so many jobs, or ``None``."""
        if self._max_jobs and jobs >= self._max_jobs:
            return f"it has run {jobs} jobs, max_jobs_per_process is {self._max_jobs}"
        if self._max_memory_mb and (memory := resident_mb()) > self._max_memory_mb:
            return f"it takes {memory} MB, max_memory_mb is {self._max_memory_mb}"
        return None


def resident_mb() -> int:
    """Return the memory of this process in MB: what it holds now, or on macOS the most it ever held."""
    if _STATM.exists():
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
    # In bytes on macOS, in KiB on other systems.
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most >> (20 if sys.platform == "darwin" else 10)
