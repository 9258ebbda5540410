"""A stranger's script keeps the server from answering anybody."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import redis

from tests.faults.rig.catalogue import Entry
from tests.faults.servers.stand import ENQUEUE_SECS, LATE_SECS, Stand
from tests.support.server import ServerProcess
from tests.support.wait import wait_until

SLOTS = 10
READS_FOR_EVER = "while true do redis.call('PING') end"
WRITES_AND_STAYS = "redis.call('SET', KEYS[1], '1') while true do redis.call('PING') end"


@contextmanager
def occupied(server: ServerProcess, script: str, key: str) -> Generator[redis.Redis]:
    """Run a stranger's script for as long as the block lasts, or until somebody ends it."""
    client = server.client()
    # Servers say that they are busy after five seconds; a test need not wait for that.
    client.config_set("busy-reply-threshold", 100)

    def run() -> None:
        # It ends with an error, whoever ends it.
        with server.client() as stranger, suppress(redis.RedisError):
            stranger.eval(script, 1, key)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_until(lambda: _is_busy(client), what="a busy server")
        yield client
    finally:
        with suppress(redis.RedisError):
            client.script_kill()
        thread.join()
        client.close()


def _is_busy(client: redis.Redis) -> bool:
    try:
        client.get("any")
    except redis.ResponseError as error:
        return "BUSY" in str(error) or "busy" in str(error)
    return False


def wait_for_starts_to_stop(stand: Stand) -> None:
    """Return when the worker has nothing more to begin, which shows in its file alone."""
    wait_until(lambda: len(stand.runs.starts()) == len(stand.ran()), what="the ends of all runs")


@pytest.mark.row(24)
def test_a_busy_server_is_waited_for_and_nothing_is_lost(
    fresh_server: ServerProcess, prefix: str, tmp_path: Path, catalogue: Entry
) -> None:
    """Results are kept while it answers BUSY to everything, and the script is killed by its operator."""
    stand = Stand(tmp_path, fresh_server, prefix, slots=SLOTS)
    with stand.worker() as worker:
        stand.publish(60, secs=0.1)
        stand.wait_for_runs(10)
        with occupied(fresh_server, READS_FOR_EVER, f"{prefix}:any") as client:
            wait_until(lambda: "BUSY" in worker.log, what="the worker's word for it")
            wait_for_starts_to_stop(stand)
            begun = time.monotonic()
            offer = stand.offer("meanwhile")
            assert time.monotonic() - begun < ENQUEUE_SECS + LATE_SECS
            assert "BUSY" in str(offer.failures[0])
            assert client.script_kill()
        assert stand.offer("meanwhile").confirmed_at is not None
        drained = stand.drain()
        assert worker.stop() == 0
    stand.judge(catalogue, bound=SLOTS, drained_secs=drained)


@pytest.mark.row(24)
def test_a_script_that_cannot_be_killed_takes_the_server_and_no_job_with_it(
    fresh_server: ServerProcess, prefix: str, tmp_path: Path, catalogue: Entry
) -> None:
    """It has written something, so that only a restart ends it."""
    stand = Stand(tmp_path, fresh_server, prefix, slots=SLOTS)
    with stand.worker() as worker:
        stand.publish(60, secs=0.1)
        stand.wait_for_runs(10)
        with occupied(fresh_server, WRITES_AND_STAYS, f"{prefix}:any") as client:
            with pytest.raises(redis.ResponseError, match=r"(?i)unkillable|already executed write"):
                client.script_kill()
            wait_until(lambda: "BUSY" in worker.log, what="the worker's word for it")
            wait_for_starts_to_stop(stand)
            fresh_server.kill()
        fresh_server.start()
        drained = stand.drain()
        assert worker.stop() == 0
    stand.judge(catalogue, bound=SLOTS, drained_secs=drained)
