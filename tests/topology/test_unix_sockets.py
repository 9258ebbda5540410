"""A server reached through its socket: as over TCP, also when the socket goes and comes again."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraiseql_observers._core import RedisQueue
from fraiseql_observers.errors import QueueRefused, QueueUnavailable
from tests.support.lanes import options_for
from tests.support.server import ServerProcess
from tests.support.site import Site
from tests.support.wait import wait_until


def test_a_worker_goes_on_when_the_server_behind_the_socket_was_killed(
    fresh_server: ServerProcess, tmp_path: Path, prefix: str
) -> None:
    """The socket is another one then, at the same path."""
    site = Site(tmp_path, fresh_server.unix_url, prefix)
    ids = site.publish("Quick", 5)
    with site.worker() as worker:
        worker.ready()
        fresh_server.kill()
        fresh_server.start()
        ids += site.publish("Quick", 5)
        wait_until(lambda: site.runs().keys() >= set(map(str, ids)), what="every job")
        assert worker.stop() == 0, worker.log


@pytest.mark.parametrize("path", ["absent.sock", "plain"])
def test_a_path_without_a_listening_socket_is_a_server_that_is_away(path: str, tmp_path: Path) -> None:
    """Neither a missing file nor one that is no socket ends anything: the server may be about to start."""
    (tmp_path / "plain").write_text("")
    with pytest.raises(QueueUnavailable, match=path):
        RedisQueue(f"unix://{tmp_path / path}", options_for("unix")).open_blocking()


def test_a_password_in_the_options_is_used_and_not_shown(fresh_server: ServerProcess, prefix: str) -> None:
    """It is refused when it is wrong."""
    with fresh_server.client() as client:
        client.execute_command("CONFIG", "SET", "requirepass", "canary/ä")
    right = f"{fresh_server.unix_url}?pass=canary%2F%C3%A4&db=1"
    RedisQueue(right, options_for(prefix)).open_blocking()
    with pytest.raises(QueueRefused) as caught:
        RedisQueue(f"{fresh_server.unix_url}?pass=wrong-canary", options_for(prefix)).open_blocking()
    assert "canary" not in str(caught.value)
