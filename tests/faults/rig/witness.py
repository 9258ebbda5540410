"""Holds what producers were told, what handlers wrote down and what the queue holds against each other.

Nothing here asks the package: the witnesses are the history, the handlers' notes, and the keys, read with redis-py.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from redis import Redis

from tests.faults.rig.history import Enqueue, Fault, Told
from tests.support.audit import Audit
from tests.support.runs import Note
from tests.support.total_queue import Verdict, check

#: Seconds by which a job may seem to start early: the server counts in whole milliseconds, and handlers write down the
#: time a moment before they fail.
_CLOCK_SECS: Final = 0.005


@dataclass(frozen=True)
class Evidence:
    """Everything that is known of a run that has ended.

    Attributes:
        enqueues: What producers were told.
        faults: What was done to the system.
        notes: What handlers wrote down.
        audit: What the queue holds at the end.
        records: Of finished jobs, as the queue keeps them, by outcome and job.
        doomed: The jobs that are to become dead letters, since their handlers fail each time or end their process.
        retry_secs: The least time between two attempts that the handler of a job asks for.
        most_starts: How often one job may start.
        told: What logs, pages and keys say, by where it is said.
        canaries: What none of them may say.
    """

    enqueues: Sequence[Enqueue]
    faults: Sequence[Fault]
    notes: Sequence[Note]
    audit: Audit
    records: Counter[tuple[str, UUID]]
    doomed: frozenset[UUID] = frozenset()
    retry_secs: Mapping[UUID, float] = field(default_factory=dict)
    most_starts: int = 1
    told: Mapping[str, str] = field(default_factory=dict)
    canaries: Sequence[str] = ()


@dataclass(frozen=True)
class Finding:
    """What became of a run.

    Attributes:
        verdict: Of the total queue.
        bound: The most repeats that the faults of this run explain.
        broken: Every promise that was not kept, with the number of its invariant.
    """

    verdict: Verdict[UUID]
    bound: int
    broken: list[str]

    @property
    def lost(self) -> int:
        """Jobs whose enqueue was confirmed, and that have neither completed a run nor become dead letters."""
        return len(self.verdict.lost)

    @property
    def duplicated(self) -> int:
        """Completed runs beyond the first of their job."""
        return self.verdict.repeats


def judge(evidence: Evidence) -> Finding:
    """Compare the witnesses."""
    dead = {UUID(bytes=member[:16]) for member in evidence.audit.dead}
    ends = [UUID(note.job) for note in evidence.notes if note.what == "end"]
    acked = _jobs(evidence.enqueues, Told.ACKED)
    # What the queue has only ever refused for good must not run: it has said that nothing was stored.
    possible = acked | _jobs(evidence.enqueues, Told.UNKNOWN) | _unanswered(evidence.enqueues)
    verdict = check(possible, acked, [*ends, *(dead - set(ends))])
    bound = sum(fault.in_flight for fault in evidence.faults)
    broken = [
        *(f"I1: {job} was accepted and is lost" for job in sorted(verdict.lost)),
        *(f"I1: {job} has run, and nobody has enqueued it" for job in sorted(verdict.unexpected)),
        *(f"I1: {job} is a dead letter for no fault of its own" for job in sorted(dead - evidence.doomed)),
        *(f"I2, I3: {problem}" for problem in evidence.audit.problems()),
        *_lasting(evidence),
        *_counts(evidence),
        *_repeats(evidence, verdict, bound),
        *_acks(evidence, ends),
        *_early(evidence),
        *(
            f"I9: {canary} stands in {where}"
            for where, text in evidence.told.items()
            for canary in evidence.canaries
            if canary in text
        ),
    ]
    return Finding(verdict, bound, broken)


def finished_records(client: Redis, tag: str) -> Counter[tuple[str, UUID]]:
    """Count the records of finished jobs by outcome and job; the queue must be told to keep them all."""
    records: Counter[tuple[str, UUID]] = Counter()
    # redis-py types what a stream holds for more cases than there are here.
    entries: Any = client.xrange(f"{tag}:recent")
    for _, fields in entries:
        for line in fields[b"r"].split(b"\n"):
            record = json.loads(line)
            records[record["outcome"], UUID(record["id"])] += 1
    return records


def _jobs(enqueues: Sequence[Enqueue], told: Told) -> set[UUID]:
    return {job for line in enqueues if line.told is told for job in line.jobs}


def _unanswered(enqueues: Sequence[Enqueue]) -> set[UUID]:
    """The jobs whose producer was ended before it heard anything."""
    asked: Counter[UUID] = Counter()
    for line in enqueues:
        asked.update(dict.fromkeys(line.jobs, 1 if line.told is Told.ASKED else -1))
    return {job for job, open_calls in asked.items() if open_calls > 0}


def _lasting(evidence: Evidence) -> Iterator[str]:
    """Nothing is left to do."""
    audit = evidence.audit
    left = {
        "pending": sum(map(len, audit.pending.values())) - audit.ghosts.total(),
        "suspects": len(audit.suspects),
        "scheduled": len(audit.scheduled),
        "parked": len(audit.parked),
        "running": sum(map(len, audit.running.values())),
    }
    yield from (f"I6: {count} jobs are still {state}" for state, count in left.items() if count)


def _counts(evidence: Evidence) -> Iterator[str]:
    """What has been started has ended, or was given back, or was lost with its worker."""
    kinds = Counter(note.what for note in evidence.notes)
    open_runs = kinds["start"] - kinds["end"] - kinds["fail"]
    audit = evidence.audit
    # A handler that is told to fail writes no end; each of its attempts is a retry or the death of its job.
    explained = sum(map(audit.count, ("reclaimed", "released", "retried", "dead")))
    if open_runs > explained:
        yield f"I3: {open_runs} runs have not ended, but the queue knows of {explained} reasons"


def _repeats(evidence: Evidence, verdict: Verdict[UUID], bound: int) -> Iterator[str]:
    if verdict.repeats > bound:
        yield f"I4: {verdict.repeats} runs too many, and the faults explain {bound}"
    starts = Counter(note.job for note in evidence.notes if note.what == "start")
    yield from (
        f"I4: {job} has started {count} times, and {evidence.most_starts} are allowed"
        for job, count in starts.items()
        if count > evidence.most_starts
    )


def _acks(evidence: Evidence, ends: list[UUID]) -> Iterator[str]:
    """One ack for each completed job, no lease twice, and nothing completed that has not run."""
    completed = {job: count for (outcome, job), count in evidence.records.items() if outcome == "completed"}
    yield from (f"I5: {count} acks of {job} were accepted" for job, count in completed.items() if count > 1)
    if sum(completed.values()) != evidence.audit.count("completed"):
        yield f"I5: {evidence.audit.count('completed')} acks counted, {sum(completed.values())} on record"
    yield from (
        f"I5: {job} was acked and has not run to its end" for job in sorted(completed.keys() - set(ends))
    )
    leases = Counter((note.pid, note.lease) for note in evidence.notes if note.what == "start" and note.lease)
    yield from (
        f"I5: the lease {lease} of process {pid} was begun {count} times"
        for (pid, lease), count in leases.items()
        if count > 1
    )


def _early(evidence: Evidence) -> Iterator[str]:
    """No job starts before it is due, and no attempt before the handler's own delay after the one before it."""
    due = {str(job): line.due for line in evidence.enqueues for job in line.jobs}
    yield from (
        f"I7: {note.job} started {due[note.job] - note.wall:.3f} s before it was due"
        for note in evidence.notes
        if note.wall < due.get(note.job, 0.0) - _CLOCK_SECS
    )
    failed: dict[tuple[str, int], float] = {}
    for note in evidence.notes:
        if note.what == "fail":
            failed.setdefault((note.job, note.attempt), note.wall)
        elif note.what == "start":
            before = failed.get((note.job, note.attempt - 1))
            least = evidence.retry_secs.get(UUID(note.job), 0.0)
            if before is not None and note.wall < before + least - _CLOCK_SECS:
                after = note.wall - before
                yield f"I7: attempt {note.attempt} of {note.job} started {after:.3f} s after the one before"
