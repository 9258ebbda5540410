"""A real worker on a real server: jobs of every type, retries, dead letters, metrics, and its end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.rig.catalogue import Entry
from tests.support.processes import is_alive
from tests.support.running_receiver import ReceiverThread
from tests.support.server import ServerProcess
from tests.support.site import Site
from tests.support.wait import wait_until

MakeSite = Callable[..., Site]


@pytest.fixture
def make_site(tmp_path: Path, server: ServerProcess, prefix: str) -> MakeSite:
    """Make the site of a test, on the shared server."""

    def make(*handlers: str, more: str = "", concurrency: int = 10) -> Site:
        return Site(tmp_path, server.url, prefix, handlers=handlers, more=more, concurrency=concurrency)

    return make


def test_the_start_line_tells_server_durability_and_metrics(make_site: MakeSite) -> None:
    with make_site("quick").worker("--processes", "2") as worker:
        worker.ready()
        [line] = [line for line in worker.log.splitlines() if "jobs at a time" in line]
        assert f"pid {worker.pid}: 2 x 10 jobs at a time from default for 1 observer; " in line
        assert "durability process; metrics http://127.0.0.1:" in line


def test_webhooks_functions_and_log_lines_run_once_each(make_site: MakeSite, tmp_path: Path) -> None:
    with ReceiverThread(tmp_path / "deliveries") as receiver:
        more = f"""
        [observers.told]
        event_type = "INSERT"
        entity = "Quick"
        [[observers.told.actions]]
        type = "webhook"
        url = "{receiver.url}/hook"
        allow_private = true
        [[observers.told.actions]]
        type = "log"
        message_template = "number {{{{ n }}}}"
        """
        site = make_site("quick", more=more)
        with site.worker() as worker:
            worker.ready()
            assert len(site.publish("Quick", 20)) == 60
            wait_until(lambda: worker.metrics().get("job_executed_total/log") == 20, what="the log jobs")
            wait_until(lambda: site.count("end") == 20, what="the function jobs")
            wait_until(lambda: receiver.counts().deliveries == 20, what="the deliveries")
            assert worker.stop() == 0
        assert receiver.counts().ids == 20
        assert all(f"number {n}" in worker.log for n in range(20))
        assert max(site.runs().values()) == 1
        assert site.stats().counters["completed"] == 60


def test_a_failed_attempt_is_repeated_and_a_job_that_fails_for_good_is_a_dead_letter(
    make_site: MakeSite,
) -> None:
    site = make_site("once_failing", "failing", "refusing")
    with site.worker() as worker:
        worker.ready()
        site.publish("Once_Failing")
        site.publish("Failing")
        site.publish("Refusing")
        wait_until(lambda: site.stats().dead == 2 and site.count("end") == 1, what="two dead letters")
        seen = {
            "job_executed_total/function": 1,
            "job_failed_total/function/retries_exhausted": 1,
            "job_failed_total/function/permanent_error": 1,
            "job_attempts_failed_total/function/transient": 5,
            "job_attempts_failed_total/function/permanent": 1,
            "job_retry_attempts_total/function": 4,
            "job_duration_seconds_count/function": 7,
            "job_queue_depth": 0,
            "job_dlq_items": 2,
        }
        wait_until(lambda: worker.metrics().items() >= seen.items(), what="the counts")
    assert [line["attempt"] for line in site.evidence("start") if line["what"] == "start"].count(4) == 1
    assert "attempt 4 of 4 failed: not yet" in worker.log
    assert "attempt 1 of 4 failed: ValueError: at first" in worker.log


def test_on_failure_log_keeps_no_dead_letter(make_site: MakeSite) -> None:
    site = make_site()
    more = f"""
    [observers.logged]
    event_type = "INSERT"
    entity = "Logged"
    on_failure = "log"
    [[observers.logged.actions]]
    type = "function"
    handler = "{site.module}:refusing"
    """
    site.write([], more)
    with site.worker() as worker:
        worker.ready()
        site.publish("Logged")
        wait_until(lambda: site.stats().counters.get("logged") == 1, what="the end of the job")
        assert site.stats().dead == 0


def test_pending_jobs_and_counters_are_shown_while_a_worker_is_busy(make_site: MakeSite) -> None:
    site = make_site("slow", concurrency=1)
    with site.worker() as worker:
        worker.ready()
        site.publish("Slow", 4, secs=60)
        wait_until(lambda: site.count("start") == 1, what="the first job")
        assert worker.metrics()["job_queue_depth"] == 3
        worker.send(signal.SIGTERM)
        worker.wait_for_log("finishing what runs")
        worker.send(signal.SIGTERM)
        assert worker.wait() == 1


@pytest.mark.row(12)
def test_sigterm_ends_an_idle_worker_at_once(make_site: MakeSite) -> None:
    site = make_site("slow", more="[worker]\nshutdown_timeout_secs = 3600\n")
    with site.worker("--processes", "2") as worker:
        worker.ready()
        worker.send(signal.SIGTERM)
        assert worker.wait(30) == 0
    assert site.stats().workers == []


@pytest.mark.row(12)
def test_sigterm_finishes_what_runs(make_site: MakeSite, catalogue: Entry) -> None:
    site = make_site("slow", "threaded", concurrency=4)
    with site.worker("--processes", "2") as worker:
        worker.ready()
        children = worker.children()
        ids = site.publish("Slow", 3, secs=1) + site.publish("Threaded", 3, secs=1)
        wait_until(lambda: site.count("start") == 6, what="the starts")
        # To the whole group, as a terminal or a service manager does.
        os.killpg(worker.pid, signal.SIGTERM)
        assert worker.wait() == 0
    catalogue.record(**site.tally(ids), bound=0)
    assert site.count("end") == 6
    assert not any(is_alive(pid) for pid in children)
    stats = site.stats()
    assert (stats.counters["completed"], stats.running, stats.pending) == (6, 0, 0)
    assert stats.workers == []


@pytest.mark.row(12)
def test_what_runs_longer_than_the_grace_is_given_back_with_its_attempt_not_counted(
    make_site: MakeSite,
) -> None:
    site = make_site("slow", more="[worker]\nshutdown_timeout_secs = 0\n")
    with site.worker() as worker:
        worker.ready()
        site.publish("Slow", 2, secs=60)
        wait_until(lambda: site.count("start") == 2, what="the starts")
        worker.send(signal.SIGINT)
        assert worker.wait() == 0
    stats = site.stats()
    assert (stats.pending, stats.counters["released"]) == (2, 2)
    with site.worker() as worker:
        wait_until(lambda: site.count("start") == 4, what="the starts in the next worker")
        assert {line["attempt"] for line in site.evidence("start")} == {1}


@pytest.mark.row(12)
def test_a_second_signal_gives_back_at_once(make_site: MakeSite) -> None:
    site = make_site("slow", more="[worker]\nshutdown_timeout_secs = 3600\n")
    with site.worker() as worker:
        worker.ready()
        site.publish("Slow", 2, secs=60)
        wait_until(lambda: site.count("start") == 2, what="the starts")
        os.killpg(worker.pid, signal.SIGINT)
        worker.wait_for_log("finishing what runs")
        os.killpg(worker.pid, signal.SIGINT)
        assert worker.wait(30) == 1
    assert (site.stats().pending, site.stats().running) == (2, 0)


@pytest.mark.row(12)
def test_a_thread_that_goes_on_does_not_keep_a_worker_from_its_end(make_site: MakeSite) -> None:
    site = make_site("threaded", more="[worker]\nshutdown_timeout_secs = 0\n")
    with site.worker() as worker:
        worker.ready()
        [child] = worker.children()
        site.publish("Threaded", secs=60)
        wait_until(lambda: site.count("start") == 1, what="the start")
        assert worker.stop() == 0
        assert not is_alive(child)
    assert site.stats().pending == 1


def test_a_process_that_has_run_enough_jobs_is_replaced(make_site: MakeSite) -> None:
    site = make_site("quick", more="[worker]\nmax_jobs_per_process = 5\n")
    with site.worker() as worker:
        worker.ready()
        [first] = worker.children()
        site.publish("Quick", 10)
        worker.wait_for_log("wants to be replaced: it has run 10 jobs, max_jobs_per_process is 5")
        wait_until(lambda: worker.children() not in ([], [first]), what="another child")
        site.publish("Quick", 1)
        wait_until(lambda: site.count("end") == 11, what="the last job")
        wait_until(lambda: worker.metrics()["job_executed_total/function"] == 11, what="the counts of both")
        assert worker.stop() == 0


def test_a_process_that_takes_too_much_memory_is_replaced(make_site: MakeSite) -> None:
    with make_site("quick", more="[worker]\nmax_memory_mb = 5\n").worker() as worker:
        worker.wait_for_log("max_memory_mb is 5")
        # It is so from its start on, so the next one waits.
        worker.wait_for_log("child 1: has ended to be replaced; the next starts in 1.0 s")
