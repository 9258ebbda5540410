"""The server's settings are changed under a running worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from fraiseql_observers import build_with_queue_sync, load_config
from tests.faults.rig.catalogue import Entry
from tests.support.server import ServerProcess
from tests.support.site import Site
from tests.support.wait import wait_until

#: Seconds until a change must be known; the worker looks every ten.
KNOWN_WITHIN_SECS = 30.0


def site_at(folder: Path, server: ServerProcess, level: str) -> Site:
    """Return a site whose configuration asks for a level."""
    site = Site(folder, server.url, "t", handlers=("quick",))
    site.settings = site.settings.replace("[storage]\n", f'[storage]\ndurability = "{level}"\n')
    site.write(["quick"])
    return site


def quick() -> dict[str, Any]:
    """Return an event whose handler only writes down that it ran."""
    return {"event_type": "INSERT", "entity_type": "Quick", "entity_id": str(uuid4()), "data": {"n": 1}}


@pytest.mark.row(27)
@pytest.mark.parametrize(
    ("setting", "bad", "good"),
    [
        ("maxmemory-policy", "allkeys-lru", "noeviction"),
        pytest.param("appendonly", "no", "yes", marks=pytest.mark.long),
    ],
)
def test_nothing_is_leased_while_the_server_must_not_hold_jobs(
    tmp_path: Path,
    fresh_server: ServerProcess,
    catalogue: Entry,
    setting: str,
    bad: str,
    good: str,
) -> None:
    """The worker stops by itself and says why, and comes back by itself when that is mended."""
    site = site_at(tmp_path, fresh_server, "process")
    config = load_config(site.path)
    with site.worker() as worker, fresh_server.client() as admin, build_with_queue_sync(config) as producer:
        worker.ready()
        ids = producer.process_event(quick()).job_ids
        wait_until(lambda: site.count("end") == 1, what="the job")
        assert worker.metrics()["queue_server_unfit"] == 0
        admin.config_set(setting, bad)
        worker.wait_for_log("queue_unfit: nothing is leased", deadline_secs=KNOWN_WITHIN_SECS)
        assert bad in worker.log.partition("queue_unfit")[2].partition("\n")[0]
        wait_until(lambda: worker.metrics()["queue_server_unfit"] == 1, what="the metric")
        # Stored by a producer that asks for less, and was there before the change.
        ids = [*ids, *producer.process_event(quick(), durability="memory").job_ids]
        wait_until(lambda: producer.queue.stats_blocking("default")[0].pending == 1, what="the job to wait")
        # Mended, it is the worker that finds out; meanwhile it had every chance to take the job.
        assert site.count("end") == 1
        admin.config_set(setting, good)
        wait_until(lambda: site.count("end") == 2, deadline_secs=KNOWN_WITHIN_SECS, what="the jobs")
        assert worker.log.index("queue_fit") > worker.log.index("queue_unfit")
        wait_until(lambda: worker.metrics()["queue_server_unfit"] == 0, what="the metric")
        assert worker.stop() == 0
    catalogue.record(**site.tally(ids), bound=0)


def test_a_server_that_keeps_less_than_before_is_told_and_used(
    tmp_path: Path, fresh_server: ServerProcess
) -> None:
    """With ``auto`` nothing was asked for, so that jobs go on; that something was lost is not kept quiet."""
    site = site_at(tmp_path, fresh_server, "auto")
    with site.worker() as worker, fresh_server.client() as admin:
        worker.ready()
        admin.config_set("appendonly", "no")
        # A new connection is a reason to look at once.
        admin.client_kill_filter(_type="normal", skipme=True)
        worker.wait_for_log("at the level process, and now only at memory", deadline_secs=KNOWN_WITHIN_SECS)
        assert "queue_worse" in worker.log
        assert worker.metrics()["queue_server_unfit"] == 1
        site.publish("Quick", 3)
        wait_until(lambda: site.count("end") == 3, what="the jobs")
        assert worker.stop() == 0
