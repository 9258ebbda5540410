"""The server that other tests lean on keeps what it says, or their results mean nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from tests.support.server import ServerProcess


def test_both_addresses_reach_the_same_server(server: ServerProcess, prefix: str) -> None:
    """What is written over TCP is read over the unix socket."""
    with redis.Redis.from_url(server.url) as over_tcp, redis.Redis.from_url(server.unix_url) as over_socket:
        over_tcp.set(prefix, "here", ex=60)
        assert over_socket.get(prefix) == b"here"


def test_killed_server_comes_back_with_its_data_and_port(fresh_server: ServerProcess) -> None:
    """With an append-only file, what was answered before SIGKILL is there after the restart."""
    url, pid = fresh_server.url, fresh_server.pid
    with redis.Redis.from_url(url) as client:
        client.set("kept", "yes")
        fresh_server.kill()
        assert not fresh_server.is_running
        fresh_server.restart()
        assert (fresh_server.url, client.get("kept")) == (url, b"yes")
    assert fresh_server.pid != pid


def test_server_without_append_only_file_forgets(server_binary: Path) -> None:
    """The opposite choice takes effect as well."""
    with (
        ServerProcess(server_binary, appendonly=False) as process,
        redis.Redis.from_url(process.url) as client,
    ):
        client.set("kept", "no")
        process.restart()
        assert client.get("kept") is None


def test_failed_start_shows_the_log(server_binary: Path) -> None:
    """A mistake in the extra arguments is readable in the failure, and leaves no process."""
    process = ServerProcess(server_binary, extra=("--no-such-setting", "1"))
    with pytest.raises(AssertionError, match="no-such-setting"):
        process.start()
    assert not process.is_running
    process.close()
    assert not process.data_dir.exists()
