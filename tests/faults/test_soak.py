"""Everything at random for a long time: all promises hold, and nothing grows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.rig.catalogue import Entry
from tests.faults.rig.proxy import Proxy
from tests.faults.rig.scene import LEASE_SECS, MARGIN_SECS, MAX_DELAY_SECS, Scene
from tests.faults.rig.schedule import ALL, draw
from tests.faults.rig.vitals import Vitals
from tests.support.server import ServerProcess

#: ``make soak MINUTES=30`` sets it.
MINUTES = float(os.environ.get("TESTS_SOAK_MINUTES", "5"))
WORKERS = 4
SLOTS = 10
JOBS_A_SECOND = 40
#: Kills leave the workers time to do something between.
EVERY = {**ALL, "kill": 4.0, "kill_all": 90.0}
DRAIN_SECS = LEASE_SECS + MAX_DELAY_SECS + MARGIN_SECS + 30


@pytest.mark.row(66)
@pytest.mark.long
@pytest.mark.timeout(MINUTES * 60 + 600)
def test_a_random_mix_for_a_long_time_breaks_no_promise_and_nothing_grows(
    fresh_server: ServerProcess, prefix: str, tmp_path: Path, seed: int, catalogue: Entry
) -> None:
    """One worker is never killed, so that it grows old: its files, threads and memory stay what they are."""
    secs = MINUTES * 60
    with Proxy(fresh_server.port) as proxy:
        scene = Scene(
            tmp_path,
            fresh_server,
            prefix,
            seed=seed,
            url=proxy.url,
            network=proxy,
            workers=WORKERS,
            slots=SLOTS,
        )
        old = scene.fleet.members[-1]
        schedule = draw(seed, secs, EVERY, workers=WORKERS, lease_secs=LEASE_SECS, spared=1)
        with Vitals(lambda: [old.process.pid, *old.children()] if old.is_up else []) as vitals:
            finding = scene.run(
                schedule, jobs=int(secs * JOBS_A_SECOND), rate=JOBS_A_SECOND, drain_secs=DRAIN_SECS
            )
    for pid, grown in vitals.growth().items():
        print(pid, *(f"{what}: {early:.1f} to {late:.1f}" for what, (early, late) in grown.items()))
    scene.report(finding, catalogue)
    assert finding.broken == []
    assert vitals.broken() == []
