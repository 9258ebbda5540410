"""The server is killed and started again, with its append-only file whole, torn or damaged."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
import redis

from fraiseql_observers.errors import DurabilityNotConfirmed, QueueUnavailable
from tests.faults.rig.catalogue import Entry
from tests.faults.servers.stand import ENQUEUE_SECS, LATE_SECS, Stand, job_id
from tests.support.command import run_command
from tests.support.server import ServerProcess
from tests.support.wait import wait_until

SLOTS = 10
#: How many bytes are torn from the end of the file: from a part of the last word to most of the last command.
TORN = (1, 2, 3, 7, 20, 64)


def append_only_file(server: ServerProcess) -> Path:
    """Return the file to which the server appends."""
    return max((server.disk / "appendonlydir").glob("*.incr.aof"), key=lambda path: path.stat().st_mtime)


def start_on_torn_file(server: ServerProcess) -> None:
    """Start a server on a file with a torn end, and have the file written anew where the documentation says so.

    Redis 7.0 leaves the beginning of a torn transaction in the file. What it writes behind that would be a part of the
    transaction when it starts the next time: some of it would happen twice, and some not at all.
    """
    server.start()
    with server.client() as client:
        client.bgrewriteaof()
        wait_until(lambda: not rewrites(client), what="the file to be written anew")


def rewrites(client: redis.Redis) -> bool:
    """Whether the server still writes its file anew."""
    info = client.info("persistence")
    assert isinstance(info, dict)
    return bool(info["aof_rewrite_in_progress"] or info["aof_rewrite_scheduled"])


@pytest.mark.row(14)
@pytest.mark.long
def test_a_server_that_is_killed_again_and_again_loses_nothing(
    everysec: ServerProcess, prefix: str, tmp_path: Path, seed: int, catalogue: Entry
) -> None:
    """Two children and a producer go on by themselves, however long it is down."""
    rng = random.Random(seed)
    stand = Stand(tmp_path, everysec, prefix, slots=SLOTS)
    kills = 3
    with stand.worker(processes=2) as worker:
        with stand.producing(do="note", secs=0.05):
            for kill in range(kills):
                stand.wait_for_runs(30 * (kill + 1))
                everysec.kill()
                # How long it is away is the fault itself.
                time.sleep(rng.uniform(0.3, 1.5))
                everysec.start()
        drained = stand.drain()
        assert worker.stop() == 0
    stand.judge(catalogue, bound=kills * 2 * SLOTS, drained_secs=drained)


@pytest.mark.row(17)
def test_a_torn_append_only_file_costs_its_last_operation_at_most(
    fresh_server: ServerProcess, prefix: str, tmp_path: Path, catalogue: Entry
) -> None:
    """The server starts again, no job is half there, and who asks again for the last one gets it."""
    stand = Stand(tmp_path, fresh_server, prefix)
    lost: list[str] = []
    for torn in TORN:
        labels = [f"torn {torn}, job {number}" for number in range(3)]
        assert all(stand.offer(label).confirmed_at for label in labels)
        fresh_server.kill()
        file = append_only_file(fresh_server)
        with file.open("rb+") as opened:
            opened.truncate(file.stat().st_size - torn)
        start_on_torn_file(fresh_server)
        audit = stand.audit()
        assert audit.problems() == []
        gone = [label for label, offer in stand.offers.items() if job_id(offer.event) not in audit.jobs]
        assert set(gone) <= {labels[-1]}
        lost += gone
        # As a producer does that was not told: the same event again, which makes one job.
        assert stand.offer(labels[-1]).confirmed_at is not None
    with stand.worker() as worker:
        drained = stand.drain()
        assert worker.stop() == 0
    stand.judge(
        catalogue, bound=0, drained_secs=drained, note=f"{len(lost)} of {len(TORN)} last operations torn off"
    )
    assert len(lost) == len(TORN)


@pytest.mark.row(17)
@pytest.mark.long
def test_an_ack_that_was_torn_off_runs_its_job_again_and_no_other(
    fresh_server: ServerProcess, prefix: str, tmp_path: Path, catalogue: Entry
) -> None:
    """What the server has forgotten is that the job is done; it comes back when its lease has run out."""
    stand = Stand(tmp_path, fresh_server, prefix, slots=1)
    stand.publish(3)
    with stand.worker() as worker:
        stand.drain()
        worker.kill()
    fresh_server.kill()
    file = append_only_file(fresh_server)
    content = file.read_bytes()
    # The last ack is the last time that a job's bytes are deleted; the file ends in the middle of it.
    last = content.lower().rindex(b"hdel")
    file.write_bytes(content[: last + 2])
    start_on_torn_file(fresh_server)
    assert stand.audit().problems() == []
    assert stand.unsettled() == 1
    with stand.worker() as worker:
        drained = stand.drain()
        assert worker.stop() == 0
    verdict = stand.judge(catalogue, bound=1, drained_secs=drained)
    assert verdict.repeats == 1


@pytest.mark.row(18)
def test_a_server_that_refuses_its_damaged_file_is_told_as_unreachable(
    fresh_server: ServerProcess, prefix: str, tmp_path: Path, catalogue: Entry
) -> None:
    """Nothing hangs, the worker stays up and waits, and when the file is mended everything is there."""
    stand = Stand(tmp_path, fresh_server, prefix, slots=SLOTS)
    with stand.worker() as worker:
        stand.publish(20, secs=0.2)
        stand.wait_for_runs(5)
        fresh_server.kill()
        file = append_only_file(fresh_server)
        content = file.read_bytes()
        place = content.index(b"*", len(content) // 2)
        while content[place - 2 : place] != b"\r\n":
            place = content.index(b"*", place + 1)
        file.write_bytes(content[:place] + b"\0" + content[place + 1 :])
        with pytest.raises(AssertionError, match=r"(?i)bad file format"):
            fresh_server.start()
        begun = time.monotonic()
        offer = stand.offer("meanwhile")
        assert time.monotonic() - begun < ENQUEUE_SECS + LATE_SECS
        # The connection broke under the first try, which may have been stored; those after it were refused.
        assert isinstance(offer.failures[0], DurabilityNotConfirmed | QueueUnavailable)
        assert f"127.0.0.1:{fresh_server.port}" in str(offer.failures[0])
        ended = run_command(["status", "--config", str(stand.queue.config)])
        assert ended.code == 3
        assert f"127.0.0.1:{fresh_server.port}" in ended.err
        assert worker.processes()
        file.write_bytes(content)
        fresh_server.start()
        assert stand.offer("meanwhile").confirmed_at is not None
        drained = stand.drain()
        assert worker.stop() == 0
    stand.judge(catalogue, bound=SLOTS, drained_secs=drained)


@pytest.mark.row(18)
def test_a_byte_of_a_job_that_is_damaged_costs_that_job_alone(
    fresh_server: ServerProcess, prefix: str, tmp_path: Path, catalogue: Entry
) -> None:
    """The server cannot see it; the worker puts it aside with its bytes, and the jobs beside it run."""
    stand = Stand(tmp_path, fresh_server, prefix)
    labels = stand.publish(10)
    fresh_server.kill()
    file = append_only_file(fresh_server)
    content = file.read_bytes()
    place = content.index(b'"label":"5"')
    file.write_bytes(content[:place] + b"\0" + content[place + 1 :])
    fresh_server.start()
    with stand.worker() as worker:
        drained = stand.drain()
        assert worker.stop() == 0
    stand.judge(catalogue, bound=0, drained_secs=drained)
    assert sorted(stand.ran()) == [label for label in labels if label != "5"]
    (dead,) = stand.queue.jobs("dead_lettered")
    assert dead.reason == "corrupt"
