"""Everything goes wrong at random, by a seed: nothing is lost, and what runs twice is what the faults explain."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.rig.catalogue import Entry
from tests.faults.rig.proxy import Proxy
from tests.faults.rig.scene import LEASE_SECS, MARGIN_SECS, MAX_DELAY_SECS, Scene
from tests.faults.rig.schedule import ALL, draw
from tests.support.server import ServerProcess

WORKERS = 4
SLOTS = 10
#: Seconds that a child waits at most until it is started again, after so many deaths as these tests bring about.
RESTART_SECS = 30.0
#: After the last fault: a lease runs out, a retry waits, and the rest takes what the rig grants.
DRAIN_SECS = LEASE_SECS + MAX_DELAY_SECS + MARGIN_SECS


@pytest.mark.row(1)
@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("jobs", "secs"), [(1_500, 15), (20_000, 240)])
def test_workers_killed_every_second_lose_nothing(
    fresh_server: ServerProcess,
    prefix: str,
    tmp_path: Path,
    seed: int,
    catalogue: Entry,
    jobs: int,
    secs: int,
) -> None:
    """SIGKILL to a child, to a worker, or to a supervisor alone, each second."""
    scene = Scene(tmp_path, fresh_server, prefix, seed=seed, workers=WORKERS, slots=SLOTS)
    schedule = draw(seed, secs, {"kill": 1.0}, workers=WORKERS, lease_secs=LEASE_SECS)
    finding = scene.run(schedule, jobs=jobs, rate=jobs / secs, drain_secs=DRAIN_SECS + RESTART_SECS)
    scene.report(finding, catalogue)
    assert finding.broken == []


@pytest.mark.row(25)
@pytest.mark.long
def test_scripts_flushed_ten_times_a_second_fail_nothing(
    fresh_server: ServerProcess, prefix: str, tmp_path: Path, seed: int, catalogue: Entry
) -> None:
    """What the server has forgotten is loaded again: no job runs twice, and no enqueue is refused."""
    scene = Scene(tmp_path, fresh_server, prefix, seed=seed, workers=2, slots=SLOTS)
    schedule = draw(seed, 10, {"flush": 0.1}, workers=2, lease_secs=LEASE_SECS)
    finding = scene.run(schedule, jobs=2_000, rate=200, drain_secs=DRAIN_SECS)
    scene.report(finding, catalogue)
    assert finding.broken == []
    assert finding.duplicated == 0
    assert {line.told for line in scene.history.enqueues()} == {"asked", "acked"}


@pytest.mark.row(1, 3, 4, 14, 25, 65)
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("jobs", "secs"), [(1_500, 25), pytest.param(20_000, 300, marks=pytest.mark.long)])
def test_everything_at_once_loses_nothing(
    fresh_server: ServerProcess,
    prefix: str,
    tmp_path: Path,
    seed: int,
    catalogue: Entry,
    jobs: int,
    secs: int,
) -> None:
    """Kills each second, freezes, a server that is killed, scripts flushed, a bad network, a full memory."""
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
        schedule = draw(seed, secs, ALL, workers=WORKERS, lease_secs=LEASE_SECS)
        finding = scene.run(schedule, jobs=jobs, rate=jobs / secs, drain_secs=DRAIN_SECS + RESTART_SECS)
    scene.report(finding, catalogue)
    assert finding.broken == []


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("kind", "between"),
    [
        pytest.param("kill", 1.0, marks=pytest.mark.row(1)),
        pytest.param("freeze", 5.0, marks=pytest.mark.row(3)),
        pytest.param("nap", 2.0, marks=pytest.mark.row(4)),
        pytest.param("kill_all", 8.0, marks=pytest.mark.row(5)),
        pytest.param("server", 5.0, marks=pytest.mark.row(14)),
        pytest.param("fill", 4.0, marks=pytest.mark.row(26)),
    ],
)
def test_one_fault_again_and_again_loses_nothing(
    fresh_server: ServerProcess,
    prefix: str,
    tmp_path: Path,
    seed: int,
    catalogue: Entry,
    kind: str,
    between: float,
) -> None:
    """For half a minute, with nothing else; what explains no repeat has none."""
    scene = Scene(tmp_path, fresh_server, prefix, seed=seed, workers=WORKERS, slots=SLOTS)
    schedule = draw(seed, 30, {kind: between}, workers=WORKERS, lease_secs=LEASE_SECS)
    finding = scene.run(schedule, jobs=3_000, rate=100, drain_secs=DRAIN_SECS + RESTART_SECS)
    scene.report(finding, catalogue)
    assert finding.broken == []
