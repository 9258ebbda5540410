"""What a worker costs while it has nothing to do, with a server and without one, and how soon it is back."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

import pytest

from tests.support.queue_under_test import QueueUnderTest, act
from tests.support.runs import Runs
from tests.support.server import ServerProcess
from tests.support.wait import wait_until
from tests.support.worker_process import WorkerProcess

#: Seconds over which commands and CPU are counted.
WINDOW_SECS = 6.0
MOST_COMMANDS_A_SECOND = 5.0
#: Seconds within which a worker has opened its queue, loaded its scripts and tended once.
BEGIN_SECS = 2.0
#: Of one core, for the whole worker.
MOST_CPU_SHARE = 0.5
#: Seconds within which a worker is back at a server that answers again: five, and more on a machine that is shared.
BACK_SECS = 15.0


def client_commands(port: int, secs: float) -> list[str]:
    """Listen for a while to what clients send to a server; what scripts call is left out."""
    end = time.monotonic() + secs
    heard = b""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"MONITOR\r\n")
        while (left := end - time.monotonic()) > 0:
            connection.settimeout(left)
            try:
                heard += connection.recv(65_536)
            except TimeoutError:
                break
    first, *commands = heard.decode(errors="replace").splitlines()
    assert first == "+OK"
    return [command for command in commands if " lua]" not in command]


def cpu_secs(pids: list[int]) -> float:
    """Add up the CPU time of processes, of user and system."""
    total = 0
    for pid in pids:
        # The name of the program, in parentheses, may hold spaces; user and system time are fields 14 and 15.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def test_an_idle_worker_sends_few_commands(fresh_server: ServerProcess, prefix: str, tmp_path: Path) -> None:
    """Polling, beats and tending together stay below the bound, with every setting at its default."""
    queue = QueueUnderTest(tmp_path, fresh_server.url, prefix)
    with WorkerProcess(queue.config) as worker:
        client_commands(fresh_server.port, BEGIN_SECS)
        commands = client_commands(fresh_server.port, WINDOW_SECS)
        if len(commands) / WINDOW_SECS > MOST_COMMANDS_A_SECOND:
            # It may have begun later than that, on a machine that is late with everything.
            commands = client_commands(fresh_server.port, WINDOW_SECS)
        assert worker.stop() == 0
    assert commands, "a worker that sends nothing does not watch its queue"
    assert len(commands) / WINDOW_SECS <= MOST_COMMANDS_A_SECOND, "\n".join(commands)


@pytest.mark.skipif(sys.platform != "linux", reason="CPU time is read from /proc")
def test_a_worker_without_server_does_not_spin_and_is_back_soon(
    fresh_server: ServerProcess, prefix: str, tmp_path: Path, runs: Runs
) -> None:
    """It waits between attempts; when the server is back, so is the worker, and its wake-up calls with it."""
    queue = QueueUnderTest(tmp_path, fresh_server.url, prefix)
    with WorkerProcess(queue.config, environment=runs.environment) as worker:
        queue.publish([act("before")])
        queue.wait_until_completed(1)
        fresh_server.kill()
        pids = worker.processes()
        before, began = cpu_secs(pids), time.monotonic()
        wait_until(
            lambda: time.monotonic() - began >= WINDOW_SECS, deadline_secs=WINDOW_SECS + 5, what="the window"
        )
        share = (cpu_secs(pids) - before) / (time.monotonic() - began)
        assert share <= MOST_CPU_SHARE
        assert worker.processes() == pids

        fresh_server.start()
        back = time.monotonic()
        queue.publish([act("after")])
        queue.wait_until_completed(2)
        assert runs.starts()[-1].at - back <= BACK_SECS
        assert worker.stop() == 0
    assert "queue_down" in worker.whole_log
    assert "queue_up" in worker.whole_log


def test_a_wake_up_call_reaches_a_worker_after_its_server_was_restarted(
    fresh_server: ServerProcess, prefix: str, tmp_path: Path, runs: Runs
) -> None:
    """The blocking wait is made again: nothing waits for the next poll, which is far away here."""
    queue = QueueUnderTest(tmp_path, fresh_server.url, prefix, poll_interval_ms=10_000)
    with WorkerProcess(queue.config, environment=runs.environment) as worker:
        queue.publish([act("before")])
        queue.wait_until_completed(1)
        fresh_server.kill()
        fresh_server.start()
        back = time.monotonic()
        for number in range(3):
            queue.publish([act(str(number))])
            queue.wait_until_completed(number + 2)
        assert runs.starts()[-1].at - back <= BACK_SECS
        assert worker.stop() == 0
