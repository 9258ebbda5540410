"""What the worker's HTTP endpoint answers, with fake children behind it."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.support.wait import wait_until
from tests.unit.worker.supervised import Supervised

METRICS = {"metrics_enabled": True}


def samples(text: str) -> dict[str, float]:
    """Every sample of a scrape by its name and labels, as the text format writes them."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def scrape(worker: Supervised) -> dict[str, float]:
    status, text = worker.get("/metrics")
    assert status == 200
    return samples(text)


def readiness(worker: Supervised) -> tuple[int, dict[str, Any]]:
    status, text = worker.get("/readyz")
    return status, json.loads(text)


def test_counters_are_the_sum_over_the_children(tmp_path: Path) -> None:
    with Supervised(tmp_path, {"plan": METRICS}, processes=3) as worker:
        worker.wait_for_start()
        name = "fraiseql_observer_job_executed_total{action_type=log}"
        wait_until(lambda: scrape(worker).get(name) == 6, what="the sum of three children")
        assert scrape(worker)["fraiseql_observer_job_duration_seconds_sum{action_type=log}"] == 7.5


def test_counters_of_a_dead_child_are_kept(tmp_path: Path) -> None:
    with Supervised(tmp_path, {"plan": METRICS}) as worker:
        worker.wait_for_start()
        name = "fraiseql_observer_job_executed_total{action_type=log}"
        wait_until(lambda: scrape(worker).get(name) == 2, what="the first child's counters")
        os.kill(worker.pids[0], signal.SIGKILL)
        seen: list[float] = []

        def has_grown() -> bool:
            seen.append(scrape(worker)[name])
            return seen[-1] == 4

        wait_until(has_grown, what="the sum with the next child")
        assert seen == sorted(seen)


def test_gauges_are_read_from_the_queue(tmp_path: Path) -> None:
    with Supervised(tmp_path, {"plan": METRICS}) as worker:
        worker.wait_for_start()
        shown = scrape(worker)
        assert shown["fraiseql_observer_job_queue_depth"] == 5
        assert shown["fraiseql_observer_job_dlq_items"] == 2


def test_gauges_are_left_out_when_the_queue_does_not_answer(tmp_path: Path) -> None:
    with Supervised(tmp_path, {"plan": METRICS, "gauges": None}) as worker:
        worker.wait_for_start()
        shown = scrape(worker)
        assert "fraiseql_observer_job_queued_total" in shown
        assert "fraiseql_observer_job_queue_depth" not in shown


def test_a_scrape_answers_within_a_second_when_no_child_does(tmp_path: Path) -> None:
    with Supervised(tmp_path, {"plan": METRICS, "deaf": True}) as worker:
        worker.wait_for_start()
        took = []
        for _ in range(3):
            begun = time.monotonic()
            shown = scrape(worker)
            took.append(time.monotonic() - begun)
            assert "fraiseql_observer_job_queue_depth" not in shown
        # What waits for a child waits each time; a busy machine is not late three times.
        assert min(took) < 1.0, took


def test_another_child_is_asked_when_the_first_is_deaf(tmp_path: Path) -> None:
    with Supervised(tmp_path, {"plan": METRICS, "deaf": True}, {}, processes=2) as worker:
        worker.wait_for_start()
        wait_until(lambda: readiness(worker)[0] == 200, what="both children")
        for _ in range(3):
            assert scrape(worker)["fraiseql_observer_job_queue_depth"] == 5


def test_readiness_waits_for_every_child(tmp_path: Path) -> None:
    with Supervised(
        tmp_path, {"plan": METRICS}, {"end_after_secs": 0.2, "end_when_ready": 1}, processes=2
    ) as worker:
        worker.wait_for_start()
        worker.wait_for_log("child 2: ended by itself")
        status, body = readiness(worker)
        assert status == 503
        assert body == {
            "ready": False,
            "stopping": False,
            "children": {"wanted": 2, "ready": 1, "healthy": 1},
        }
        assert worker.get("/healthz") == (200, "alive\n")


def test_a_worker_whose_queue_is_away_is_not_ready(tmp_path: Path) -> None:
    with Supervised(tmp_path, {"plan": METRICS, "reachable": False}) as worker:
        worker.wait_for_start()
        wait_until(
            lambda: readiness(worker)[1]["children"] == {"wanted": 1, "ready": 1, "healthy": 0},
            what="the news",
        )
        assert readiness(worker)[0] == 503


def test_a_stopping_worker_is_not_ready(tmp_path: Path) -> None:
    with Supervised(tmp_path, {"plan": METRICS, "ignores_stop": True}) as worker:
        worker.wait_for_start()
        worker.send(signal.SIGTERM)
        wait_until(lambda: readiness(worker)[1]["stopping"], what="the stop")
        assert readiness(worker)[0] == 503


def test_a_silent_child_is_killed_after_the_job_timeout_and_some(tmp_path: Path) -> None:
    with Supervised(tmp_path, {"plan": {"job_timeout_secs": -9}, "silent": True}, {}) as worker:
        worker.wait_for_starts(2)
        assert "it is killed and replaced" in worker.log


def test_a_taken_port_ends_with_2_and_says_what_to_change(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Supervised(tmp_path, {"plan": METRICS | {"metrics_port": port}}) as worker:
            assert worker.wait() == 2
            assert f"cannot listen on 127.0.0.1 port {port} for metrics: Address already in use" in worker.log
            assert "set [metrics] port to another one" in worker.log
            assert "go" not in worker.orders(worker.pids[0])
