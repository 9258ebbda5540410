"""SIGHUP: the observers are read again, jobs whose rule is back go on, and a bad file changes nothing."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.support.server import ServerProcess
from tests.support.site import Site
from tests.support.wait import wait_until


@pytest.fixture
def site(tmp_path: Path, server: ServerProcess, prefix: str) -> Site:
    """A site that knows two handlers."""
    return Site(tmp_path, server.url, prefix, handlers=("quick", "once_failing"))


def test_a_job_whose_rule_is_gone_waits_until_it_is_back(site: Site) -> None:
    site.publish("Once_Failing")
    site.write(["quick"])
    with site.worker("--processes", "2") as worker:
        worker.ready()
        wait_until(lambda: site.stats().parked == 1, what="the parked job")
        site.write(["quick", "once_failing"])
        worker.send(signal.SIGHUP)
        worker.wait_for_log("observers read again: 2")
        wait_until(lambda: site.count("end") == 1, what="the job")
        assert worker.stop() == 0
        assert worker.log.count("observers read again") == 1


def test_a_bad_file_keeps_the_observers_and_says_so(site: Site) -> None:
    with site.worker() as worker:
        worker.ready()
        site.path.write_text(site.path.read_text().replace('entity = "Quick"', "entity = 7"))
        worker.send(signal.SIGHUP)
        worker.wait_for_log("the observers stay as they are, since the file cannot be used")
        worker.wait_for_log("observers.quick.entity")
        site.write(["quick"])
        site.publish("Quick")
        wait_until(lambda: site.count("end") == 1, what="the job")
        assert worker.stop() == 0


def test_a_running_job_is_finished_under_the_rules_before(site: Site) -> None:
    site.write(["slow"])
    with site.worker() as worker:
        worker.ready()
        site.publish("Slow", secs=2)
        wait_until(lambda: site.count("start") == 1, what="the start")
        site.write(["quick"])
        worker.send(signal.SIGHUP)
        worker.wait_for_log("observers read again: 1")
        site.publish("Quick")
        wait_until(lambda: site.count("end") == 2, what="both jobs")
        assert worker.stop() == 0
