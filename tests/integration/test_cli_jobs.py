"""`fraiseql-observers` status, jobs and dlq, against a real server."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest

from tests.support.command import COMMAND, Ended, run_here, write_config
from tests.support.failing_worker import fail_jobs
from tests.support.server import ServerProcess
from tests.support.wait import wait_until

#: Two rules on two queues: one acts at once, the other an hour later.
RULES = """
[worker]
queues = ["default", "later"]
[observers.now]
event_type = "INSERT"
entity = "Order"
[[observers.now.actions]]
type = "log"
[observers.later]
event_type = "UPDATE"
entity = "Order"
delay_secs = 3600
queue = "later"
[[observers.later.actions]]
type = "log"
"""
#: What an error text may hold to take over a terminal.
HOSTILE = "400 from x\x1b[2J\nsecond line"


def line(kind: str) -> bytes:
    """Write one event."""
    event = {"event_type": kind, "entity_type": "Order", "entity_id": str(uuid4()), "data": {"text": "é"}}
    return orjson.dumps(event) + b"\n"


class Queue:
    """A queue with the command that looks into it."""

    def __init__(self, config: str) -> None:
        self.config = config

    def run(self, *arguments: str) -> Ended:
        """Run the command."""
        return run_here([*arguments, "--config", self.config])

    def ask(self, *arguments: str) -> Any:
        """Run the command with ``--json`` and return what it answers; it must succeed."""
        done = self.run(*arguments, "--json")
        assert done.code == 0, done
        return done.document

    def publish(self, *kinds: str) -> None:
        """Publish one event of each kind."""
        file = Path(self.config).with_name("events.ndjson")
        file.write_bytes(b"".join(map(line, kinds)))
        done = self.run("publish", str(file))
        assert done.code == 0, done

    def ids(self, *arguments: str) -> list[str]:
        """List jobs and return their ids."""
        return [job["id"] for job in self.ask(*arguments)]

    def die(self, count: int, error: str = "400 from x") -> list[str]:
        """Make dead letters, and return their ids, the newest first."""
        self.publish(*["INSERT"] * count)
        fail_jobs(self.config, count, error)
        return self.ids("dlq", "list")


@pytest.fixture
def queue(tmp_path: Path, server: ServerProcess, prefix: str) -> Queue:
    """An empty queue."""
    return Queue(write_config(tmp_path, server.url, prefix, RULES))


def test_status_counts_jobs_by_queue_and_in_all(queue: Queue) -> None:
    """For programs and for people; without a worker it says so."""
    queue.publish("INSERT", "INSERT", "UPDATE")
    found = queue.ask("status")
    assert (found["pending"], found["scheduled"], found["running"], found["dead"]) == (2, 1, 0, 0)
    assert found["queues"]["default"]["pending"] == 2
    assert found["queues"]["later"]["scheduled"] == 1
    assert found["counters"]["enqueued"] == 3
    assert found["server"]["durability"] == "process"
    assert found["workers"] == []
    shown = queue.run("status")
    assert "default\t2\t0\t0\t0\t0\t0\n" in shown.out
    assert "no worker is there" in shown.err


def test_jobs_are_listed_by_state_and_queue(queue: Queue) -> None:
    """A job is in exactly one list; pages do not overlap."""
    queue.publish("INSERT", "INSERT", "INSERT", "UPDATE")
    pending = queue.ids("jobs", "list")
    assert len(pending) == len(set(pending)) == 3
    scheduled = queue.ask("jobs", "list", "--state", "scheduled")
    assert [(job["observer"], job["queue"]) for job in scheduled] == [("later", "later")]
    assert queue.ids("jobs", "list", "--state", "scheduled", "--queue", "default") == []
    assert queue.ids("jobs", "list", "--limit", "2") + queue.ids("jobs", "list", "--offset", "2") == pending
    empty = queue.run("jobs", "list", "--state", "running")
    assert empty.out.count("\n") == 1, "the heading alone"
    assert "no running jobs" in empty.err


def test_a_job_is_shown_with_its_event(queue: Queue) -> None:
    """The whole event, readable; everything for programs."""
    queue.publish("INSERT")
    (job_id,) = queue.ids("jobs", "list")
    shown = queue.run("jobs", "show", job_id).out
    for part in (job_id, "pending", "now", "log", '"text": "é"'):
        assert part in shown
    asked = queue.ask("jobs", "show", job_id)
    assert (asked["id"], asked["state"], asked["event"]["data"]) == (job_id, "pending", {"text": "é"})


@pytest.mark.parametrize(
    "command",
    [["jobs", "show"], ["jobs", "cancel"], ["dlq", "show"], ["dlq", "replay"], ["dlq", "remove"]],
    ids=" ".join,
)
def test_an_unknown_id_is_refused_with_1(command: list[str], queue: Queue) -> None:
    """The id is in the message."""
    job_id = str(uuid4())
    done = queue.run(*command, job_id)
    assert done.code == 1
    assert job_id in done.out + done.err


def test_a_cancelled_job_is_gone_from_the_lists_and_known_as_cancelled(queue: Queue) -> None:
    """Cancelling it again, or one that is done with, is refused and changes nothing."""
    queue.publish("INSERT", "UPDATE")
    (now,), (later,) = queue.ids("jobs", "list"), queue.ids("jobs", "list", "--state", "scheduled")
    done = queue.ask("jobs", "cancel", now, later)
    assert [(answer["id"], answer["cancelled"], answer["found_state"]) for answer in done] == [
        (now, True, "pending"),
        (later, True, "scheduled"),
    ]
    assert queue.ask("jobs", "show", now)["state"] == "cancelled"
    found = queue.ask("status")
    assert (found["pending"], found["scheduled"], found["counters"]["cancelled"]) == (0, 0, 2)
    again = queue.run("jobs", "cancel", now)
    assert again.code == 1
    assert again.out == f"{now}: was cancelled before\n"


def test_a_dead_letter_is_shown_with_its_attempts(queue: Queue) -> None:
    """Why it died and what was tried, without obeying what the receiver wrote."""
    (job_id,) = queue.die(1, HOSTILE)
    for command in (["dlq", "list"], ["dlq", "show", job_id], ["jobs", "show", job_id]):
        shown = queue.run(*command).out
        assert "permanent_error" in shown
        assert "400 from x" in shown
        assert "\x1b" not in shown
        assert "\nsecond line" not in shown
    (letter,) = queue.ask("dlq", "list")
    assert [attempt["status_code"] for attempt in letter["attempts"]] == [400]


def test_a_replayed_letter_runs_again_under_its_id(queue: Queue) -> None:
    """It is replayed once; the second call finds no dead letter."""
    first, second = queue.die(2)
    assert queue.ask("dlq", "replay", first) == [{"id": first, "replayed": True}]
    assert queue.ids("jobs", "list") == [first]
    assert queue.ids("dlq", "list") == [second]
    again = queue.run("dlq", "replay", first, second)
    assert again.code == 1
    assert again.out == f"{first}: not replayed, since it is no dead letter\n{second}: replayed\n"


def test_replay_all_chooses_by_rule_and_reason(queue: Queue) -> None:
    """What the options do not choose stays."""
    ids = queue.die(3)
    assert queue.ask("dlq", "replay", "--all", "--observer", "later") == {"replayed": 0}
    assert queue.ask("dlq", "replay", "--all", "--reason", "expired") == {"replayed": 0}
    assert queue.ids("dlq", "list", "--observer", "now", "--action", "log") == ids
    done = queue.run("dlq", "replay", "--all", "--observer", "now", "--rate", "100")
    assert (done.code, done.out) == (0, "replayed 3 dead letters\n")
    assert queue.ask("status")["pending"] == 3


def test_letters_are_chosen_by_error_text_and_time(queue: Queue) -> None:
    """The same words choose for every command."""
    ids = queue.die(2, "HTTP 400 from x")
    (letter, _) = queue.ask("dlq", "list")
    died_at = datetime.fromtimestamp(letter["died_at"] / 1000, tz=UTC).isoformat(timespec="milliseconds")
    for chosen in (
        ["--error", "permanent"],
        ["--text", "http 400"],
        ["--since", "1h"],
        ["--since", "2020-01-01", "--until", "2100-01-01T00:00:00+02:00"],
    ):
        assert queue.ids("dlq", "list", *chosen) == ids
        assert queue.ask("dlq", "stats", *chosen)["total"] == 2
    for other in (["--error", "timeout"], ["--text", "500"], ["--until", "1h"], ["--since", "2100-01-01"]):
        assert queue.ids("dlq", "list", *other) == []
        assert queue.ask("dlq", "replay", "--all", *other) == {"replayed": 0}
        assert queue.ask("dlq", "remove", "--all", "--yes", *other) == {"removed": 0}
    assert queue.ids("dlq", "list", "--since", died_at)[0] == ids[0]
    assert ids[0] not in queue.ids("dlq", "list", "--until", died_at)


def test_a_dry_run_says_what_would_be_done_and_does_nothing(queue: Queue) -> None:
    """For one, for many, and for a removal, which does not even ask."""
    first, second = queue.die(2)
    unknown = str(uuid4())
    done = queue.run("dlq", "replay", "--dry-run", first, unknown)
    assert done.code == 1
    assert done.out == f"{first}: would be replayed\n{unknown}: not replayed, since it is no dead letter\n"
    assert queue.run("dlq", "replay", "--all", "--dry-run").out == "2 dead letters would be replayed\n"
    assert queue.ask("dlq", "replay", "--all", "--dry-run", "--reason", "expired") == {"would_be_replayed": 0}
    assert queue.ask("dlq", "clear", "--dry-run") == {"would_be_removed": 2}
    assert queue.ask("dlq", "remove", "--dry-run", second) == [{"id": second, "would_be_removed": True}]
    assert queue.ids("dlq", "list") == [first, second]


def test_stats_of_dead_letters_are_for_people_too(queue: Queue) -> None:
    """How many of what, and since when."""
    queue.die(3)
    shown = queue.run("dlq", "stats").out
    for part in ("dead letters\t3\n", "permanent_error\t3\n", "now\t3\n", "log\t3\n", "permanent\t3\n"):
        assert part in shown
    found = queue.ask("dlq", "stats")
    assert (found["total"], found["by_reason"]) == (3, {"permanent_error": 3})
    assert found["oldest_died_at"] <= found["newest_died_at"]


def test_a_rate_is_kept_and_what_was_stopped_is_told(queue: Queue) -> None:
    """A replay that a person stops has done a part, says how much, and may be done again."""
    # So many that the rate needs most of a minute, however slow the looks of this test are.
    queue.die(200)
    started = time.monotonic()
    assert queue.ask("dlq", "replay", "--all", "--observer", "later", "--rate", "1") == {"replayed": 0}
    process = subprocess.Popen(
        [*COMMAND, "dlq", "replay", "--all", "--rate", "5", "--config", queue.config],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_until(lambda: queue.ask("status")["pending"] >= 3, what="three letters sent back")
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    sent = int(queue.ask("status")["pending"])
    assert 3 <= sent < 200
    assert sent <= 5 * (time.monotonic() - started) + 2
    assert f"replayed {sent} of 200 before this ended" in told.decode()
    assert process.returncode != 0
    assert queue.ask("dlq", "replay", "--all") == {"replayed": 200 - sent}


def test_removed_letters_are_gone(queue: Queue) -> None:
    """One by one, or all that the options choose."""
    first, *rest = queue.die(3)
    assert queue.ask("dlq", "remove", first) == [{"id": first, "removed": True}]
    assert queue.ids("dlq", "list") == rest
    assert queue.ask("dlq", "clear", "--yes", "--reason", "corrupt") == {"removed": 0}
    assert queue.ask("dlq", "clear", "--yes") == {"removed": 2}
    assert queue.run("dlq", "list").err == "no dead letters\n"


@pytest.mark.parametrize(("answer", "left"), [(b"n\n", 2), (b"y\n", 0), (b"\n", 2)])
def test_clear_asks_a_person(answer: bytes, left: int, queue: Queue) -> None:
    """Anything but a yes leaves everything; the question says how many."""
    queue.die(2)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "dlq", "clear", "--config", queue.config],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    os.write(ours, answer)
    _, asked = process.communicate(timeout=30)
    os.close(ours)
    os.close(theirs)
    assert b"Delete 2 dead letters for good?" in asked
    assert process.returncode == (0 if left == 0 else 1)
    assert queue.ask("status")["dead"] == left


def test_a_reader_that_leaves_is_no_error_to_tell(queue: Queue) -> None:
    """``fraiseql-observers jobs list | head -1`` ends without a trace-back."""
    queue.publish(*["INSERT"] * 500)
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.Popen(
        [*COMMAND, "jobs", "list", "--limit", "500", "--config", queue.config],
        stdout=writing,
        stderr=subprocess.PIPE,
    )
    os.close(writing)
    _, told = process.communicate(timeout=30)
    assert told == b""
    assert process.returncode == 1
