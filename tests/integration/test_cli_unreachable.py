"""The operator command where the queue does not let it in: one line with the cause, no password, the right code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import run_here, write_config
from tests.support.server import ServerProcess

ID = "0192f3a0-5a0e-7c1e-9c55-3f6f6f0e7a11"
COMMANDS = (
    ["publish", "FILE"],
    ["status"],
    ["jobs", "show", ID],
    ["jobs", "list"],
    ["jobs", "cancel", ID],
    ["dlq", "list"],
    ["dlq", "show", ID],
    ["dlq", "replay", ID],
    ["dlq", "remove", ID],
    ["dlq", "clear", "--yes"],
)
EVENT = b'{"event_type":"INSERT","entity_type":"Order","entity_id":"6c60da28-b6e0-58ce-b089-a0e08c9fdc80","data":{}}'
ALL_EVENTS = '[observers.all]\nevent_type = "*"\nentity = "*"\n[[observers.all.actions]]\ntype = "log"\n'


def refusal(arguments: list[str], config: str, code: int) -> str:
    """Run a command that must end with ``code`` and one line on standard error, and return that line."""
    file = Path(config).with_name("events.ndjson")
    file.write_bytes(EVENT)
    ended = run_here([str(file) if word == "FILE" else word for word in arguments] + ["--config", config])
    assert ended.code == code, ended
    assert ended.out == ""
    (line,) = ended.err.splitlines()
    assert line.startswith("error: ")
    assert "canary" not in line
    assert "Traceback" not in line
    return line


@pytest.fixture(scope="module")
def no_server(server_binary: Path) -> Iterator[ServerProcess]:
    """A server that has gone, so that nothing listens on its port."""
    with ServerProcess(server_binary) as process:
        process.stop()
        yield process


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_server_that_is_down_is_named_without_its_password(
    arguments: list[str], no_server: ServerProcess, tmp_path: Path
) -> None:
    """Exit code 3: a script may try again later."""
    url = f"redis://user:canary-1@127.0.0.1:{no_server.port}/0"
    line = refusal(arguments, write_config(tmp_path, url, "t", ALL_EVENTS), 3)
    assert f"127.0.0.1:{no_server.port}" in line


@pytest.fixture(scope="module")
def locked_server(server_binary: Path) -> Iterator[ServerProcess]:
    """A server that asks for a password."""
    with ServerProcess(server_binary, extra=("--requirepass", "the-right-one")) as process:
        yield process


@pytest.mark.parametrize("credentials", ["", ":canary-2@", "nobody:canary-3@"])
@pytest.mark.parametrize("arguments", [["status"], ["publish", "FILE"]], ids=" ".join)
def test_a_refused_login_is_told_at_once(
    arguments: list[str], credentials: str, locked_server: ServerProcess, tmp_path: Path
) -> None:
    """None, a wrong password, an unknown user: exit code 3, with the server's reason."""
    url = f"redis://{credentials}127.0.0.1:{locked_server.port}/0"
    line = refusal(arguments, write_config(tmp_path, url, "t", ALL_EVENTS), 3)
    assert re.search(r"NOAUTH|WRONGPASS|password|login", line)


def test_tls_on_a_plain_port_is_told(server: ServerProcess, tmp_path: Path) -> None:
    """The handshake fails; nothing is sent in plain text instead."""
    config = write_config(tmp_path, f"rediss://:canary-4@127.0.0.1:{server.port}/0", "t", ALL_EVENTS)
    refusal(["status"], config, 3)


def test_a_server_that_evicts_is_refused_as_a_bad_configuration(server_binary: Path, tmp_path: Path) -> None:
    """Exit code 2: trying again will not help."""
    with ServerProcess(server_binary, extra=("--maxmemory-policy", "allkeys-lru")) as process:
        config = write_config(tmp_path, process.url, "t", ALL_EVENTS)
        assert "noeviction" in refusal(["status"], config, 2)


def test_a_durability_that_the_server_cannot_give_is_refused(server_binary: Path, tmp_path: Path) -> None:
    """Asked for more than the server keeps, the command says so instead of keeping less."""
    with ServerProcess(server_binary, appendonly=False) as process:
        config = Path(write_config(tmp_path, process.url, "t", ALL_EVENTS))
        config.write_text(config.read_text().replace("[storage]\n", '[storage]\ndurability = "process"\n'))
        assert "found: " in (text := refusal(["status"], str(config), 2))
        assert "appendonly no" in text
