"""The supervisor: starts, signals, ends. Its children are fakes that speak the pipes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support.processes import is_alive
from tests.support.wait import wait_until
from tests.unit.worker.supervised import Supervised


def test_the_start_line_says_what_the_worker_will_do(tmp_path: Path) -> None:
    with Supervised(tmp_path) as worker:
        worker.wait_for_start()
        [line] = [line for line in worker.log.splitlines() if "jobs at a time" in line]
        assert (
            f"fraiseql_observers 0.0.0, pid {worker.process.pid}: 1 x 7 jobs at a time from default, slow"
            in line
        )
        assert "for 3 observers; valkey 9.1.2, durability process; metrics off" in line


def test_only_the_first_child_starts_before_the_queue_is_open(tmp_path: Path) -> None:
    with Supervised(tmp_path, {"end_before_queue": 3}, processes=3) as worker:
        assert worker.wait() == 3
        assert len(worker.pids) == 1


def test_as_many_children_start_as_the_command_line_says(tmp_path: Path) -> None:
    with Supervised(tmp_path, {"plan": {"processes": 1}}, processes=3) as worker:
        pids = worker.wait_for_starts(3)
        assert "--first" in worker.starts[0]["arguments"]
        assert "--first" not in worker.starts[1]["arguments"]
        wait_until(lambda: all("go" in worker.orders(pid) for pid in pids), what="the order to go")


def test_as_many_children_start_as_the_plan_says(tmp_path: Path) -> None:
    with Supervised(tmp_path, {"plan": {"processes": 2}}) as worker:
        worker.wait_for_starts(2)


def test_a_refused_configuration_ends_with_2(tmp_path: Path) -> None:
    with Supervised(tmp_path, {"end_before_plan": 2}) as worker:
        assert worker.wait() == 2


def test_a_first_child_that_is_killed_ends_the_worker_with_1(tmp_path: Path) -> None:
    with Supervised(tmp_path, {"end_before_plan": -9}) as worker:
        assert worker.wait() == 1
        assert "did not get as far as to work: it ended with -9" in worker.log


def test_sigterm_finishes_and_ends_with_0(tmp_path: Path) -> None:
    with Supervised(tmp_path, processes=2) as worker:
        pids = worker.wait_for_starts(2)
        worker.wait_for_start()
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
        assert [worker.orders(pid)[-1] for pid in pids] == ["stop", "stop"]
        assert not any(is_alive(pid) for pid in pids)


def test_a_signal_to_the_whole_group_is_one_signal(tmp_path: Path) -> None:
    """Ctrl-C reaches the children too: they obey their pipe alone."""
    with Supervised(tmp_path, processes=2) as worker:
        pids = worker.wait_for_starts(2)
        worker.wait_for_start()
        os.killpg(worker.process.pid, signal.SIGINT)
        assert worker.wait() == 0
        assert not any(is_alive(pid) for pid in pids)


def test_a_second_signal_releases_at_once_and_ends_with_1(tmp_path: Path) -> None:
    with Supervised(tmp_path, {"ignores_stop": True, "plan": {"shutdown_timeout_secs": 3600}}) as worker:
        worker.wait_for_start()
        [pid] = worker.pids
        worker.send(signal.SIGTERM)
        wait_until(lambda: "stop" in worker.orders(pid), what="the order to stop")
        worker.send(signal.SIGINT)
        assert worker.wait() == 1
        assert worker.orders(pid)[-1] == "leave"


def test_a_child_that_obeys_nothing_is_killed(tmp_path: Path) -> None:
    behaviour = {"ignores_stop": True, "ignores_leave": True}
    with Supervised(tmp_path, behaviour) as worker:
        worker.wait_for_start()
        [pid] = worker.pids
        worker.send(signal.SIGTERM)
        worker.wait_for_log("finishing what runs")
        worker.send(signal.SIGTERM)
        assert worker.wait() == 1
        assert "did not end in time and is killed" in worker.log
        assert not is_alive(pid)


def test_sigterm_during_the_start_ends_with_0(tmp_path: Path) -> None:
    with Supervised(tmp_path, {"reports": []}) as worker:
        worker.wait_for_starts(1)
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0


def test_killing_the_supervisor_stops_its_children(tmp_path: Path) -> None:
    with Supervised(tmp_path, processes=2) as worker:
        pids = worker.wait_for_starts(2)
        # One that is killed earlier leaves children that have nobody to report to.
        wait_until(lambda: all("go" in worker.orders(pid) for pid in pids), what="the order to go")
        worker.send(signal.SIGKILL)
        worker.wait()
        wait_until(lambda: not any(is_alive(pid) for pid in pids), what="the end of the children")
        assert [worker.orders(pid)[-1] for pid in pids] == ["eof", "eof"]


def test_a_child_killed_while_stopping_makes_the_end_partial(tmp_path: Path) -> None:
    with Supervised(tmp_path, {"ignores_stop": True, "plan": {"shutdown_timeout_secs": 3600}}) as worker:
        worker.wait_for_start()
        [pid] = worker.pids
        worker.send(signal.SIGTERM)
        wait_until(lambda: "stop" in worker.orders(pid), what="the order to stop")
        os.kill(pid, signal.SIGKILL)
        assert worker.wait() == 1


def test_sighup_reads_the_observers_again_and_says_so_once(tmp_path: Path) -> None:
    with Supervised(tmp_path, processes=2) as worker:
        pids = worker.wait_for_starts(2)
        wait_until(lambda: all("go" in worker.orders(pid) for pid in pids), what="both children")
        worker.send(signal.SIGHUP)
        wait_until(lambda: all("reload" in worker.orders(pid) for pid in pids), what="the order to reload")
        worker.wait_for_log("observers read again: 4")
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
        assert worker.log.count("observers read again") == 1


def test_sighup_with_a_bad_file_says_what_is_wrong(tmp_path: Path) -> None:
    with Supervised(tmp_path, {"reloaded": {"error": "observers.toml:3: no such key"}}) as worker:
        worker.wait_for_start()
        worker.send(signal.SIGHUP)
        worker.wait_for_log("the observers stay as they are")
        assert "observers.toml:3: no such key" in worker.log


def test_a_queue_that_refuses_a_child_ends_the_worker_with_3(tmp_path: Path) -> None:
    refused = {"reports": [{"kind": "refused"}], "end_after_secs": 0.5, "end_when_ready": 3}
    with Supervised(tmp_path, {}, refused, processes=2) as worker:
        assert worker.wait() == 3
        assert worker.orders(worker.pids[0])[-1] == "stop"
        assert len(worker.pids) == 2


@pytest.mark.parametrize("code", [2, 3, 75])
def test_a_handler_that_ends_its_process_with_a_code_of_ours_fools_nobody(tmp_path: Path, code: int) -> None:
    with Supervised(tmp_path, {"end_when_ready": code}, {}) as worker:
        second = worker.wait_for_starts(2)[1]
        wait_until(lambda: "go" in worker.orders(second), what="the order to go")
        assert "the next starts in 0.5 s" in worker.log
