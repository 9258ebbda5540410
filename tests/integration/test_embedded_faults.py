"""Whatever is killed, removed or damaged, there is one server at most and nothing answered is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from fraiseql_observers.embedded import open_embedded
from fraiseql_observers.embedded.locks import FileLock, is_held
from fraiseql_observers.embedded.paths import DataDirectory, Record, prepare
from fraiseql_observers.embedded.process import start_server
from fraiseql_observers.embedded.user import find_binary
from fraiseql_observers.embedded.wire import Answer, ping
from fraiseql_observers.errors import QueueUnavailable
from tests.support.embedded_place import LINGER_SECS, SLACK_SECS, EmbeddedPlace
from tests.support.embedded_user import EmbeddedUser
from tests.support.processes import is_alive
from tests.support.wait import wait_until


def test_killed_keeper_leaves_one_server_and_all_data(place: EmbeddedPlace) -> None:
    """The next open finds the data and no second server."""
    with (
        open_embedded(place.url, _linger_secs=LINGER_SECS) as server,
        redis.Redis.from_url(server.url) as client,
    ):
        client.set("kept", "yes")
        keeper_pid, server_pid = place.pids()
        _kill_and_wait(keeper_pid)
        with open_embedded(place.url, _linger_secs=LINGER_SECS) as again:
            assert again.url == server.url
            assert client.get("kept") == b"yes"
            assert not is_alive(server_pid)
            assert place.pids() != (keeper_pid, server_pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_server_ends_with_a_killed_keeper(place: EmbeddedPlace) -> None:
    """No server is left behind, even if nobody opens the directory again."""
    with open_embedded(place.url, _linger_secs=LINGER_SECS):
        keeper_pid, _ = place.pids()
        os.kill(keeper_pid, signal.SIGKILL)
        place.wait_until_empty()


def test_connected_user_survives_the_end_of_the_keeper(place: EmbeddedPlace) -> None:
    """A user whose server went with its keeper has a server again after `ensure`, at the same address."""
    with EmbeddedUser(place.url, LINGER_SECS) as user:
        user.ask("SET", "kept", "yes")
        keeper_pid, _ = place.pids()
        _kill_and_wait(keeper_pid)
        assert user.ask("ensure") == user.opened()["url"]
        assert user.ask("GET", "kept") == "yes"
        place.pids()


def test_orphaned_server_is_ended_before_another_starts(place: EmbeddedPlace) -> None:
    """Where a server outlives its keeper, as on macOS, the next keeper ends it, and no write is lost."""
    orphan, socket = _start_orphan(place)
    with redis.Redis(unix_socket_path=str(socket)) as client:
        client.set("kept", "yes")
    with (
        open_embedded(place.url, _linger_secs=LINGER_SECS) as server,
        redis.Redis.from_url(server.url) as client,
    ):
        assert client.get("kept") == b"yes"
        assert client.info("server")["process_id"] != orphan.pid
        assert orphan.wait(SLACK_SECS) == 0
        place.pids()


def test_new_keeper_leads_nobody_to_an_orphan(place: EmbeddedPlace) -> None:
    """When the keeper's starter goes on, the record of the earlier server is void, though that one runs."""
    orphan, socket = _start_orphan(place)
    orphan.send_signal(signal.SIGSTOP)
    try:
        command = (sys.executable, "-m", "fraiseql_observers.embedded.keeper")
        subprocess.run(
            [*command, str(place.path), str(find_binary()), "0"], stderr=subprocess.DEVNULL, check=True
        )
        assert Record.read(DataDirectory(place.path)) == Record(str(socket))
    finally:
        orphan.send_signal(signal.SIGCONT)
    assert orphan.wait(SLACK_SECS) == 0
    wait_until(lambda: not is_held(place.path / "keeper.lock"), what="the end of the keeper")


def test_killed_server_comes_back_with_its_data(place: EmbeddedPlace) -> None:
    """The keeper starts it again by itself; those who are connected need only reconnect."""
    with (
        open_embedded(place.url, _linger_secs=LINGER_SECS) as server,
        redis.Redis.from_url(server.url) as client,
    ):
        client.set("kept", "yes")
        keeper_pid, server_pid = place.pids()
        os.kill(server_pid, signal.SIGKILL)
        wait_until(lambda: place.pids()[1] != server_pid, what="another server")
        assert place.pids()[0] == keeper_pid
        assert client.get("kept") == b"yes"


def test_server_that_cannot_read_its_file_is_reported(place: EmbeddedPlace) -> None:
    """A damaged file leads to an error with the server's own words, not to a wait."""
    with (
        open_embedded(place.url, _linger_secs=LINGER_SECS) as server,
        redis.Redis.from_url(server.url) as client,
    ):
        client.set("kept", "yes")
        place.pids()
    place.wait_until_empty()
    (file,) = (place.path / "appendonlydir").glob("*.incr.aof")
    file.write_bytes(b"rubbish\r\n" + file.read_bytes())
    with pytest.raises(QueueUnavailable, match="Bad file format"):
        open_embedded(place.url, _linger_secs=LINGER_SECS)


