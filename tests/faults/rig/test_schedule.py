"""A schedule of faults is what its seed says, and whatever begins has an end."""

from __future__ import annotations

from tests.faults.rig.schedule import ALL, FAULTS, Step, What, draw

ENDS = {
    What.KILL_WORKER: What.START_WORKER,
    What.KILL_SUPERVISOR: What.START_WORKER,
    What.FREEZE: What.THAW,
    What.NAP: What.THAW,
    What.KILL_SERVER: What.START_SERVER,
    What.DELAY: What.HEAL,
    What.SILENCE: What.HEAL,
    What.FILL: What.EMPTY,
}


def drawn(seed: int, every: dict[str, float] = ALL, spared: int = 0) -> list[Step]:
    return draw(seed, 300.0, every, workers=4, lease_secs=5.0, spared=spared)


def test_the_same_seed_draws_the_same_schedule() -> None:
    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_a_kind_of_fault_does_not_change_the_others() -> None:
    alone = drawn(3, {"server": ALL["server"]})
    assert [step for step in drawn(3) if step.what in {What.KILL_SERVER, What.START_SERVER}] == alone


def test_each_fault_comes_as_often_as_it_should_and_ends() -> None:
    for kind in FAULTS:
        steps = drawn(4, {kind: 10.0})
        begun = [step for step in steps if step.what not in ENDS.values()]
        assert 20 <= len(begun) <= 60
        assert begun[-1].at < 300.0
        for step in begun:
            assert ENDS.get(step.what) in {None, *(later.what for later in steps if later.at >= step.at)}


def test_who_is_spared_is_left_alone() -> None:
    steps = drawn(5, spared=1)
    assert {step.worker for step in steps} == {0, 1, 2}
    assert {step.amount for step in drawn(5, {"kill_all": 10.0}, spared=1)} == {0.0, 3.0}
