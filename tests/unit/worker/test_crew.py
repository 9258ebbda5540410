"""The crew: deaths, replacements, silent children, suspects."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.processes import is_alive
from tests.support.wait import wait_until
from tests.unit.worker.supervised import Supervised


def test_a_killed_child_is_replaced(tmp_path: Path) -> None:
    with Supervised(tmp_path) as worker:
        worker.wait_for_start()
        os.kill(worker.pids[0], signal.SIGKILL)
        second = worker.wait_for_starts(2)[1]
        wait_until(lambda: "go" in worker.orders(second), what="the order to go")
        assert "child 1: was ended by SIGKILL; the next starts in 0.5 s" in worker.log


def test_a_child_that_ends_by_itself_without_a_fault_is_replaced_too(tmp_path: Path) -> None:
    """A handler may call `os._exit(0)`."""
    with Supervised(tmp_path, {"end_when_ready": 0}, {}) as worker:
        worker.wait_for_starts(2)
        assert "ended by itself with code 0" in worker.log


def test_a_child_that_keeps_dying_is_started_later_and_later(tmp_path: Path) -> None:
    with Supervised(tmp_path, {"end_when_ready": 7}) as worker:
        worker.wait_for_starts(3)
        worker.wait_for_log("the next starts in 2.0 s")
        assert "the next starts in 0.5 s" in worker.log
        assert "the next starts in 1.0 s" in worker.log


def test_a_child_that_asks_for_it_is_replaced_at_once(tmp_path: Path) -> None:
    leaving = {"kind": "leaving", "reason": "it has run 10 jobs", "jobs": 10}
    with Supervised(tmp_path, {"reports": [leaving], "end_when_ready": 75}, {}) as worker:
        worker.wait_for_starts(2)
        assert "wants to be replaced: it has run 10 jobs" in worker.log
        assert "the next starts in 0.0 s" in worker.log


def test_a_child_that_asks_for_it_before_its_first_job_waits(tmp_path: Path) -> None:
    """Else a memory limit below what Python itself takes would start processes without end."""
    leaving = {"kind": "leaving", "reason": "it takes 60 MB", "jobs": 0}
    with Supervised(tmp_path, {"reports": [leaving], "end_when_ready": 75}, {}) as worker:
        worker.wait_for_starts(2)
        assert "the next starts in 0.5 s" in worker.log


def test_a_child_that_writes_rubbish_is_killed_and_replaced(tmp_path: Path) -> None:
    with Supervised(tmp_path, {"raw": "no report\n"}, {}) as worker:
        first = worker.wait_for_starts(2)[0]
        assert not is_alive(first)
        assert "child 1: was ended by SIGKILL" in worker.log


def test_suspects_get_a_child_of_their_own_until_none_is_left(tmp_path: Path) -> None:
    with Supervised(tmp_path, {"reports": [{"kind": "suspects"}]}, {"end_when_ready": 0}) as worker:
        worker.wait_for_starts(2)
        assert "--suspects" in worker.starts[1]["arguments"]
        wait_until(lambda: not is_alive(worker.pids[1]), what="the end of the suspects' child")
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
        assert len(worker.pids) == 2


def test_a_suspect_that_kills_its_child_does_not_stop_the_others(tmp_path: Path) -> None:
    behaviours: list[Mapping[str, Any]] = [
        {"reports": [{"kind": "suspects"}]},
        {"end_when_ready": -11},
        {"end_when_ready": 0},
    ]
    with Supervised(tmp_path, *behaviours) as worker:
        worker.wait_for_starts(3)
        assert "suspects: was ended by SIGSEGV; the next starts in 0.5 s" in worker.log
        assert is_alive(worker.pids[0])
