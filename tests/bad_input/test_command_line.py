"""Row 62: command lines that are wrong, for every command: usage on standard error, exit code 2, nothing done."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.bad_input.command_tree import COMMANDS, ID, Command, right
from tests.bad_input.refusals import CANARY, nothing_changes
from tests.support.command import run_here
from tests.support.server import ServerProcess

_EACH = pytest.mark.parametrize("command", COMMANDS, ids=str)

#: What is no number, for options that take one.
NO_NUMBERS = ("", " ", "x", "1.5", "1e9", "0x10", "٣", "nan", "-1", "9" * 40, "true", "1 2")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run each test where nothing lies but events, with a wide screen, so that no message is broken in two."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FRAISEQL_OBSERVERS_CONFIG", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    (tmp_path / "event.json").write_text("{}")
    return tmp_path


def refused(arguments: Sequence[str], folder: Path) -> str:
    """Run a command line that must be refused, and return what it says, on one line."""
    with nothing_changes(folder):
        ended = run_here(arguments)
    assert ended.code == 2, (arguments, ended)
    assert ended.out == "", (arguments, ended)
    assert "Traceback" not in ended.err
    return re.sub(r"[\s│╭╮╰╯─]+", " ", ended.err)


def _line(command: Command) -> list[str]:
    return right(command, "absent.toml", "event.json")


@_EACH
def test_an_unknown_option_is_refused_with_the_usage(command: Command, folder: Path) -> None:
    """Before the configuration is looked for."""
    for option in ("--nonsense", "-Z"):
        text = refused([*_line(command), option], folder)
        assert f"Usage: fraiseql-observers {command}" in text


@_EACH
def test_a_mistyped_option_is_answered_with_what_was_meant(command: Command, folder: Path) -> None:
    """A letter lost, a letter too many."""
    for option in (*command.flags, *command.options):
        for wrong in (option[:3] + option[4:], option + "x"):
            if wrong in (*command.flags, *command.options):
                continue
            assert option in refused([*_line(command), wrong], folder), wrong


@_EACH
def test_an_option_without_its_value_is_refused(command: Command, folder: Path) -> None:
    """At the end of the line, and with no value after the sign."""
    for option in command.options:
        assert option in refused([*_line(command), option], folder)


@_EACH
def test_a_flag_takes_no_value(command: Command, folder: Path) -> None:
    """What would be ignored is refused."""
    for flag in command.flags:
        assert flag in refused([*_line(command), f"{flag}=yes"], folder)


@_EACH
def test_one_argument_too_many_or_too_few_is_refused(command: Command, folder: Path) -> None:
    """As far as the command counts them."""
    takes_many = str(command) in {"jobs cancel", "dlq replay", "dlq remove"}
    if not takes_many:
        refused([*_line(command), "more"], folder)
    if command.arguments and str(command) != "config check":
        refused([*command.words, "--config", "absent.toml"], folder)


@_EACH
def test_a_configuration_that_cannot_be_read_is_refused(command: Command, folder: Path) -> None:
    """Absent, a directory, a loop, empty: the file is named, with the reason."""
    if str(command) == "worker":
        pytest.skip("its child reads the file, in a process of its own")
    (folder / "loop.toml").symlink_to(folder / "loop.toml")
    (folder / "empty.toml").touch()
    for name, reason in (
        ("absent.toml", "No such file"),
        (".", "is a directory"),
        ("loop.toml", "symbolic links"),
        ("empty.toml", "is empty"),
        ("x" * 300, "too long"),
    ):
        ended = run_here(right(command, name, "event.json"))
        assert ended.code == 2, ended
        assert reason in re.sub(r"\s+", " ", ended.err + ended.out), ended


@_EACH
def test_help_wins_over_errors_or_is_refused_with_them(command: Command, folder: Path) -> None:
    """Either is an answer; a traceback or a command that has begun is none."""
    for wrong in (["--nonsense"], ["--config"], ["more", "and", "more"]):
        for words in ([*command.words, *wrong, "--help"], [*command.words, "--help", *wrong]):
            with nothing_changes(folder):
                ended = run_here(words)
            assert ended.code in {0, 2}, ended
            assert re.search(r"usage: |error", ended.out + ended.err, re.IGNORECASE)
            assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("words", "option", "limits"),
    [
        (["worker"], "--processes", (1, 64)),
        (["jobs", "list"], "--limit", (1, 10_000)),
        (["jobs", "list"], "--offset", (0, None)),
        (["dlq", "list"], "--limit", (1, 10_000)),
        (["dlq", "list"], "--offset", (0, None)),
        (["dlq", "replay", "--all"], "--rate", (None, None)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_a_number_that_is_none_or_out_of_range_is_refused(
    words: list[str], option: str, limits: tuple[int | None, int | None], folder: Path
) -> None:
    """With the option and the range."""
    low, high = limits
    texts = [*NO_NUMBERS, *([str(high + 1)] if high is not None else []), *([str(low - 1)] if low else [])]
    for text in texts:
        if option == "--rate" and text in {"1.5", "1e9", "nan", "9" * 40}:
            continue
        if high is None and text == "9" * 40:
            continue
        said = refused([*words, option, text, "--config", "absent.toml"], folder)
        assert option in said, (text, said)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "-inf", "1e-400", ""])
def test_a_rate_that_is_none_is_refused(text: str, folder: Path) -> None:
    """At that rate nothing would ever be replayed, or everything at once."""
    refused(["dlq", "replay", "--all", "--rate", text, "--config", "absent.toml"], folder)


@pytest.mark.parametrize(
    "text", ["", " ", "12", ID[:-1], ID + "0", ID.replace("-", "."), "../x", "*", "x" * 10_000, "\x00"]
)
@pytest.mark.parametrize(
    "words", [["jobs", "show"], ["jobs", "cancel"], ["dlq", "show"], ["dlq", "remove"]], ids=" ".join
)
def test_an_id_that_is_none_is_refused(words: list[str], text: str, folder: Path) -> None:
    """Whatever it would have meant elsewhere."""
    refused([*words, text, "--config", "absent.toml"], folder)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["Status"],
        ["jobs"],
        ["jobs", "nonsense"],
        ["dlq", "purge"],
        ["config"],
        ["status", "status"],
        ["--config", "x", "status"],
        ["jobs", "list", "--state", "failed"],
        ["jobs", "list", "--state", ""],
        ["jobs", "list", "--state", "PENDING "],
        ["dlq", "list", "--reason", "tired"],
        ["dlq", "replay"],
        ["dlq", "replay", ID, "--all"],
        ["dlq", "replay", ID, "--rate", "3"],
        ["dlq", "replay", ID, "--observer", "x"],
        ["publish", "absent.ndjson"],
        ["publish", "."],
        ["publish", "\x00"],
    ],
    ids=ascii,
)
def test_words_that_make_no_command_are_refused(arguments: list[str], folder: Path) -> None:
    """Unknown commands, groups alone, options that exclude each other, files that are not there."""
    ended = run_here(arguments)
    assert ended.code == 2, ended
    assert "Traceback" not in ended.err
    assert "Usage: fraiseql-observers" in ended.err + ended.out


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("publsh", "publish"), ("statsu", "status"), ("job", "jobs"), ("dql", "dlq"), ("worke", "worker")],
)
def test_a_mistyped_command_is_answered_with_what_was_meant(wrong: str, meant: str, folder: Path) -> None:
    """At the top, where most are mistyped."""
    assert meant in refused([wrong], folder)


def test_a_wrong_command_line_does_not_touch_the_queue(
    server: ServerProcess, prefix: str, folder: Path
) -> None:
    """Also where the configuration is right and the server answers."""
    (folder / "observers.toml").write_text(
        f'[job_queue]\nurl = "{server.url}"\n[storage]\nkey_prefix = "{prefix}"\n'
    )
    client = server.client()
    before = client.info("stats")["total_connections_received"]
    for command in COMMANDS:
        refused([*right(command, "observers.toml", "event.json"), "--nonsense", CANARY], folder)
    assert client.info("stats")["total_connections_received"] == before
    client.close()
