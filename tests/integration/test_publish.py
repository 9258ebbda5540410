"""`fraiseql-observers publish` against a real server: counts that agree with the queue, whatever ends the run."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
from collections import Counter
from pathlib import Path
from uuid import uuid4

import orjson
import pytest

from examples.demo.expected import expected_jobs
from examples.demo.orders import order_events
from tests.support.command import COMMAND, Ended, ended, run_command, run_here, start_command, write_config
from tests.support.server import ServerProcess
from tests.support.wait import wait_until

ALL_EVENTS = '[observers.all]\nevent_type = "*"\nentity = "*"\n[[observers.all.actions]]\ntype = "log"\n'
SHOP = Path(__file__).parents[2] / "examples" / "demo" / "rules.toml"


def line(**fields: object) -> bytes:
    """Write one event."""
    event = {"event_type": "INSERT", "entity_type": "Order", "entity_id": str(uuid4()), "data": {}}
    return orjson.dumps(event | fields) + b"\n"


def pending(config: str) -> int:
    """Ask the queue how many jobs it has."""
    count = run_here(["status", "--json", "--config", config]).document["pending"]
    assert isinstance(count, int)
    return count


@pytest.fixture
def config(tmp_path: Path, server: ServerProcess, prefix: str) -> str:
    """A configuration with one rule that matches every event."""
    return write_config(tmp_path, server.url, prefix, ALL_EVENTS, batch_timeout_secs=1)


def test_the_rules_match_what_plain_python_matches_and_a_second_run_adds_nothing(
    tmp_path: Path, server: ServerProcess, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three thousand events, eight rules: the same jobs, under the same ids, however often they are published."""
    events = list(order_events(3_000))
    file = tmp_path / "orders.ndjson"
    file.write_bytes(b"".join(orjson.dumps(event) + b"\n" for event in events))
    jobs = expected_jobs(events)
    monkeypatch.setenv("FRAISEQL_JOB_QUEUE_URL", server.url)
    monkeypatch.setenv("FRAISEQL_STORAGE_KEY_PREFIX", prefix)
    arguments = ["publish", str(file), "--config", str(SHOP), "--json"]
    first, second = run_command(arguments), run_command(arguments)
    matched = sum(bool(expected_jobs([event])) for event in events)
    for done, queued in ((first, len(jobs)), (second, 0)):
        report = done.document
        assert (done.code, report["events"], report["matched"], report["errors"]) == (0, 3_000, matched, 0)
        assert (report["queued"], report["duplicates"]) == (queued, len(jobs) - queued)
        assert done.err == "", "no condition met an event that it could not read"
    listed = run_here(["jobs", "list", "--limit", "10000", "--json", "--config", str(SHOP)]).document
    assert {job["id"] for job in listed} == {str(job_id) for job_id in jobs}
    assert Counter(job["observer"] for job in listed) == Counter(jobs.values())


def test_a_bad_line_is_told_by_its_number_and_the_others_go_on(config: str, tmp_path: Path) -> None:
    """Exit code 1: done in part."""
    file = tmp_path / "events.ndjson"
    file.write_bytes(line() + b"\n" + b"no json\n" + line() + b'{"event_type": "OTHER"}\n' + b"x" * 2_000_000)
    done = run_command(["publish", str(file), "--config", config, "--json"])
    assert done.code == 1
    assert done.document == {
        "events": 2,
        "matched": 2,
        "queued": 2,
        "duplicates": 0,
        "skipped": 0,
        "errors": 3,
    }
    for place in ("line 3: ", "line 5: ", "line 6: 2000000 bytes"):
        assert place in done.err
    assert "2 events had no id" in done.err
    assert pending(config) == 2


