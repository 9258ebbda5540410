"""The operator command before it reaches a queue: usage, configuration, what goes to which stream."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from fraiseql_observers.cli.app import run
from fraiseql_observers.cli.clean import one_line
from fraiseql_observers.cli.output import from_now

COMMANDS = (
    ["worker"],
    ["publish"],
    ["explain"],
    ["status"],
    ["erase"],
    ["jobs", "show"],
    ["jobs", "list"],
    ["jobs", "cancel"],
    ["dlq", "list"],
    ["dlq", "show"],
    ["dlq", "replay"],
    ["dlq", "remove"],
    ["dlq", "clear"],
    ["dlq", "stats"],
    ["config", "check"],
)
ID = "0192f3a0-5a0e-7c1e-9c55-3f6f6f0e7a11"
#: What each command needs beside its configuration.
ARGUMENTS = {
    "publish": ["-"],
    "explain": ["event.json"],
    "show": [ID],
    "cancel": [ID],
    "replay": [ID],
    "remove": [ID],
    "clear": ["--yes"],
    "erase": ["--tenant", "acme", "--dry-run"],
}

GOOD = """
[observers.order_shipped]
event_type = "UPDATE"
entity = "Order"
condition = "total > 100"
[[observers.order_shipped.actions]]
type = "log"
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test where no configuration lies, with a wide screen, so that no message is broken in two."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FRAISEQL_OBSERVERS_CONFIG", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")


