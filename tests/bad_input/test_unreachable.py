"""Rows 61 and 64: a queue that is not there, not ours or locked, for every command: one line with the cause."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bad_input.command_tree import COMMANDS, WITH_QUEUE, Command, right
from tests.bad_input.refusals import CANARY
from tests.bad_input.ways_in import as_text, line
from tests.support.command import Ended, ended, run_here, start_command, write_config
from tests.support.server import ServerProcess

_EACH = pytest.mark.parametrize("command", WITH_QUEUE, ids=str)

#: Seconds within which a command must have ended, whatever the server does: two starts on a busy machine, and the five
#: that a connection gets.
BOUND_SECS = 30.0
RULES = '[observers.all]\nevent_type = "*"\nentity = "*"\n[[observers.all.actions]]\ntype = "log"\n'


def _line(command: Command, url: str, folder: Path, prefix: str = "t") -> list[str]:
    (folder / "events.ndjson").write_bytes(as_text(line()) + b"\n")
    return right(command, write_config(folder, url, prefix, RULES), str(folder / "events.ndjson"))


def check(answer: Ended, code: int, words: str) -> None:
    """Hold a refusal to its form: one line on standard error with the cause, no secret, the code."""
    assert answer.code == code, answer
    assert answer.out == "", answer
    (text,) = answer.err.splitlines()
    assert text.startswith("error: ")
    assert re.search(words, text), text
    assert CANARY not in text
    assert text.isprintable()


@pytest.fixture(scope="module")
def gone(server_binary: Path) -> Iterator[ServerProcess]:
    """A server that has gone, so that nothing listens on its port."""
    with ServerProcess(server_binary) as process:
        process.stop()
        yield process


@pytest.fixture(scope="module")
def locked(server_binary: Path) -> Iterator[ServerProcess]:
    """A server that asks for a password."""
    with ServerProcess(server_binary, extra=("--requirepass", "the-right-one")) as process:
        yield process


def test_every_command_that_speaks_to_the_queue_is_tried() -> None:
    """A new one must not slip through by its name."""
    assert {str(c) for c in COMMANDS} - {str(c) for c in WITH_QUEUE} == {"worker", "explain", "config check"}


@_EACH
def test_a_server_that_is_down_is_named(command: Command, gone: ServerProcess, tmp_path: Path) -> None:
    """Exit code 3: a script may try again later."""
    url = f"redis://user:{CANARY}@127.0.0.1:{gone.port}/0"
    check(run_here(_line(command, url, tmp_path)), 3, f"127.0.0.1:{gone.port}.*refused")


@_EACH
def test_a_socket_that_is_not_there_is_named(command: Command, tmp_path: Path) -> None:
    """Exit code 3, with the path."""
    url = f"unix:///nowhere/v.sock?pass={CANARY}"
    check(run_here(_line(command, url, tmp_path)), 3, "/nowhere/v.sock")


@_EACH
def test_a_host_that_has_no_address_is_named(command: Command, tmp_path: Path) -> None:
    """Exit code 3, since names come and go."""
    url = f"redis://user:{CANARY}@no-such-host.invalid:6379/0"
    check(run_here(_line(command, url, tmp_path)), 3, "no-such-host.invalid")


@_EACH
@pytest.mark.parametrize("login", ["", f":{CANARY}@", f"nobody:{CANARY}@"], ids=["none", "wrong", "unknown"])
def test_a_refused_login_is_told_at_once(
    command: Command, login: str, locked: ServerProcess, tmp_path: Path
) -> None:
    """None, a wrong password, an unknown user: exit code 3, with the server's reason."""
    url = f"redis://{login}127.0.0.1:{locked.port}/0"
    check(run_here(_line(command, url, tmp_path)), 3, "NOAUTH|WRONGPASS|password|login")


def test_tls_on_a_plain_port_is_told_within_bounds(server: ServerProcess, tmp_path: Path) -> None:
    """For each command, all at once, since the server waits for the end of a line that never comes.

    Nothing is sent in plain text instead: no command of ours reaches the server.
    """
    commands: list[tuple[Command, subprocess.Popen[bytes]]] = []
    began = time.monotonic()
    for number, command in enumerate(WITH_QUEUE):
        folder = tmp_path / str(number)
        folder.mkdir()
        url = f"rediss://user:{CANARY}@127.0.0.1:{server.port}/0"
        commands.append((command, start_command(_line(command, url, folder))))
    for _, process in commands:
        check(ended(process), 3, f"127.0.0.1:{server.port}")
    assert time.monotonic() - began < BOUND_SECS


@_EACH
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("another hash", "without our marker"),
        ("a text", "a key of type string"),
        ("another program", "celery"),
    ],
)
def test_keys_of_another_program_are_refused_and_left_alone(
    command: Command, kind: str, words: str, server: ServerProcess, prefix: str, tmp_path: Path
) -> None:
    """Exit code 2: the prefix is another's, and every key below it stays as it was."""
    client = server.client()
    meta = f"{{{prefix}:default:0}}:meta"
    match kind:
        case "another hash":
            client.hset(meta, mapping={"jobs": "5"})
        case "a text":
            client.set(meta, "theirs")
        case _:
            client.hset(meta, mapping={"marker": "celery 5"})
    client.rpush(f"{{{prefix}:default:0}}:pending:d", "theirs")
    before = {key: client.dump(key) for key in client.keys(f"{{{prefix}*")}
    check(run_here(_line(command, server.url, tmp_path, prefix)), 2, words)
    assert {key: client.dump(key) for key in client.keys(f"{{{prefix}*")} == before


@pytest.mark.parametrize("db", [16, 2**31 - 1])
def test_a_database_that_the_server_does_not_have_is_told(
    db: int, server: ServerProcess, prefix: str, tmp_path: Path
) -> None:
    """A number that is right as such, and none of this server's."""
    url = server.url.replace("/0", f"/{db}")
    (command,) = (c for c in WITH_QUEUE if str(c) == "status")
    answer = run_here(_line(command, url, tmp_path, prefix))
    assert answer.code in {1, 2, 3}, answer
    assert re.search(r"DB index is out of range|database", answer.err), answer
    assert len(answer.err.splitlines()) == 1
