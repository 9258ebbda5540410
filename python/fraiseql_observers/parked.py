"""Parked jobs of a queue whose workers are of one's own: a worker process looks after its parked jobs by itself."""

from __future__ import annotations

from typing import Final

import orjson

from fraiseql_observers._core import Found, Job, Lane
from fraiseql_observers.errors import CorruptJob, QueueError

__all__ = ["NEWER", "ParkedJobs"]

#: How the reason begins for which a job of a newer version is parked, here and by a worker process.
NEWER: Final = "newer worker needed"
#: Parked jobs looked at in one pass, one after the other.
_PAGE: Final = 20
#: Why a job is a dead letter that nobody could run.
_EXPIRED: Final = orjson.dumps({"reason": "expired", "error": "no worker could run it in time"})


class ParkedJobs:
    """The parked jobs of one shard, page by page."""

    def __init__(self, lane: Lane) -> None:
        """Begin with the first page."""
        self._lane = lane
        self._offset = 0

    async def tend(self) -> None:
        """Wake the jobs of the next page that are readable by now, and bury those that nobody could run in time.

        Jobs that wait for a rule stay, since only a worker process knows the rules.
        """
        page = [member for member, _ in await self._lane.list("parked", self._offset, _PAGE)]
        readable = [member for member in page if _is_readable(await self._lane.find(member[:16]))]
        stay = [member for member in page if member not in readable]
        if readable:
            await self._lane.unpark(readable)
        # The queue knows, by its own clock, whose time is up.
        buried = sum(await self._lane.unpark(stay, _EXPIRED)) if stay else 0
        self._offset = self._offset + len(stay) - buried if len(page) == _PAGE else 0


def _is_readable(found: Found) -> bool:
    """Whether a job was parked since it could not be read, and can be now; a turn buries one that is damaged."""
    if found.place != "parked" or found.bytes is None or not _waits_for_newer(found.failure):
        return False
    try:
        Job.from_json(found.bytes)
    except CorruptJob:
        return True
    except QueueError:
        return False
    return True


def _waits_for_newer(failure: bytes | None) -> bool:
    try:
        kept = orjson.loads(failure or b"")
    except orjson.JSONDecodeError:
        return False
    return isinstance(kept, dict) and str(kept.get("reason")).startswith(NEWER)
