"""How a worker starts, or why it does not: every mistake is told, and the exit code says of which kind it is."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.processes import is_alive
from tests.support.server import ServerProcess
from tests.support.site import Site
from tests.support.wait import wait_until

#: A supervisor whose first child has two seconds of patience in place of thirty.
_IMPATIENT = """
import sys
from fraiseql_observers import logs
from fraiseql_observers.worker.supervisor import Supervisor
logs.setup("info", "text")
child = "import sys; from fraiseql_observers.worker import child; child.PATIENCE_SECS = 2.0; sys.exit(child.main())"
sys.exit(Supervisor([sys.executable, "-c", child, "--config", sys.argv[1]]).run())
"""


def run(*arguments: str, program: str = "") -> tuple[int, str]:
    """Run a worker that is expected to end by itself; return its exit code and what it wrote."""
    start = ["-c", program] if program else ["-m", "fraiseql_observers.worker"]
    done = subprocess.run(
        [sys.executable, *start, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.fixture
def site(tmp_path: Path, server: ServerProcess, prefix: str) -> Site:
    """A site on the shared server."""
    return Site(tmp_path, server.url, prefix)


def test_every_mistake_of_a_file_is_told_at_once(site: Site) -> None:
    site.write(["quick"], "[worker]\nprocesses = 65\nprocessess = 1\n[observers.x]\nentity = 'A'\n")
    code, text = run("--config", str(site.path))
    assert code == 2
    for key in ("worker.processes", "worker.processess", "observers.x.event_type", "observers.x.actions"):
        assert re.search(rf"observers\.toml:\d+: OB\d+ {re.escape(key)}: ", text), key
    assert "Traceback" not in text


@pytest.mark.parametrize("handler", ["no_such_module:f", "os:no_such_name"])
def test_a_handler_that_cannot_be_imported_is_told(site: Site, handler: str) -> None:
    text = site.path.read_text().replace(f"{site.module}:quick", handler)
    site.path.write_text(text)
    code, text = run("--config", str(site.path))
    assert code == 2
    assert "observers.quick.actions[0].handler" in text
    assert "Traceback" not in text


def test_a_secret_that_is_not_there_is_told(site: Site) -> None:
    more = """
    [observers.hook]
    event_type = "*"
    entity = "*"
    [[observers.hook.actions]]
    type = "webhook"
    url = "https://example.com/"
    signing_secret_env = "NO_SUCH_VARIABLE"
    """
    site.write(["quick"], more)
    code, text = run("--config", str(site.path))
    assert code == 2
    assert "NO_SUCH_VARIABLE" in text


@pytest.mark.parametrize("path", ["absent.toml", "."])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, path: str) -> None:
    code, text = run("--config", str(tmp_path / path))
    assert code == 2
    assert text.strip()
    assert "Traceback" not in text


def test_a_taken_port_ends_it_before_anything_is_started(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        site.path.write_text(site.path.read_text().replace("port = 0", f"port = {port}"))
        code, text = run("--config", str(site.path))
    assert code == 2
    assert f"cannot listen on 127.0.0.1 port {port} for metrics: Address already in use" in text
    assert site.stats().workers == []


def test_a_queue_that_cannot_be_reached_is_waited_for_aloud(
    tmp_path: Path, fresh_server: ServerProcess
) -> None:
    site = Site(tmp_path, fresh_server.url, "t")
    fresh_server.stop()
    begun = time.monotonic()
    code, text = run(str(site.path), program=_IMPATIENT)
    assert code == 3
    assert 1.5 <= time.monotonic() - begun < 25
    assert re.search(
        r"the queue at redis://127\.0\.0\.1:\d+\S* cannot be reached: .*; trying for 2 s more", text
    )
    assert "cannot be used: " in text
    assert "Traceback" not in text


def test_a_queue_that_comes_up_in_time_is_used(tmp_path: Path, fresh_server: ServerProcess) -> None:
    site = Site(tmp_path, fresh_server.url, "t")
    fresh_server.stop()
    with site.worker() as worker:
        worker.wait_for_log("cannot be reached")
        fresh_server.start()
        worker.ready()
        assert worker.stop() == 0


def test_a_worker_that_waits_for_its_queue_ends_when_it_is_told(
    tmp_path: Path, fresh_server: ServerProcess
) -> None:
    site = Site(tmp_path, fresh_server.url, "t")
    fresh_server.stop()
    with site.worker() as worker:
        worker.wait_for_log("cannot be reached")
        children = worker.children()
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
        assert not any(is_alive(pid) for pid in children)


def test_a_refused_login_is_told_at_once_without_the_password(tmp_path: Path, server_binary: Path) -> None:
    with ServerProcess(server_binary, extra=("--requirepass", "canary-right")) as locked:
        url = locked.url.replace("redis://", "redis://:canary-wrong@")
        site = Site(tmp_path, url, "t")
        code, text = run("--config", str(site.path))
    assert code == 3
    assert "the login is refused" in text
    assert "canary" not in text


@pytest.mark.parametrize(
    ("arguments", "more", "reason"),
    [
        (("--maxmemory-policy", "allkeys-lru"), "", "allkeys-lru"),
        (
            ("--appendonly", "no"),
            "[worker]\n[storage]\nkey_prefix = 't'\ndurability = 'disk'\n",
            "durability is disk, but the server",
        ),
    ],
)
def test_a_server_that_must_not_hold_jobs_is_refused(
    tmp_path: Path, server_binary: Path, arguments: tuple[str, ...], more: str, reason: str
) -> None:
    with ServerProcess(server_binary, extra=arguments) as unfit:
        site = Site(tmp_path, unfit.url, "t")
        if more:
            site.settings = site.settings.replace('[storage]\nkey_prefix = "t"\n', "")
            site.write(["quick"], more)
        code, text = run("--config", str(site.path))
    assert code == 2
    assert reason in text
    assert "Traceback" not in text


def test_an_embedded_server_is_started_and_used(tmp_path: Path) -> None:
    site = Site(tmp_path, f"embedded://{tmp_path}/data", "t")
    with site.worker() as worker:
        worker.ready()
        site.publish("Quick", 3)
        wait_until(lambda: site.count("end") == 3, what="the jobs")
        assert "durability process" in worker.log
        assert worker.stop() == 0


def test_supervisor_and_idle_child_are_small(site: Site) -> None:
    with site.worker() as worker:
        worker.ready()
        [child] = worker.children()
        resident = {pid: _resident_mb(pid) for pid in (worker.pid, child)}
        assert resident[worker.pid] <= 25
        assert resident[child] <= 60


def _resident_mb(pid: int) -> float:
    text = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True
    ).stdout
    return int(text) / 1024


def test_a_worker_without_standard_streams_works(site: Site) -> None:
    """As some service managers start it; and nothing of what it opens gets their numbers."""
    site.write(["quick"])
    program = "import os, sys; os.closerange(0, 3); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    worker = subprocess.Popen(
        [sys.executable, "-c", program, "-m", "fraiseql_observers.worker", "--config", str(site.path)]
    )
    try:
        site.publish("Quick")
        wait_until(lambda: site.count("end") == 1, deadline_secs=40, what="the job")
        if sys.platform == "linux":
            streams = {str(Path(f"/proc/{worker.pid}/fd/{fd}").readlink()) for fd in range(3)}
            assert streams == {os.devnull}
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0
    finally:
        worker.kill()
        worker.wait()


def test_a_worker_whose_log_nobody_reads_runs_its_jobs_and_ends(site: Site) -> None:
    """Not even the pipe's first bytes are read: children and supervisor meet one that is full."""
    site.write(["quick", "once_failing"])
    read, write = os.pipe()
    os.set_blocking(write, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(write, b"x" * 4096):
            pass
    os.set_blocking(write, True)
    command = [sys.executable, "-m", "fraiseql_observers.worker", "--config", str(site.path)]
    worker = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=write)
    try:
        site.publish("Quick", 20)
        site.publish("Once_Failing", 5)
        wait_until(lambda: site.count("end") == 25, what="the jobs")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(40) == 0
    finally:
        worker.kill()
        worker.wait()
        os.close(read)
        os.close(write)
