"""`fraiseql-observers erase`, against a real server."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest

from fraiseql_observers import build_with_queue_sync, load_config
from fraiseql_observers.erasure import DirectorySpool, Subject
from tests.support.command import COMMAND, run_here, write_config
from tests.support.failing_worker import fail_jobs
from tests.support.server import ServerProcess
from tests.support.wait import wait_until

RULES = """
[observers.now]
event_type = "INSERT"
entity = "Order"
[[observers.now.actions]]
type = "log"
"""


def line(**owner: str) -> bytes:
    """Write one event of somebody."""
    event: dict[str, Any] = {
        "event_type": "INSERT",
        "entity_type": "Order",
        "entity_id": str(uuid4()),
        "data": {},
    }
    return orjson.dumps(event | owner) + b"\n"


@pytest.fixture
def config(tmp_path: Path, server: ServerProcess, prefix: str) -> str:
    """A queue with a dead letter and a pending job of one tenant, and as much of another."""
    config = write_config(tmp_path, server.url, prefix, RULES)
    events = tmp_path / "events.ndjson"
    for _ in range(2):
        if events.exists():
            fail_jobs(config, 2, "400 from x")
        events.write_bytes(line(tenant_id="acme", user_id="ann") + line(tenant_id="other", user_id="bob"))
        assert run_here(["publish", str(events), "--config", config]).code == 0
    return config


def test_a_tenant_is_erased_and_counted_by_place(config: str) -> None:
    """A dry run finds the same; a second run finds nothing."""
    looked = run_here(["erase", "--tenant", "acme", "--dry-run", "--config", config])
    assert (looked.code, looked.out) == (
        0,
        "place\tfound\ndead\t1\npending\t1\nrecords of finished jobs\t1\n",
    )
    done = run_here(["erase", "--tenant", "acme", "--yes", "--json", "--config", config])
    assert done.code == 0
    assert done.document["jobs"] == {"dead": 1, "pending": 1}
    assert (done.document["total"], done.document["is_complete"]) == (3, True)
    again = run_here(["erase", "--tenant", "acme", "--yes", "--config", config])
    assert (again.code, again.out) == (0, "place\terased\n")
    assert "nothing of the tenant acme" in again.err
    found = run_here(["status", "--json", "--config", config]).document
    assert (found["pending"], found["dead"], found["counters"]["erased"]) == (1, 1, 2)


def test_an_erasure_that_cannot_ask_is_refused(config: str) -> None:
    """Nothing is erased without a terminal or --yes."""
    done = run_here(["erase", "--user", "ann", "--config", config])
    assert done.code == 2
    assert "--yes" in done.err
    assert (
        run_here(["erase", "--user", "ann", "--dry-run", "--json", "--config", config]).document["total"] == 3
    )


@pytest.mark.parametrize(("typed", "left"), [(b"y\n", 2), (b"bob\n", 2), (b"ann\n", 0)])
def test_the_id_has_to_be_typed(typed: bytes, left: int, config: str) -> None:
    """A yes is not enough."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "erase", "--user", "ann", "--config", config],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    os.write(ours, typed)
    _, told = process.communicate(timeout=30)
    os.close(ours)
    os.close(theirs)
    assert b"3 jobs and records of the user ann would be erased" in told
    assert process.returncode == (0 if left == 0 else 1)
    found = run_here(["erase", "--user", "ann", "--dry-run", "--json", "--config", config]).document
    assert sum(found["jobs"].values()) == left


def test_the_spool_of_this_machine_is_erased_too(tmp_path: Path, fresh_server: ServerProcess) -> None:
    """Jobs that were stored while the server was away, and lie on the producer's disk."""
    config = write_config(tmp_path, fresh_server.url, "t", RULES)
    spool = tmp_path / "spool"
    text = Path(config).read_text()
    assert "[storage]\n" in text
    Path(config).write_text(
        text.replace("[storage]\n", f'[storage]\nenqueue_timeout_secs = 1\nspool_dir = "{spool}"\n')
    )
    fresh_server.stop()
    spooled = DirectorySpool(spool)
    acme = Subject.tenant("acme")
    with build_with_queue_sync(load_config(config)) as executor:
        for owner in ("acme", "acme", "other"):
            summary = executor.process_event(orjson.loads(line(tenant_id=owner)))
            assert summary.jobs_spooled == 1
        assert spooled.erase(acme, dry_run=True) == 2
        assert any(b"acme" in file.read_bytes() for file in spool.iterdir())
        assert [spooled.erase(acme, dry_run=False) for _ in range(2)] == [2, 0]
        assert not any(b"acme" in file.read_bytes() for file in spool.iterdir())
        assert any(b"other" in file.read_bytes() for file in spool.iterdir())
        fresh_server.start()
        wait_until(
            lambda: executor.queue.stats_blocking("default")[0].pending == 1, what="the job that was spooled"
        )
    found = run_here(["erase", "--tenant", "acme", "--dry-run", "--json", "--config", config])
    assert (found.code, found.document["total"], found.document["spooled"]) == (0, 0, 0)
    assert (
        run_here(["erase", "--tenant", "other", "--yes", "--json", "--config", config]).document["total"] == 1
    )
