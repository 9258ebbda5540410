"""Forgetting: whose data is meant, and what was found of it and taken away.

A job holds the event that it is about, and so perhaps personal data; what is kept beside it (attempts, errors) may
repeat some. Ids stay for a while, so that an event that is published again does not bring its data back at once; they
are derived from the event's own random id and say nothing about anybody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, Self
from uuid import UUID

from fraiseql_observers._core import erase_spooled, subject_owns

if TYPE_CHECKING:
    from pathlib import Path

    from fraiseql_observers._core import Queue

#: Walks over all jobs, at most: each but the first is for jobs that were stored or moved during the one before.
MOST_PASSES: Final = 10


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody or something whose data is to be forgotten; made by `entity`, `tenant` or `user`.

    Attributes:
        kind: ``entity``, ``tenant`` or ``user``.
        name: The entity's type, or the id of the tenant or user.
        entity_id: The id of an entity.
    """

    kind: str
    name: str
    entity_id: UUID | None = None

    @classmethod
    def entity(cls, entity_type: str, entity_id: UUID) -> Self:
        """Mean one entity: the events that are about it, not those whose data mentions it."""
        return cls("entity", entity_type, entity_id)

    @classmethod
    def tenant(cls, tenant_id: str) -> Self:
        """Mean everything of a tenant."""
        return cls("tenant", tenant_id)

    @classmethod
    def user(cls, user_id: str) -> Self:
        """Mean everything that a user did, or that somebody did for this user (``user_id`` and ``acting_for``)."""
        return cls("user", user_id)

    @property
    def parts(self) -> tuple[str, str, str | None]:
        """The subject as the core takes it."""
        return self.kind, self.name, None if self.entity_id is None else str(self.entity_id)

    def __str__(self) -> str:
        return self.name if self.entity_id is None else f"{self.name}:{self.entity_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What was found of a subject, and is gone unless it was only looked for.

    Attributes:
        subject: Whose data it was.
        dry_run: Whether nothing was changed.
        jobs: Jobs by the place in which each was: ``pending``, ``suspects``, ``scheduled``, ``parked``, ``running``,
            ``dead``; ``blanked`` counts pending entries that were no jobs, whose bytes are replaced.
        records: Records of finished jobs among those.
        spooled: Jobs in spools of this machine.
        may_have_acted: The jobs that were running: a worker has their data in its memory until it hears of it, and
            their effect may have happened.
        passes: Walks that were made.
        is_complete: Whether the last walk found nothing more. If not, jobs of the subject are being stored all the
            time: stop that, then erase again.
    """

    subject: Subject
    dry_run: bool
    jobs: Mapping[str, int]
    records: int
    spooled: int
    may_have_acted: Sequence[UUID]
    passes: int
    is_complete: bool

    @property
    def total(self) -> int:
        """All jobs and records."""
        return sum(self.jobs.values()) + self.records + self.spooled

    def to_dict(self) -> dict[str, Any]:
        """Everything by name, as JSON values."""
        return {
            "subject": {"kind": self.subject.kind, "id": str(self.subject)},
            "dry_run": self.dry_run,
            "jobs": dict(self.jobs),
            "records": self.records,
            "spooled": self.spooled,
            "may_have_acted": [str(job_id) for job_id in self.may_have_acted],
            "passes": self.passes,
            "is_complete": self.is_complete,
            "total": self.total,
        }


class Spool(Protocol):
    """A place outside the queue where jobs lie until they can be stored."""

    def erase(self, subject: Subject, *, dry_run: bool) -> int:
        """Take the jobs of a subject away, or only count them; returns how many there were."""
        ...


class DirectorySpool:
    """The spool of a producer on this machine.

    Args:
        directory: Where it is; one that is not there holds nothing.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def erase(self, subject: Subject, *, dry_run: bool) -> int:
        """Take the jobs of a subject away, or only count them; returns how many there were.

        Raises:
            OSError: If a file of the spool cannot be read or written.
        """
        if not self._directory.is_dir():
            return 0
        found = 0

        def is_to_go(job: bytes) -> bool:
            nonlocal found
            is_theirs = subject_owns(subject.parts, job)
            found += is_theirs
            return is_theirs and not dry_run

        erased = erase_spooled(self._directory, is_to_go)
        return found if dry_run else len(erased)


@dataclass
class Eraser:
    """Walks over all shards of some queues.

    Attributes:
        queue: Where the queues are.
        queue_names: Their names.
        subject: Whose data to look for.
        dry_run: Whether to change nothing.
        on_progress: Told how many jobs have been found so far.
    """

    queue: Queue
    queue_names: Sequence[str]
    subject: Subject
    dry_run: bool
    on_progress: Callable[[int], None] | None = None
    _jobs: Counter[str] = field(default_factory=Counter)
    _ids: dict[tuple[str, int], set[UUID]] = field(default_factory=dict)
    _running: list[UUID] = field(default_factory=list)

    async def run(self, spools: Sequence[Spool] = ()) -> Erasure:
        """Walk until a walk finds nothing, at most `MOST_PASSES` times; when only looking, once."""
        # The spools first: what is in them may reach the queue any time, and is met there then.
        spooled = sum(spool.erase(self.subject, dry_run=self.dry_run) for spool in spools)
        passes, is_complete = 0, False
        while not is_complete and passes < MOST_PASSES:
            passes += 1
            found = await self._walk()
            is_complete = self.dry_run or found == 0
        records = 0
        for (name, shard), ids in self._ids.items():
            records += await self.queue.forget_records(name, shard, list(ids), look_only=self.dry_run)
        return Erasure(
            subject=self.subject,
            dry_run=self.dry_run,
            jobs=dict(sorted(self._jobs.items())),
            records=records,
            spooled=spooled,
            may_have_acted=self._running,
            passes=passes,
            is_complete=is_complete,
        )

    async def _walk(self) -> int:
        found = 0
        for name in self.queue_names:
            for shard in range(self.queue.shards):
                found += await self._walk_lane(name, shard)
        return found

    async def _walk_lane(self, name: str, shard: int) -> int:
        ids = self._ids.setdefault((name, shard), set())
        count = 0
        mark: bytes | None = None
        while True:
            found, mark = await self.queue.forget(
                name, shard, self.subject.parts, look_only=self.dry_run, mark=mark
            )
            for job_id, place in found:
                # Only looked at, a job stays, and a walk may meet it twice.
                if self.dry_run and job_id in ids:
                    continue
                count += 1
                ids.add(job_id)
                self._jobs[place] += 1
                if place == "running":
                    self._running.append(job_id)
            if found and self.on_progress is not None:
                self.on_progress(self._jobs.total())
            if mark is None:
                return count
