"""Handlers that do not end: their attempts time out, their process is replaced, and others go on."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.rig.catalogue import Entry
from tests.support.processes import is_alive
from tests.support.server import ServerProcess
from tests.support.site import Site
from tests.support.wait import wait_until

WORKER = "[worker]\njob_timeout_secs = 1\nshutdown_timeout_secs = 5\nlease_duration_secs = 5\n"

MakeSite = Callable[..., Site]


@pytest.fixture
def make_site(tmp_path: Path, server: ServerProcess, prefix: str) -> MakeSite:
    """Make the site of a test, on the shared server."""

    def make(*handlers: str, concurrency: int = 4) -> Site:
        return Site(tmp_path, server.url, prefix, handlers=handlers, more=WORKER, concurrency=concurrency)

    return make


def test_a_handler_that_hangs_is_cancelled_at_the_timeout_and_tried_again(make_site: MakeSite) -> None:
    site = make_site("slow")
    with site.worker() as worker:
        worker.ready()
        [child] = worker.children()
        site.publish("Slow", secs=60)
        wait_until(lambda: site.stats().dead == 1, what="the last attempt")
        assert site.count("start") == 4
        seen = {
            "job_attempts_failed_total/function/timeout": 4,
            "job_failed_total/function/retries_exhausted": 1,
        }
        wait_until(lambda: worker.metrics().items() >= seen.items(), what="the counts")
        assert worker.children() == [child], "one that can be cancelled needs no new process"
        assert "is cancelled: timeout" in worker.log


@pytest.mark.parametrize(("handler", "attempts"), [("unspeakable", 1), ("vanishing", 4)])
def test_a_failure_that_cannot_be_reported_as_it_is_keeps_no_slot(
    make_site: MakeSite, handler: str, attempts: int
) -> None:
    """A text that is no text and a status that is none; and an exception that means the end of the event loop."""
    site = make_site(handler, "quick", concurrency=1)
    with site.worker() as worker:
        worker.ready()
        [child] = worker.children()
        site.publish(handler.title())
        wait_until(lambda: site.stats().dead == 1, what="the last attempt")
        site.publish("Quick")
        wait_until(lambda: site.count("end") == 1, what="the next job in the only slot")
        assert worker.children() == [child]
        assert worker.stop() == 0
    assert site.count("start") == attempts


@pytest.mark.row(8)
def test_a_handler_that_ignores_its_cancellation_has_its_process_replaced(
    make_site: MakeSite, catalogue: Entry
) -> None:
    site = make_site("stubborn", "slow")
    with site.worker() as worker:
        worker.ready()
        [child] = worker.children()
        ids = site.publish("Stubborn", secs=600)
        wait_until(lambda: site.count("ignored") >= 1, what="the timeout")
        ids += site.publish("Slow", 3, secs=0.1)
        wait_until(lambda: len(site.runs("end")) == 4, what="every job")
        worker.wait_for_log("keeps its slot")
        worker.wait_for_log("has ended to be replaced; the next starts in 0.0 s")
        assert not is_alive(child)
        assert worker.stop() == 0
    catalogue.record(**site.tally(ids), bound=0)
    assert site.stats().counters["completed"] == 4
    assert site.stats().dead == 0


@pytest.mark.row(8)
@pytest.mark.long
def test_a_thread_that_outlives_its_time_has_its_process_replaced(make_site: MakeSite) -> None:
    site = make_site("threaded")
    with site.worker() as worker:
        worker.ready()
        [child] = worker.children()
        site.publish("Threaded", secs=15)
        wait_until(lambda: site.count("start") == 2, what="the second attempt")
        first, second = site.evidence("start")
        assert first["pid"] == child
        assert second["pid"] != child
        assert not is_alive(child), "the second attempt starts when the first thread is gone"
        worker.send(signal.SIGTERM)
        worker.send(signal.SIGTERM)
        worker.wait()


@pytest.mark.row(6)
@pytest.mark.long
def test_a_handler_that_blocks_the_loop_has_its_process_killed(make_site: MakeSite, catalogue: Entry) -> None:
    site = make_site("blocking", "slow")
    with site.worker() as worker:
        worker.ready()
        [child] = worker.children()
        ids = site.publish("Blocking", secs=600)
        wait_until(lambda: site.count("start") == 1, what="the start")
        ids += site.publish("Slow", 3, secs=0.1)
        worker.wait_for_log("it is killed and replaced")
        wait_until(lambda: len(site.runs("end")) == 4, what="every job")
        assert not is_alive(child)
        assert worker.stop() == 0
    catalogue.record(**site.tally(ids), bound=0)
    assert site.stats().dead == 0