def test_an_event_larger_than_the_queue_takes_is_a_bad_line(
    config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue keeps every key, so an event may be too large although its line is not."""
    monkeypatch.setenv("FRAISEQL_STORAGE_MAX_PAYLOAD_BYTES", "1024")
    large = line(data={"text": "x" * 850})
    assert len(large) < 1024
    done = run_command(["publish", "-", "--config", config, "--json"], stdin=line() + large + line())
    assert done.code == 1
    assert (done.document["events"], done.document["queued"], done.document["errors"]) == (2, 2, 1)
    assert "line 2: " in done.err
    assert pending(config) == 2


def test_an_event_that_a_condition_cannot_read_is_skipped_and_said(
    tmp_path: Path, server: ServerProcess, prefix: str
) -> None:
    """The event is fine, so the exit code is 0; the text is a warning, once."""
    rules = ALL_EVENTS.replace("[[", 'condition = "total > 1"\n[[')
    config = write_config(tmp_path, server.url, prefix, rules)
    done = run_command(["publish", "-", "--config", config, "--json"], stdin=line() + line(data={"total": 2}))
    assert done.code == 0
    assert (done.document["events"], done.document["matched"], done.document["skipped"]) == (2, 1, 1)
    assert done.err.count("Field not found: total") == 1


def test_a_pipe_has_its_partial_batch_published_in_time(config: str) -> None:
    """The producer goes silent and stays: what it wrote is in the queue after ``batch_timeout_secs``."""
    process = start_command(["publish", "-", "--config", config, "--json"])
    assert process.stdin is not None
    process.stdin.write(line() + line())
    process.stdin.flush()
    wait_until(lambda: pending(config) == 2, what="two jobs")
    process.stdin.write(line())
    done = ended(process)
    assert (done.code, done.document["queued"]) == (0, 3)


def test_ctrl_c_on_a_pipe_leaves_true_counts(config: str) -> None:
    """What was read is published, then the command ends with 1 and says so."""
    process = start_command(["publish", "-", "--config", config, "--json"])
    assert process.stdin is not None
    process.stdin.write(line() + line())
    process.stdin.flush()
    wait_until(lambda: pending(config) == 2, what="two jobs")
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 1
    done = ended(process)
    assert done.document["queued"] == 2
    assert "interrupted" in done.err


def test_ctrl_c_in_a_large_file_leaves_true_counts(config: str, tmp_path: Path) -> None:
    """The report and the queue agree, and publishing again adds exactly the rest."""
    count = 40_000
    file = tmp_path / "events.ndjson"
    with file.open("wb") as stream:
        for _ in range(count):
            stream.write(line())
    process = start_command(["publish", str(file), "--config", config, "--json"])
    wait_until(lambda: pending(config) > 0, what="the first jobs")
    process.send_signal(signal.SIGINT)
    done = ended(process)
    assert done.code == 1
    queued = done.document["queued"]
    assert 0 < queued < count
    assert done.document["events"] == queued == pending(config)
    rest = run_command(["publish", str(file), "--config", config, "--json"])
    assert rest.code == 0
    assert (rest.document["queued"], rest.document["duplicates"]) == (count - queued, queued)


def test_a_server_that_dies_meanwhile_ends_the_run_with_true_counts(
    tmp_path: Path, fresh_server: ServerProcess, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 3; after the server is back, the same again adds what is missing."""
    config = write_config(tmp_path, fresh_server.url, prefix, ALL_EVENTS, batch_timeout_secs=1)
    monkeypatch.setenv("FRAISEQL_STORAGE_ENQUEUE_TIMEOUT_SECS", "1")
    process = start_command(["publish", "-", "--config", config, "--json"])
    assert process.stdin is not None
    first, second = line(), line()
    process.stdin.write(first)
    process.stdin.flush()
    wait_until(lambda: pending(config) == 1, what="the first job")
    fresh_server.kill()
    process.stdin.write(second)
    done = ended(process)
    assert done.code == 3
    assert (done.document["events"], done.document["queued"], done.document["errors"]) == (2, 1, 1)
    fresh_server.start()
    again = run_command(["publish", "-", "--config", config, "--json"], stdin=first + second)
    assert (again.code, again.document["queued"], again.document["duplicates"]) == (0, 1, 1)


def test_a_terminal_sees_a_bar_and_a_table(config: str, tmp_path: Path) -> None:
    """Both on a terminal; a pipe gets lines of two fields and no bar."""
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"".join(line() for _ in range(500)))
    arguments = ["publish", str(file), "--config", config]
    shown = _on_a_terminal(arguments)
    assert "500 events" in shown
    assert "\x1b[" in shown
    piped = run_command(arguments)
    assert piped == Ended(
        0,
        "events\t500\nmatched\t500\nqueued\t0\nduplicates\t500\nskipped\t0\nerrors\t0\n",
        "500 events had no id and got one from the bytes of the line\n",
    )


def _on_a_terminal(arguments: list[str]) -> str:
    """Run the command with a pseudo-terminal as all its streams, and return what it shows."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment, close_fds=True
    )
    os.close(theirs)
    shown = b""
    while True:
        ready, _, _ = select.select([ours], [], [], 20.0)
        assert ready, "the command shows nothing and does not end"
        try:
            chunk = os.read(ours, 65_536)
        except OSError:  # Linux says "input/output error" where others say "end of file".
            chunk = b""
        if not chunk:
            break
        shown += chunk
    os.close(ours)
    assert process.wait(60) == 0
    return shown.decode()
