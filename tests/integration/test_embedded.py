"""The embedded server is one server per directory for everybody, and leaves no process behind."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from fraiseql_observers.embedded import open_embedded
from tests.support.embedded_place import LINGER_SECS, EmbeddedPlace
from tests.support.embedded_user import EmbeddedUser
from tests.support.processes import is_alive


def test_first_open_starts_a_private_durable_server(place: EmbeddedPlace) -> None:
    """The server has the settings that the package asks of any server, and nobody else can reach it."""
    with (
        open_embedded(place.url, _linger_secs=LINGER_SECS) as server,
        redis.Redis.from_url(server.url) as client,
    ):
        names = ("appendonly", "appendfsync", "maxmemory-policy", "port", "protected-mode", "save")
        assert {name: client.config_get(name)[name] for name in names} == {
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "port": "0",
            "protected-mode": "yes",
            "save": "",
        }
        open_to_others = [path for path in (place.path, *place.path.iterdir()) if path.stat().st_mode & 0o077]
        assert open_to_others == []
        place.pids()


def test_data_is_there_after_a_clean_stop(place: EmbeddedPlace) -> None:
    """What was written before the last user left is read by the next one, from another server."""
    with (
        open_embedded(place.url, _linger_secs=LINGER_SECS) as server,
        redis.Redis.from_url(server.url) as client,
    ):
        client.set("kept", "yes")
        place.pids()
    place.wait_until_empty()
    with (
        open_embedded(place.url, _linger_secs=LINGER_SECS) as server,
        redis.Redis.from_url(server.url) as client,
    ):
        assert client.get("kept") == b"yes"


def test_two_processes_share_one_server(place: EmbeddedPlace) -> None:
    """The second process finds the server of the first."""
    with EmbeddedUser(place.url, LINGER_SECS) as first, EmbeddedUser(place.url, LINGER_SECS) as second:
        assert first.opened() == second.opened()
        first.ask("SET", "word", "hello")
        assert second.ask("GET", "word") == "hello"
        place.pids()


def test_one_process_may_open_many_times(place: EmbeddedPlace) -> None:
    """Closing one of two leaves the server to the other, for longer than it lingers."""
    first = open_embedded(place.url, _linger_secs=LINGER_SECS)
    with open_embedded(place.url, _linger_secs=LINGER_SECS) as second:
        assert first.url == second.url
        _, server_pid = place.pids()
        first.close()
        first.close()
        with pytest.raises(RuntimeError, match="was closed"):
            first.ensure()
        place.outlast_the_linger()
        assert is_alive(server_pid)


def test_eight_first_opens_at_once_start_one_server(place: EmbeddedPlace) -> None:
    """Whoever comes first starts the server, and the others use it."""
    with ExitStack() as stack:
        users = [stack.enter_context(EmbeddedUser(place.url, LINGER_SECS)) for _ in range(8)]
        assert len({user.opened()["run_id"] for user in users}) == 1
        log = (place.path / "server.log").read_text()
        assert log.count("Ready to accept connections") == 1
        place.pids()


def test_server_ends_after_its_last_user_was_killed(place: EmbeddedPlace) -> None:
    """A user that is killed with -9 counts no longer, and no process stays."""
    user = EmbeddedUser(place.url, LINGER_SECS)
    user.opened()
    pids = place.pids()
    user.kill()
    place.wait_until_empty()
    assert not any(map(is_alive, pids))


def test_server_lingers_after_its_last_user(place: EmbeddedPlace) -> None:
    """A command that follows another one soon finds the same server."""
    with EmbeddedUser(place.url, 60) as first:
        run_id = first.opened()["run_id"]
        first.leave()
    with EmbeddedUser(place.url, 60) as second:
        assert second.opened()["run_id"] == run_id
    keeper_pid, _ = place.pids()
    os.kill(keeper_pid, signal.SIGTERM)


def test_server_outlives_the_process_that_started_it(place: EmbeddedPlace) -> None:
    """The starter is killed with -9 while another user goes on: the same server, nothing lost."""
    starter = EmbeddedUser(place.url, LINGER_SECS)
    run_id = starter.opened()["run_id"]
    with EmbeddedUser(place.url, LINGER_SECS) as other:
        other.opened()
        place.pids()
        starter.ask("SET", "from", "starter")
        starter.kill()
        place.outlast_the_linger()
        assert other.ask("GET", "from") == "starter"
        assert other.opened()["run_id"] == run_id


def test_child_made_by_fork_keeps_the_server(place: EmbeddedPlace) -> None:
    """A child goes on counting as a user when its parent is killed."""
    parent = EmbeddedUser(place.url, LINGER_SECS)
    child_pid = parent.ask("fork")
    _, server_pid = place.pids()
    parent.kill()
    try:
        place.outlast_the_linger()
        assert is_alive(server_pid)
    finally:
        os.kill(child_pid, signal.SIGKILL)
    place.wait_until_empty()


def test_two_directories_are_two_servers(place: EmbeddedPlace, tmp_path: Path) -> None:
    """Each directory has its own server and its own data."""
    other = EmbeddedPlace(tmp_path / "other")
    with (
        open_embedded(place.url, _linger_secs=LINGER_SECS) as here,
        open_embedded(other.url, _linger_secs=LINGER_SECS) as there,
        redis.Redis.from_url(here.url) as near,
        redis.Redis.from_url(there.url) as far,
    ):
        near.set("where", "here")
        assert far.get("where") is None
        place.seen |= {*place.pids(), *other.pids()}


def test_signals_of_a_terminal_do_not_reach_the_server(place: EmbeddedPlace) -> None:
    """Ctrl-C and a closed terminal end the program that runs there, not what others use."""
    with (
        open_embedded(place.url, _linger_secs=LINGER_SECS) as server,
        redis.Redis.from_url(server.url) as client,
    ):
        keeper_pid, server_pid = place.pids()
        assert os.getsid(keeper_pid) == os.getsid(server_pid) != os.getsid(0)
        run_id = client.info("server")["run_id"]
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            os.kill(keeper_pid, number)
        place.outlast_the_linger()
        assert client.info("server")["run_id"] == run_id
        assert place.pids()[0] == keeper_pid


def test_users_never_meet_a_server_that_is_ending(place: EmbeddedPlace) -> None:
    """Each of many users, who come as the last one leaves, gets a server that takes its write."""
    for turn in range(1, 21):
        with (
            open_embedded(place.url, _linger_secs=0) as server,
            redis.Redis.from_url(server.url, retry=Retry(NoBackoff(), 0)) as client,
        ):
            assert client.incr("turns") == turn
            place.pids()