def test_server_that_crashes_again_and_again_is_given_up(place: EmbeddedPlace) -> None:
    """A file that is damaged meanwhile does not keep the keeper busy for ever, and `ensure` says why."""
    with open_embedded(place.url, _linger_secs=LINGER_SECS) as server:
        _, server_pid = place.pids()
        (file,) = (place.path / "appendonlydir").glob("*.incr.aof")
        file.write_bytes(b"rubbish\r\n")
        os.kill(server_pid, signal.SIGKILL)
        place.wait_until_empty()
        assert "times in a row; giving up" in (place.path / "server.log").read_text()
        with pytest.raises(QueueUnavailable, match="Bad file format"):
            server.ensure()


def test_removed_socket_is_made_again(place: EmbeddedPlace) -> None:
    """A cleaner that removes the socket does not cut the server off from new connections for good."""
    with open_embedded(place.url, _linger_secs=LINGER_SECS) as server:
        _, server_pid = place.pids()
        (place.path / "server.sock").unlink()
        wait_until(lambda: place.pids()[1] != server_pid, what="another server")
        with redis.Redis.from_url(server.url) as client:
            assert client.ping()


def test_keeper_told_to_stop_ends_its_server(place: EmbeddedPlace) -> None:
    """SIGTERM, as at the end of the system, ends both, whoever uses the server."""
    with open_embedded(place.url, _linger_secs=LINGER_SECS):
        keeper_pid, _ = place.pids()
        os.kill(keeper_pid, signal.SIGTERM)
        place.wait_until_empty()


def test_lock_that_cannot_be_opened_is_reported(place: EmbeddedPlace) -> None:
    """What the system refuses, a full disk for instance, reaches the user as an error of the package."""
    with open_embedded(place.url, _linger_secs=LINGER_SECS) as server:
        place.pids()
        (place.path / "start.lock").unlink()
        (place.path / "start.lock").mkdir()
        with pytest.raises(QueueUnavailable, match="Is a directory"):
            server.ensure()


def test_removed_directory_ends_the_server_and_is_reported(place: EmbeddedPlace) -> None:
    """No process goes on for data that is gone, and a user is told instead of given an empty queue."""
    with open_embedded(place.url, _linger_secs=60) as server:
        place.pids()
        place.path.rename(place.path.with_name("elsewhere"))
        place.wait_until_empty()
        with pytest.raises(ValueError, match="was removed while it was in use"):
            server.ensure()


def test_closed_descriptors_are_opened_again(place: EmbeddedPlace) -> None:
    """A program that closes all descriptors to become a daemon counts again after `ensure`."""
    with EmbeddedUser(place.url, LINGER_SECS) as user:
        user.ask("close descriptors")
        user.ask("ensure")
        _, server_pid = place.pids()
        place.outlast_the_linger()
        assert is_alive(server_pid)


def test_keeper_that_is_ending_lets_nobody_in(place: EmbeddedPlace) -> None:
    """A user who arrives while the server ends waits for the end, then gets another with the same data."""
    with open_embedded(place.url, _linger_secs=0) as server, redis.Redis.from_url(server.url) as client:
        client.set("kept", "yes")
        _, server_pid = place.pids()
        os.kill(server_pid, signal.SIGSTOP)  # its end takes as long as the test wants
    log = place.path / "server.log"
    wait_until(lambda: "nobody has used the server" in log.read_text(), what="the keeper to end")
    newcomer = FileLock(place.path / "users.lock")
    assert not newcomer.try_shared()
    newcomer.close()
    os.kill(server_pid, signal.SIGCONT)
    with open_embedded(place.url, _linger_secs=0) as server, redis.Redis.from_url(server.url) as client:
        assert not is_alive(server_pid)
        assert client.get("kept") == b"yes"
        place.pids()


def _start_orphan(place: EmbeddedPlace) -> tuple[subprocess.Popen[bytes], Path]:
    """Start a server that answers and has no keeper. The test is its parent, so that no kernel ends it."""
    directory = prepare(place.path)
    lock = FileLock(directory.server_lock)
    assert lock.try_exclusive()
    socket = place.path / "server.sock"
    orphan = start_server(find_binary(), directory, socket, lock)
    lock.close()
    wait_until(lambda: ping(socket) is Answer.READY, what="the orphan")
    Record(str(socket), 1, orphan.pid).write(directory)
    return orphan, socket


def _kill_and_wait(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid), what=f"the end of {pid}")
