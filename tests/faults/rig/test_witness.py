"""The witness finds each promise that is not kept: else that it finds none would say nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from uuid import UUID

import pytest

from tests.faults.rig.history import Enqueue, Fault, Told
from tests.faults.rig.witness import Evidence, judge
from tests.support.audit import Audit
from tests.support.runs import Note

ONE, TWO, THREE = (UUID(int=number) for number in (1, 2, 3))


def audit(*, completed: tuple[UUID, ...] = (), dead: tuple[UUID, ...] = (), **counters: int) -> Audit:
    """Make what a queue holds in which these jobs have ended so."""
    enqueued = len(completed) + len(dead)
    counts = {"enqueued": enqueued, "completed": len(completed), "dead": len(dead), **counters}
    return Audit(
        names={"meta", "jobs", "done:0"},
        meta={name: str(count) for name, count in counts.items()},
        jobs={job.bytes: b"{}" for job in dead},
        pending={letter: [] for letter in "chdl"},
        suspects=[],
        scheduled={},
        parked={},
        dead={job.bytes + b"d": 1.0 for job in dead},
        running={},
        cancels={},
        leases={},
        calls={},
        workers={},
        history={},
        failures={job.bytes: b"{}" for job in dead},
        crashes={},
        ghosts=Counter(),
        done=[{job.bytes for job in completed}, set()],
        ended=[{}, {}],
        recent=[],
        tokens=0,
    )


def note(
    what: str, job: UUID, *, attempt: int = 1, pid: int = 7, wall: float = 10.0, lease: str = ""
) -> Note:
    """Make a line of a handler."""
    return Note(what, str(job), "x", attempt, pid, wall, wall, lease)


def evidence() -> Evidence:
    """Make the evidence of a run in which all is well: one job has run, one has failed for good."""
    return Evidence(
        enqueues=[
            Enqueue(Told.ASKED, (ONE, TWO), 1.0),
            Enqueue(Told.ACKED, (ONE, TWO), 2.0),
        ],
        faults=[],
        notes=[
            note("start", ONE, lease="a"),
            note("end", ONE),
            note("start", TWO, lease="b"),
            note("fail", TWO, wall=11.0),
            note("start", TWO, attempt=2, wall=12.0, lease="c"),
            note("fail", TWO, attempt=2),
        ],
        audit=audit(completed=(ONE,), dead=(TWO,), retried=1),
        records=Counter({("completed", ONE): 1, ("dead_lettered", TWO): 1}),
        doomed=frozenset({TWO}),
        retry_secs={TWO: 0.5},
        most_starts=2,
        told={"log": "all is well"},
        canaries=("canary",),
    )


def test_a_run_in_which_all_is_well_is_found_so() -> None:
    finding = judge(evidence())
    assert finding.broken == []
    assert (finding.lost, finding.duplicated, finding.bound) == (0, 0, 0)


RIGHT = evidence()
AGAIN = [*RIGHT.notes, note("start", ONE, pid=8, lease="d"), note("end", ONE, pid=8)]

#: What is wrong, by what is found.
WRONG = {
    "I1: .* was accepted and is lost": replace(
        RIGHT, enqueues=[*RIGHT.enqueues, Enqueue(Told.ACKED, (THREE,), 3.0)]
    ),
    "I1: .* nobody has enqueued it": replace(
        RIGHT, notes=[*RIGHT.notes, note("start", THREE), note("end", THREE)]
    ),
    "I1: .* no fault of its own": replace(RIGHT, doomed=frozenset()),
    "I2, I3: .* is in": replace(RIGHT, audit=audit(completed=(ONE,), dead=(ONE, TWO))),
    "I2, I3: 5 enqueued": replace(RIGHT, audit=audit(completed=(ONE,), dead=(TWO,), retried=1, enqueued=5)),
    "I3: 3 runs have not ended": replace(
        RIGHT,
        notes=[*RIGHT.notes, *(note("start", ONE, pid=pid) for pid in (1, 2, 3))],
        most_starts=9,
    ),
    "I4: 1 runs too many, and the faults explain 0": replace(RIGHT, notes=AGAIN),
    "I4: .* has started 2 times, and 1 are allowed": replace(RIGHT, most_starts=1),
    "I5: 2 acks of .* were accepted": replace(RIGHT, records=Counter({("completed", ONE): 2})),
    "I5: 1 acks counted, 0 on record": replace(RIGHT, records=Counter()),
    "I5: .* was acked and has not run": replace(
        RIGHT, notes=[one for one in RIGHT.notes if (one.what, one.job) != ("end", str(ONE))]
    ),
    "I5: the lease a of process 7 was begun 2 times": replace(
        RIGHT, notes=[*RIGHT.notes, note("start", ONE, lease="a")]
    ),
    "I6: 1 jobs are still running": replace(
        RIGHT, audit=replace(RIGHT.audit, running={"one": {THREE.bytes + b"d": b"1"}})
    ),
    "I7: attempt 2 .* after the one before": replace(RIGHT, retry_secs={TWO: 1.5}),
    "I7: .* before it was due": replace(
        RIGHT, enqueues=[*RIGHT.enqueues, Enqueue(Told.ACKED, (ONE,), 3.0, due=10.5)]
    ),
    "I9: canary stands in log": replace(RIGHT, told={"log": "a canary"}),
}


@pytest.mark.parametrize("found", WRONG)
def test_what_is_not_kept_is_found(found: str) -> None:
    with pytest.raises(AssertionError, match=found):
        raise AssertionError("\n".join(judge(WRONG[found]).broken))


def test_a_repeat_that_a_fault_explains_is_none_too_many() -> None:
    finding = judge(replace(RIGHT, notes=AGAIN, faults=[Fault("kill", "worker", 1, 5.0)]))
    assert finding.broken == []
    assert (finding.duplicated, finding.bound) == (1, 1)


@pytest.mark.parametrize(
    ("told", "unexpected"), [(Told.UNKNOWN, set[UUID]()), (Told.ASKED, set[UUID]()), (Told.FAILED, {THREE})]
)
def test_only_what_was_refused_for_good_must_not_run(told: Told, unexpected: set[UUID]) -> None:
    """An unknown outcome, or none, is recovered; a refusal says that nothing is stored."""
    outcome = [Enqueue(Told.ASKED, (THREE,), 3.0)]
    if told is not Told.ASKED:
        outcome.append(Enqueue(told, (THREE,), 3.0))
    ran = [note("start", THREE, lease="e"), note("end", THREE)]
    finding = judge(
        replace(
            RIGHT,
            enqueues=[*RIGHT.enqueues, *outcome],
            notes=[*RIGHT.notes, *ran],
            audit=audit(completed=(ONE, THREE), dead=(TWO,), retried=1),
            records=RIGHT.records + Counter({("completed", THREE): 1}),
        )
    )
    assert finding.verdict.unexpected == unexpected
    assert finding.verdict.recovered == {THREE} - unexpected
