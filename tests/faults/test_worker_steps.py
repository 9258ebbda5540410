"""A worker is killed at each step of a job: what runs again is exactly what the step says."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.rig.catalogue import Entry
from tests.faults.rig.proxy import Proxy
from tests.faults.rig.rules import Fate
from tests.faults.rig.scene import LEASE_SECS, MARGIN_SECS, Scene
from tests.support.queue_under_test import act
from tests.support.server import ServerProcess
from tests.support.wait import wait_until


class Step(NamedTuple):
    """Where the worker is killed, and what has happened when the job is done.

    `dies` is where the handler's process ends itself; `fate` is what becomes of the ack when the worker is killed as it
    is sent.
    """

    starts: int
    effects: int
    reclaimed: int
    dies: str = ""
    fate: Fate | None = None


STEPS = {
    "after the claim": Step(starts=1, effects=1, reclaimed=1, dies="claim"),
    "before the effect": Step(starts=2, effects=1, reclaimed=1, dies="start"),
    "after the effect": Step(starts=2, effects=2, reclaimed=1, dies="end"),
    "before the ack arrives": Step(starts=2, effects=2, reclaimed=1, fate=Fate.CUT_BEFORE),
    "before the answer to the ack": Step(starts=1, effects=1, reclaimed=0, fate=Fate.CUT_AFTER),
    "after the answer to the ack": Step(starts=1, effects=1, reclaimed=0),
}
#: Those that take a lease and end as another one does.
ALIKE = ("after the claim", "before the ack arrives")


@pytest.mark.row(2)
@pytest.mark.parametrize(
    "step",
    [
        pytest.param(step, id=name, marks=pytest.mark.long if name in ALIKE else ())
        for name, step in STEPS.items()
    ],
)
def test_a_worker_killed_at_a_step_repeats_what_that_step_leaves_open(
    server: ServerProcess, prefix: str, tmp_path: Path, seed: int, catalogue: Entry, step: Step
) -> None:
    """What has not begun runs once, what has begun runs twice, and what is acked stays acked."""
    with Proxy(server.port) as proxy:
        scene = Scene(tmp_path, server, prefix, seed=seed, url=proxy.url, workers=1, slots=1)
        [member] = scene.fleet.members
        died = tmp_path / "died"

        def kill() -> None:
            [child] = member.children()
            scene.history.fault("kill", "the child", member.kill_child(child))
            died.touch()

        with scene.fleet:
            [child] = member.children()
            if step.fate is not None:
                proxy.on("ack", fate=step.fate, then=kill)
            if step.dies:
                scene.history.fault("kill", "the child", 1)
            scene.publish([act("it", die=step.dies, died=str(died))])
            if not step.dies and step.fate is None:
                wait_until(lambda: scene.queue.count("completed") == 1, what="the ack")
                kill()
            wait_until(died.exists, what="the death")
            wait_until(lambda: member.children() not in ([], [child]), what="another process")
            scene.drained_secs = scene.wait_until_drained(LEASE_SECS + 2 * MARGIN_SECS)
            finding = scene.judge(stop=True)
            reclaimed = scene.queue.count("reclaimed")
        scene.report(finding, catalogue)
    assert finding.broken == []
    assert (len(scene.runs.starts()), len(scene.runs.ends())) == (step.starts, step.effects)
    assert reclaimed == step.reclaimed
