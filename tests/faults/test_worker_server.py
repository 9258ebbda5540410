"""The server goes away under a worker, for a moment or for good."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest
import redis

from tests.support.embedded_place import EmbeddedPlace
from tests.support.server import ServerProcess
from tests.support.site import Site, WorkerProcess
from tests.support.wait import wait_until


@pytest.fixture
def site(tmp_path: Path, fresh_server: ServerProcess) -> Site:
    """A site on a server of its own."""
    more = "[worker]\nlease_duration_secs = 5\nshutdown_timeout_secs = 2\n"
    return Site(tmp_path, fresh_server.url, "t", handlers=("slow",), more=more)


def scrape(worker: WorkerProcess) -> dict[str, float]:
    """Scrape a worker, which must answer within a second."""
    took: list[float] = []
    shown: dict[str, float] = {}
    while len(took) < 3:
        begun = time.monotonic()
        shown = worker.metrics()
        took.append(time.monotonic() - begun)
    # What waits for the server waits each time; a busy machine is not late three times.
    assert min(took) < 1.0, took
    return shown


@pytest.mark.row(14)
def test_a_server_killed_and_started_again_loses_no_job(site: Site, fresh_server: ServerProcess) -> None:
    with site.worker("--processes", "2") as worker:
        worker.ready()
        site.publish("Slow", 60, secs=0.3)
        wait_until(lambda: site.count("end") >= 20, what="some jobs")
        for _ in range(2):
            fresh_server.kill()
            worker.wait_for_log("queue_down")
            wait_until(lambda: worker.get("/readyz")[0] == 503, what="the news")
            assert worker.get("/healthz")[0] == 200
            shown = scrape(worker)
            assert "job_queue_depth" not in shown
            assert "job_queued_total" in shown
            fresh_server.start()
            wait_until(lambda: worker.get("/readyz")[0] == 200, what="the reconnect")
        wait_until(lambda: len(site.runs("end")) == 60, what="every job")
        wait_until(lambda: site.stats().counters.get("completed") == 60, what="their completion")
        assert worker.stop() == 0
    assert site.stats().dead == 0


def test_outcomes_are_kept_while_the_server_is_away(site: Site, fresh_server: ServerProcess) -> None:
    with site.worker() as worker:
        worker.ready()
        site.publish("Slow", 5, secs=1.0)
        wait_until(lambda: site.count("start") == 5, what="the starts")
        fresh_server.kill()
        wait_until(lambda: site.count("end") == 5, what="the ends")
        fresh_server.start()
        wait_until(lambda: site.stats().counters.get("completed") == 5, what="the acks")
        assert set(site.runs("start").values()) == {1}
        assert worker.stop() == 0


@pytest.mark.row(13)
@pytest.mark.parametrize("jobs", [0, 2])
def test_a_worker_ends_in_time_though_its_server_is_away(
    site: Site, fresh_server: ServerProcess, jobs: int
) -> None:
    """Idle or busy. What it held comes back when its lease runs out, with no attempt counted."""
    with site.worker() as worker:
        worker.ready()
        if jobs:
            site.publish("Slow", jobs, secs=60)
        wait_until(lambda: site.count("start") == jobs, what="the starts")
        fresh_server.kill()
        worker.wait_for_log("queue_down")
        begun = time.monotonic()
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
        # The grace of 2 s, 2 s more, and the end of Python itself, which takes its time on a busy machine.
        assert time.monotonic() - begun < 2 + 2 + 10
    fresh_server.start()
    with site.worker() as worker:
        wait_until(lambda: site.count("start") == 2 * jobs, what="the starts in the next worker")
        assert {line["attempt"] for line in site.evidence("start")} <= {1}
        assert site.stats().counters.get("reclaimed", 0) == jobs


@pytest.mark.row(65)
def test_the_metrics_are_shown_at_once_without_server_and_beside_clients_that_hang(
    site: Site, fresh_server: ServerProcess
) -> None:
    """Some say nothing, one says a megabyte, the server is frozen or away: who asks is answered within a second."""
    with site.worker("--processes", "2") as worker, contextlib.ExitStack() as hanging:
        worker.ready()
        site.publish("Slow", 3, secs=0.01)
        wait_until(lambda: worker.metrics().get("job_executed_total/function") == 3, what="the counts")
        found = re.search(r"http://127.0.0.1:([0-9]+)/metrics", worker.log)
        assert found is not None
        for _ in range(5):
            hanging.enter_context(socket.create_connection(("127.0.0.1", int(found[1]))))
        loud = hanging.enter_context(socket.create_connection(("127.0.0.1", int(found[1]))))
        loud.setblocking(False)
        # It takes what it takes, and may close at any time.
        with contextlib.suppress(OSError):
            loud.send(b"GET /metrics?" + b"x" * 1_000_000)

        assert scrape(worker)["job_executed_total/function"] == 3
        with fresh_server.frozen():
            assert scrape(worker)["job_executed_total/function"] == 3
        fresh_server.kill()
        assert scrape(worker)["job_executed_total/function"] == 3
        worker.wait_for_log("queue_down")
        assert scrape(worker)["job_executed_total/function"] == 3
        fresh_server.start()


def test_an_embedded_server_that_is_killed_is_started_again(tmp_path: Path, place: EmbeddedPlace) -> None:
    site = Site(tmp_path, place.url, "t", handlers=("slow",))
    with site.worker() as worker:
        worker.ready()
        site.publish("Slow", 30, secs=0.3)
        wait_until(lambda: site.count("end") >= 10, what="some jobs")
        keeper, server = place.pids()
        os.kill(keeper, signal.SIGKILL)
        os.kill(server, signal.SIGKILL)
        wait_until(lambda: len(site.runs("end")) == 30, what="every job")
        wait_until(lambda: site.stats().counters.get("completed") == 30, what="their completion")
        place.pids()
        assert worker.stop() == 0
    assert site.stats().dead == 0


@pytest.mark.row(47)
def test_rights_that_are_taken_away_end_the_worker_with_3(
    tmp_path: Path, fresh_server: ServerProcess
) -> None:
    client = redis.Redis(port=fresh_server.port)
    client.acl_setuser(
        "worker", enabled=True, passwords="+canary", keys=["*"], channels=["*"], categories=["+@all"]
    )
    url = fresh_server.url.replace("redis://", "redis://worker:canary@")
    site = Site(tmp_path, url, "t", handlers=("slow",))
    with site.worker("--processes", "2") as worker:
        worker.ready()
        client.acl_setuser("worker", enabled=True, categories=["-@scripting"])
        assert worker.wait() == 3
        assert "NOPERM" in worker.log
        assert "canary" not in worker.log
    client.close()