def refused(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> str:
    """Run a command that must be refused as bad usage, and return what it says, on one line."""
    assert run(arguments) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    return re.sub(r"[\s│╭╮╰╯─]+", " ", captured.err)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_help_has_an_example(command: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """Help goes to standard output and shows how the command is used."""
    assert run([*command, "--help"]) == 0
    captured = capfd.readouterr()
    assert f"Example: fraiseql-observers {' '.join(command)}" in captured.out
    assert captured.err == ""


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["publsh"], "publish"),
        (["dlq", "repaly"], "replay"),
        (["job"], "jobs"),
        (["status", "--jsn"], "--json"),
        (["publish", "x", "--confg", "y"], "--config"),
        (["publish", "-", "--config"], "--config"),
    ],
    ids=str,
)
def test_a_mistyped_word_is_answered_with_what_was_meant(
    arguments: list[str], meant: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Unknown commands and options are bad usage."""
    assert meant in refused(arguments, capfd)


@pytest.mark.parametrize(
    "arguments",
    [
        ["publish"],
        ["publish", "absent.ndjson"],
        ["publish", "."],
        ["worker", "--processes", "0"],
        ["worker", "--processes", "-1"],
        ["worker", "--processes", "x"],
        ["worker", "--processes", "1e9"],
        ["worker", "--processes", "65"],
        ["jobs", "show"],
        ["jobs", "show", "12"],
        ["jobs", "list", "--state", "failed"],
        ["jobs", "list", "--limit", "0"],
        ["jobs", "list", "--offset", "-1"],
        ["dlq", "list", "--reason", "tired"],
        ["dlq", "replay"],
        ["dlq", "replay", ID, "--all"],
        ["dlq", "replay", ID, "--rate", "3"],
        ["dlq", "replay", ID, "--since", "1h"],
        ["erase"],
        ["erase", "--tenant", ""],
        ["erase", "--tenant", "a", "--user", "b"],
        ["erase", "--entity", "Order"],
        ["erase", "--entity", "Order:12", "--dry-run"],
        ["dlq", "remove"],
        ["dlq", "remove", ID, "--all"],
        ["dlq", "remove", ID, "--error", "timeout"],
        ["dlq", "list", "--error", "retries_exhausted"],
        ["dlq", "list", "--since", "yesterday"],
        ["dlq", "list", "--since", "2026-11-24T10:00:00"],
        ["dlq", "list", "--since", "2026-13-01"],
        ["dlq", "list", "--until", "-1h"],
        ["dlq", "list", "--since", "2026-11-24", "--until", "2026-11-24T00:00:00Z"],
        ["dlq", "replay", ID, "--observer", "x"],
        ["dlq", "replay", "--all", "--rate", "0"],
        ["config", "check", "a.toml", "b.toml"],
    ],
    ids=str,
)
def test_bad_usage_exits_with_2(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """It is refused before a configuration is read, with the usage on standard error."""
    assert "Usage: fraiseql-observers" in refused(arguments, capfd)


def test_clear_asks_and_refuses_where_nobody_can_answer(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script that means it says --yes."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert "--yes" in refused(["dlq", "clear"], capfd)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_without_a_configuration_each_command_says_how_to_name_one(
    command: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither the option, nor the variable, nor the file here."""
    text = refused([*command, *ARGUMENTS.get(command[-1], [])], capfd)
    assert "observers.toml" in text
    assert "--config" in text
    assert "FRAISEQL_OBSERVERS_CONFIG" in text


@pytest.mark.parametrize("command", [c for c in COMMANDS if c != ["config", "check"]], ids=" ".join)
@pytest.mark.parametrize(
    "content", [None, b"", b"x = ", b"\xff\xfe", b"[job_queue]\nbatch_size = 0\n"], ids=repr
)
def test_a_bad_configuration_is_refused_by_each_command(
    command: list[str], content: bytes | None, capfd: pytest.CaptureFixture[str]
) -> None:
    """Absent, empty, no TOML, no text, out of range: the message names the file."""
    if content is not None:
        Path("bad.toml").write_bytes(content)
    text = refused([*command, *ARGUMENTS.get(command[-1], []), "--config", "bad.toml"], capfd)
    assert "bad.toml" in text


def test_every_mistake_is_told_and_no_secret_shown(capfd: pytest.CaptureFixture[str]) -> None:
    """One run shows all that has to be mended."""
    Path("bad.toml").write_text(
        '[job_queue]\nurl = "http://u:canary-1@h"\nbatch_size = 0\n[worker]\nlease_duration_sec = 9\n'
        + GOOD.replace("total > 100", "total = 100")
    )
    text = refused(["status", "--config", "bad.toml"], capfd)
    for part in (
        "bad.toml:2",
        "job_queue.url",
        "bad.toml:3",
        "batch_size",
        "lease_duration_secs",
        "condition",
    ):
        assert part in text
    assert "canary" not in text


def test_config_check_prints_the_mistakes_as_its_result(capfd: pytest.CaptureFixture[str]) -> None:
    """A line each on standard output, the count on standard error, exit code 2."""
    Path("bad.toml").write_text("[job_queue]\nbatch_size = 0\nmax_retries = 1000\n")
    assert run(["config", "check", "bad.toml"]) == 2
    captured = capfd.readouterr()
    first, second = captured.out.splitlines()
    assert first.startswith("bad.toml:2: OB001 job_queue.batch_size: ")
    assert second.startswith("bad.toml:3: OB001 job_queue.max_retries: ")
    assert "2 mistakes" in captured.err


def test_config_check_speaks_json(capfd: pytest.CaptureFixture[str]) -> None:
    """The same facts for programs, whether the file is right or not."""
    Path("bad.toml").write_text("[job_queue]\nbatch_size = 0\n")
    assert run(["config", "check", "bad.toml", "--json"]) == 2
    answer = orjson.loads(capfd.readouterr().out)
    assert answer["valid"] is False
    assert [(m["line"], m["key"], m["code"]) for m in answer["mistakes"]] == [
        (2, "job_queue.batch_size", "OB001")
    ]
    Path("good.toml").write_text(GOOD)
    assert run(["config", "check", "good.toml", "--json"]) == 0
    answer = orjson.loads(capfd.readouterr().out)
    assert (answer["valid"], answer["mistakes"], answer["observers"]) == (True, [], ["order_shipped"])


def test_config_check_sums_up_a_good_file(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the variable where no file is named, and never shows a password."""
    Path("good.toml").write_text('[job_queue]\nurl = "redis://u:canary-2@h:1/2"\n' + GOOD)
    monkeypatch.setenv("FRAISEQL_OBSERVERS_CONFIG", "good.toml")
    assert run(["config", "check"]) == 0
    captured = capfd.readouterr()
    assert "order_shipped\tUPDATE Order\ttotal > 100\tlog" in captured.out
    assert "redis://***@h:1/2" in captured.out
    assert "canary" not in captured.out + captured.err


def test_config_check_looks_for_secrets_and_handlers(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a worker would stumble over at its start shows with file and line, and a secret never."""
    Path("app.toml").write_text(
        '[observers.a]\nevent_type = "*"\nentity = "*"\n[[observers.a.actions]]\ntype = "webhook"\n'
        'url_env = "HOOK_URL"\nsigning_secret_env = "HOOK_SECRET"\n'
        '[[observers.a.actions]]\ntype = "function"\nhandler = "no_such_module:handle"\n'
    )
    monkeypatch.setenv("HOOK_SECRET", "canary-3")
    assert run(["config", "check", "app.toml"]) == 2
    captured = capfd.readouterr()
    places = {line.split(" ", 1)[0] for line in captured.out.splitlines()}
    assert places == {"app.toml:6:", "app.toml:7:", "app.toml:10:"}
    assert "HOOK_URL" in captured.out
    assert "canary" not in captured.out + captured.err


def test_a_warning_goes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    """The result stays clean for whoever reads it."""
    Path("good.toml").write_text(GOOD.replace("total > 100", "status == shipped"))
    assert run(["config", "check", "good.toml"]) == 0
    captured = capfd.readouterr()
    assert "warning: " in captured.err
    assert "warning" not in captured.out


def test_the_version_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    """For bug reports."""
    assert run(["--version"]) == 0
    assert re.fullmatch(r"fraiseql-observers \d+\.\d+\.\d+\n", capfd.readouterr().out)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 漢", "plain é 漢"),
        ("two\r\nlines", "two\\r\\nlines"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("a\u202eb", "a\\u202eb"),
        ("tab\there", "tab\\there"),
    ],
)
def test_text_from_outside_cannot_move_the_terminal(text: str, shown: str) -> None:
    """Line ends, escape sequences and direction marks are shown as escapes."""
    assert one_line(text) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s ago"),
        (-1.4, "1 s ago"),
        (119, "in 119 s"),
        (120, "in 2 min"),
        (-7199, "120 min ago"),
        (7200, "in 2 h"),
        (-172_800, "2 d ago"),
    ],
)
def test_a_person_sees_how_far_away_an_instant_is(seconds: float, shown: str) -> None:
    """In the largest unit of which there are two."""
    now = datetime(2026, 3, 2, tzinfo=UTC)
    assert from_now(now + timedelta(seconds=seconds), now) == shown


WITHOUT_EXTRA = "import sys, runpy; sys.modules['typer'] = sys.modules['rich'] = None; "


def test_without_the_extra_the_command_names_it() -> None:
    """One line, exit code 2, no trace-back."""
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRA + "runpy.run_module('fraiseql_observers', run_name='__main__')"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert "pip install 'fraiseql-observers[cli]'" in ended.stderr


def test_the_worker_needs_no_extra() -> None:
    """A server that only runs workers installs nothing that draws."""
    code = WITHOUT_EXTRA + (
        "sys.argv = ['worker', '--help']; runpy.run_module('fraiseql_observers.worker', run_name='__main__')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 0
    assert "--config" in ended.stdout
