"""Processes that die, freeze or are killed: nothing is lost, nothing stays, repeats are those of what ran."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.support.processes import is_alive
from tests.support.server import ServerProcess
from tests.support.site import Site
from tests.support.wait import wait_until

#: The shortest lease, and time enough for a stop.
WORKER = "[worker]\nlease_duration_secs = 5\nshutdown_timeout_secs = 10\n"

MakeSite = Callable[..., Site]


@pytest.fixture
def make_site(tmp_path: Path, server: ServerProcess, prefix: str) -> MakeSite:
    """Make the site of a test, on the shared server."""

    def make(*handlers: str, more: str = WORKER, concurrency: int = 4) -> Site:
        return Site(tmp_path, server.url, prefix, handlers=handlers, more=more, concurrency=concurrency)

    return make


@pytest.mark.row(1)
def test_a_killed_child_loses_nothing_and_repeats_only_what_ran(make_site: MakeSite) -> None:
    site = make_site("slow")
    with site.worker() as worker:
        worker.ready()
        [child] = worker.children()
        site.publish("Slow", 20, secs=0.3)
        wait_until(lambda: site.count("start") > site.count("end") >= 4, what="jobs that run after the first")
        os.kill(child, signal.SIGKILL)
        wait_until(lambda: len(site.runs("end")) == 20, what="every job")
        wait_until(lambda: site.stats().counters.get("completed") == 20, what="their completion")
        repeated = [job for job, times in site.runs("start").items() if times > 1]
        assert 1 <= len(repeated) <= 4
        assert worker.stop() == 0
    stats = site.stats()
    assert (stats.pending, stats.running, stats.dead, stats.suspects) == (0, 0, 0, 0)
    assert len(repeated) <= stats.counters["reclaimed"] <= 4


@pytest.mark.row(1)
def test_killing_the_supervisor_ends_the_children_gracefully(make_site: MakeSite) -> None:
    site = make_site("slow")
    with site.worker("--processes", "2") as worker:
        worker.ready()
        children = worker.children()
        site.publish("Slow", 8, secs=1.5)
        wait_until(lambda: site.count("start") == 8, what="the starts")
        worker.send(signal.SIGKILL)
        worker.wait()
        wait_until(lambda: not any(is_alive(pid) for pid in children), what="the end of the children")
    assert set(site.runs("end").values()) == {1}
    assert site.stats().counters["completed"] == 8


@pytest.mark.row(5)
def test_a_fleet_killed_at_once_loses_nothing(make_site: MakeSite) -> None:
    site = make_site("slow")
    with site.worker("--processes", "2") as worker:
        worker.ready()
        site.publish("Slow", 30, secs=0.2)
        wait_until(lambda: site.count("end") >= 8, what="the first jobs")
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    with site.worker("--processes", "2") as worker:
        wait_until(lambda: len(site.runs("end")) == 30, what="every job")
        wait_until(lambda: site.stats().counters.get("completed") == 30, what="their completion")
        assert sum(site.runs("start").values()) <= 30 + 8
        assert site.stats().dead == 0


@pytest.mark.row(3)
@pytest.mark.long
def test_a_child_frozen_beyond_its_lease_starts_nothing_more_under_it(make_site: MakeSite) -> None:
    site = make_site("slow")
    with site.worker("--processes", "2") as worker:
        worker.ready()
        site.publish("Slow", 8, secs=1.0)
        wait_until(lambda: site.count("start") == 8, what="the starts")
        frozen = worker.children()[0]
        os.kill(frozen, signal.SIGSTOP)
        held = {line["job"] for line in site.evidence("start") if line["pid"] == frozen}
        assert held
        # Its jobs run again in the other child, when its lease has run out.
        wait_until(
            lambda: {line["job"] for line in site.evidence("end") if line["pid"] != frozen} >= held,
            what="the jobs of the frozen child",
        )
        wait_until(lambda: site.stats().counters.get("completed") == 8, what="eight acks")
        os.kill(frozen, signal.SIGCONT)
        worker.wait_for_log("lease_lost")
        # It goes on under a new lease: both children take part again.
        known = len(site.evidence("start"))

        def takes_part() -> bool:
            site.publish("Slow", 8, secs=0.1)
            return frozen in {line["pid"] for line in site.evidence("start")[known:]}

        wait_until(takes_part, what="a start in the child that was frozen")
        wait_until(lambda: site.stats().pending + site.stats().running == 0, what="the end of all jobs")
        stats = site.stats()
        assert stats.counters["completed"] == stats.counters["enqueued"], "one ack for each job"
        assert worker.stop() == 0
    assert site.stats().dead == 0


@pytest.mark.row(9)
@pytest.mark.long
def test_a_handler_that_ends_its_process_is_buried_and_takes_nobody_with_it(make_site: MakeSite) -> None:
    site = make_site("exiting", "slow")
    with site.worker("--processes", "2") as worker:
        worker.ready()
        site.publish("Exiting")
        site.publish("Slow", 40, secs=0.2)
        wait_until(lambda: site.stats().dead == 1, what="the burial")
        wait_until(lambda: len(site.runs("end")) == 40, what="the others")
        [poison] = site.runs("start").keys() - site.runs("end").keys()
        assert site.runs("start")[poison] == 3
        # The third run is one that it has alone, in the child for suspects.
        pids = [line["pid"] for line in site.evidence("start") if line["job"] == poison]
        alone = [line for line in site.evidence("start") if line["pid"] == pids[-1]]
        assert {line["job"] for line in alone} == {poison}
        wait_until(
            lambda: worker.metrics().get("job_failed_total/function/crash_limit") == 1, what="the count"
        )
        wait_until(lambda: len(worker.children()) == 2, what="the end of the suspects' child")
        assert worker.stop() == 0


def has_ended(site: Site, count: int) -> bool:
    return site.count("end") >= count


@pytest.mark.row(1)
@pytest.mark.long
def test_a_killed_worker_is_followed_by_another_without_loss_five_times(make_site: MakeSite) -> None:
    site = make_site("slow", concurrency=10)
    site.publish("Slow", 300, secs=0.05)
    for _ in range(5):
        before = site.count("end")
        with site.worker() as worker:
            wait_until(partial(has_ended, site, before + 20), what="some jobs")
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
    with site.worker() as worker:
        wait_until(lambda: len(site.runs("end")) == 300, what="every job")
        wait_until(lambda: site.stats().counters.get("completed") == 300, what="their completion")
    assert sum(site.runs("start").values()) <= 300 + 5 * 10
    assert site.stats().dead == 0
