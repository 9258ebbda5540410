"""The password of a user is changed under a worker and a producer."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraiseql_observers.errors import DurabilityNotConfirmed, QueueRefused
from tests.faults.rig.catalogue import Entry
from tests.faults.servers.stand import Stand
from tests.support.command import run_command
from tests.support.server import ServerProcess

SLOTS = 10
OLD, NEW = "canary-of-old", "canary-of-new"


def url_with(server: ServerProcess, password: str) -> str:
    """Return the address for the user `worker` with this password."""
    return server.url.replace("redis://", f"redis://worker:{password}@")


@pytest.mark.row(47)
@pytest.mark.parametrize(
    "taken", ["password", *(pytest.param(what, marks=pytest.mark.long) for what in ("user", "keys"))]
)
def test_a_login_that_is_taken_away_ends_the_worker_and_loses_nothing(
    fresh_server: ServerProcess, prefix: str, tmp_path: Path, catalogue: Entry, taken: str
) -> None:
    """It says why and ends with 3, without the password; the next one, which may log in, does the rest."""
    with fresh_server.client() as client:

        def allow(password: str) -> None:
            client.acl_setuser(
                "worker",
                enabled=True,
                reset=True,
                passwords=f"+{password}",
                keys=["*"],
                channels=["*"],
                categories=["+@all"],
            )

        allow(OLD)
        stand = Stand(
            tmp_path,
            fresh_server,
            prefix,
            url=url_with(fresh_server, OLD),
            slots=SLOTS,
            worker="shutdown_timeout_secs = 2",
        )
        with stand.worker() as worker:
            stand.publish(60, secs=0.1)
            stand.wait_for_runs(10)
            if taken == "password":
                client.acl_setuser("worker", enabled=True, reset_passwords=True, passwords=f"+{NEW}")
                client.client_kill_filter(_type="normal", skipme=True)
            elif taken == "user":
                client.acl_deluser("worker")
            else:
                client.acl_setuser("worker", enabled=True, reset_keys=True, keys=["other:*"])
            assert worker.wait() == 3
            word = "NOPERM" if taken == "keys" else "WRONGPASS|the login is refused"
            assert any(one in worker.log for one in word.split("|"))
            assert "canary" not in worker.log
        stand.offer("meanwhile")
        first, second = stand.offer("meanwhile").failures
        # What went into a connection that the server had closed is unknown, but once: the next one is not let in.
        if not isinstance(first, DurabilityNotConfirmed) or taken == "keys":
            assert isinstance(first, QueueRefused)
        assert isinstance(second, QueueRefused)
        for failure in (first, second):
            assert "refused" in str(failure)
            assert "canary" not in str(failure)
        ended = run_command(["status", "--config", str(stand.queue.config)])
        assert ended.code == 3
        assert "canary" not in ended.err
        allow(NEW)
        stand.move(url_with(fresh_server, NEW))
        with stand.worker() as worker:
            assert stand.offer("meanwhile").confirmed_at is not None
            drained = stand.drain()
            assert worker.stop() == 0
        stand.judge(catalogue, bound=SLOTS, drained_secs=drained, note=f"the {taken} taken away")
