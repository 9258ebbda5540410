"""The power fails under the server: what was not on the disk is gone, which no kill of a process can show."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.faults.rig.catalogue import Entry
from tests.faults.servers.kernel import PoweredDisk, powered_disk
from tests.faults.servers.stand import Stand, job_id
from tests.support.server import ServerProcess
from tests.support.wait import wait_until

SLOTS = 10
#: What the level `process` may lose: the flush of each second, and one that is under way.
LOSS_SECS = 2.0


def cut_power(server: ServerProcess, disk: PoweredDisk) -> float:
    """Fail, come back, and start the server again; return when the power failed, on the monotonic clock."""
    # First it stands still, so that it answers nothing that the disk could not have got.
    os.kill(server.pid, signal.SIGSTOP)
    at = time.monotonic()
    disk.cut_power()
    server.kill()
    disk.unmount()
    disk.mount()
    server.start()
    return at


@pytest.mark.row(16)
@pytest.mark.parametrize("level", ["disk", "process"])
def test_a_power_cut_costs_what_the_level_says(
    server_binary: Path,
    prefix: str,
    tmp_path: Path,
    quick_disk: Path,
    catalogue: Entry,
    level: str,
) -> None:
    """Nothing at `disk`; at `process` what was confirmed in the last two seconds, and no part of a job."""
    appendfsync = "always" if level == "disk" else "everysec"
    with (
        # What the server gives to its disk in time is there in time, whatever else the machine writes.
        powered_disk(quick_disk) as disk,
        ServerProcess(server_binary, appendfsync=appendfsync, disk=disk.folder) as server,
    ):
        stand = Stand(tmp_path, server, prefix, slots=SLOTS)
        with stand.worker() as worker:
            # Not repeated, so that what is lost stays lost.
            with stand.producing(pause_secs=0.001, repeat=False, secs=0.02):
                # Long enough for a flush or two.
                begun = time.monotonic()
                wait_until(lambda: time.monotonic() > begun + LOSS_SECS / 2, what="a flush")
                stand.wait_for_runs(100)
                failed_at = cut_power(server, disk)
                audit = stand.audit()
                assert audit.problems() == []
            drained = stand.drain()
            assert worker.stop() == 0
        # An answer may have been on its way when the power failed, and is noted a moment later.
        after = stand.confirmed() - stand.confirmed(until=failed_at)
        on_its_way = sorted(after, key=lambda label: stand.offers[label].confirmed_at or 0.0)[:1]
        confirmed = stand.confirmed(until=failed_at).union(on_its_way)
        # What the server has never heard of is lost, unless it had run before the power failed.
        known = stand.audit().places().keys()
        ran = set(stand.ran())
        gone = {label for label in confirmed if job_id(stand.offers[label].event) not in known}
        lost = gone - ran
        recent = confirmed - stand.confirmed(until=failed_at - LOSS_SECS)
        acks = sum(note.at > failed_at - LOSS_SECS for note in stand.runs.ends())
        assert gone <= recent
        if level == "disk":
            assert gone == set()
        verdict = stand.judge(
            catalogue,
            bound=SLOTS if level == "disk" else SLOTS + acks,
            drained_secs=drained,
            lost=0 if level == "disk" else len(recent),
            note=f"{len(gone)} of {len(confirmed)} confirmed jobs forgotten",
        )
        assert verdict.lost == lost
