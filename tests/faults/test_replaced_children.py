"""A child that dies while its server is away, or must not hold jobs: who replaces it waits, and does not spin."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from tests.support.server import ServerProcess
from tests.support.site import Site
from tests.support.wait import wait_until

#: What the supervisor logs for each child that is to be started again.
NEXT_START = re.compile(r"the next starts in ([0-9.]+) s")


@pytest.fixture
def site(tmp_path: Path, fresh_server: ServerProcess) -> Site:
    """A site on a server of its own."""
    more = "[worker]\nlease_duration_secs = 5\nshutdown_timeout_secs = 2\n"
    return Site(tmp_path, fresh_server.url, "t", handlers=("slow",), more=more)


@pytest.mark.row(14)
def test_a_child_replaced_while_the_server_is_away_waits_for_it(
    site: Site, fresh_server: ServerProcess
) -> None:
    """It is started once, however long the server is away, and works when it is back."""
    with site.worker() as worker:
        worker.ready()
        [child] = worker.children()
        site.publish("Slow", 2, secs=60)
        wait_until(lambda: site.count("start") == 2, what="the starts")
        fresh_server.kill()
        os.kill(child, signal.SIGKILL)
        worker.wait_for_log("cannot be reached: ")
        [other] = worker.children()
        assert worker.get("/readyz")[0] == 503
        assert worker.get("/healthz")[0] == 200
        fresh_server.start()
        wait_until(lambda: site.count("start") == 4, what="the starts in the next child")
        assert worker.children() == [other]
        assert {line["pid"] for line in site.evidence("start")} == {child, other}
        assert {line["attempt"] for line in site.evidence("start")} == {1}
        assert NEXT_START.findall(worker.log) == ["0.5"]
        assert worker.stop() == 0
    assert (site.stats().pending, site.stats().dead) == (2, 0)


@pytest.mark.row(27)
def test_a_child_replaced_while_the_server_must_not_hold_jobs_is_started_later_and_later(
    site: Site, fresh_server: ServerProcess
) -> None:
    """The worker neither ends nor spins, and goes on by itself when the server's settings are right again."""
    with site.worker() as worker, fresh_server.client() as client:
        worker.ready()
        [child] = worker.children()
        client.config_set("maxmemory-policy", "allkeys-lru")
        os.kill(child, signal.SIGKILL)
        wait_until(lambda: len(NEXT_START.findall(worker.log)) == 3, what="three starts")
        assert NEXT_START.findall(worker.log) == ["0.5", "1.0", "2.0"]
        assert "cannot be used" in worker.log
        assert worker.get("/healthz")[0] == 200
        client.config_set("maxmemory-policy", "noeviction")
        wait_until(lambda: worker.get("/readyz")[0] == 200, what="a child at work")
        site.publish("Slow", secs=0.1)
        wait_until(lambda: site.count("end") == 1, what="the job")
        assert worker.stop() == 0
    assert site.stats().counters["completed"] == 1
