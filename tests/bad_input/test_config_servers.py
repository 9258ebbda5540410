"""Rows 13 and 14: servers that must not hold jobs are refused before anything is written to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bad_input.fake_server import FakeServer, fake_server
from tests.bad_input.refusals import CANARY
from tests.support.command import Ended, run_here, write_config

#: What a server says of itself that may hold jobs.
GOOD = {
    "redis_version": "7.2.4",
    "run_id": "a" * 40,
    "role": "master",
    "maxmemory_policy": "noeviction",
    "aof_enabled": "1",
}
#: The commands that change nothing, and that a greeting may consist of.
HARMLESS = {"INFO", "CONFIG", "CLIENT", "HELLO", "AUTH", "SELECT", "PING", "ROLE", "COMMAND", "READONLY"}
COMMANDS = (["status"], ["jobs", "list"], ["dlq", "clear", "--yes"], ["publish", "EVENTS"])
RULES = '[observers.all]\nevent_type = "*"\nentity = "*"\n[[observers.all.actions]]\ntype = "log"\n'
EVENT = b'{"event_type":"INSERT","entity_type":"Order","entity_id":"6c60da28-b6e0-58ce-b089-a0e08c9fdc80","data":{}}'


def info(**changes: str | None) -> list[str]:
    """Return the lines of INFO with some of them changed or left out."""
    lines = GOOD | {name: value for name, value in changes.items() if value is not None}
    return [f"{name}:{value}" for name, value in lines.items() if changes.get(name, "") is not None]


def refusal(server: FakeServer, folder: Path, command: list[str], code: int, storage: str = "") -> Ended:
    """Run a command that must end with `code`, one line on standard error, and nothing written."""
    url = f"redis://user:{CANARY}@127.0.0.1:{server.port}/0"
    path = Path(write_config(folder, url, "t", RULES))
    path.write_text(path.read_text().replace("[storage]\n", f"[storage]\n{storage}"))
    (folder / "events.ndjson").write_bytes(EVENT)
    words = [str(folder / "events.ndjson") if word == "EVENTS" else word for word in command]
    ended = run_here([*words, "--config", str(path)])
    assert ended.code == code, ended
    assert ended.out == ""
    (line,) = ended.err.splitlines()
    assert line.startswith("error: ")
    assert CANARY not in line
    assert set(server.asked) <= HARMLESS, server.asked
    return ended


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"redis_version": "6.2.14"}, "redis 6.2.14 is too old: 7.0 or newer"),
        ({"redis_version": "5.0.7"}, "redis 5.0.7 is too old"),
        ({"redis_version": "2.8.24"}, "redis 2.8.24 is too old"),
        ({"redis_version": "6.99.99"}, "redis 6.99.99 is too old"),
        ({"redis_version": "x"}, "too old"),
        ({"redis_version": ""}, "too old"),
        ({"redis_version": None}, "too old"),
        ({"redis_version": "99999999999999999999.1"}, "too old"),
        ({"redis_version": "7.2.4", "valkey_version": "7.0.0"}, "valkey 7.0.0 is too old: 7.2 or newer"),
        ({"maxmemory_policy": "allkeys-lru"}, "allkeys-lru"),
        ({"maxmemory_policy": "allkeys-lfu"}, "allkeys-lfu"),
        ({"maxmemory_policy": "allkeys-random"}, "allkeys-random"),
    ],
    ids=lambda value: str(value)[:40],
)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_an_unfit_server_is_refused_with_what_was_found_and_what_is_needed(
    changes: dict[str, str | None], words: str, command: list[str], tmp_path: Path
) -> None:
    """Exit code 2: to try again does not help."""
    with fake_server(info(**changes)) as server:
        assert words in refusal(server, tmp_path, command, 2).err


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_replica_is_refused_as_a_passing_state(command: list[str], tmp_path: Path) -> None:
    """Exit code 3, since a failover may be under way, after which it is none."""
    with fake_server(info(role="slave")) as server:
        assert "replica" in refusal(server, tmp_path, command, 3).err


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        b"220 mail.example.com ESMTP\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x00" * 64,
        b"$99999999999999999999\r\n",
    ],
    ids=lambda answer: ascii(answer[:24]),
)
def test_what_speaks_another_protocol_is_refused(answer: bytes, tmp_path: Path) -> None:
    """Exit code 2, since it will not become a server by waiting; what it said is not repeated."""
    with fake_server(answer) as server:
        url = f"redis://user:{CANARY}@127.0.0.1:{server.port}/0"
        ended = run_here(["status", "--config", write_config(tmp_path, url, "t", RULES)])
        assert ended.err == (
            "error: the server is unsuitable: "
            f"127.0.0.1:{server.port} does not answer as a Redis or Valkey server does\n"
        )
    assert ended.code == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"*-5\r\n",
        b":5\r\n",
        b"%1\r\n+a\r\n+b\r\n",
        b"_\r\n",
        b"-ERR max number of clients reached\r\n",
        b"-LOADING Redis is loading the dataset in memory\r\n",
        b"-MASTERDOWN Link with MASTER is down\r\n",
        b"-NOAUTH Authentication required.\r\n",
        b"-WRONGPASS invalid username-password pair or user is disabled.\r\n",
        b"-DENIED Redis is running in protected mode\r\n",
    ],
    ids=lambda answer: ascii(answer[:24]),
)
def test_an_answer_of_another_kind_ends_a_command_with_one_line(answer: bytes, tmp_path: Path) -> None:
    """Whatever is answered to the greeting, the command neither hangs nor crashes."""
    with fake_server(answer) as server:
        url = f"redis://user:{CANARY}@127.0.0.1:{server.port}/0"
        ended = run_here(["status", "--config", write_config(tmp_path, url, "t", RULES)])
    assert ended.code in {1, 2, 3}, ended
    assert ended.out == ""
    (line,) = ended.err.splitlines()
    assert line.isprintable()
    assert CANARY not in line


@pytest.mark.parametrize("level", ["paper", "", "DISK", "disk ", "replica", "replica:", "outbox", "always"])
def test_a_level_of_durability_that_is_none_is_refused(level: str, tmp_path: Path) -> None:
    """With the levels that there are; the server is not even asked."""
    with fake_server(info()) as server:
        path = Path(write_config(tmp_path, f"redis://127.0.0.1:{server.port}", "t", RULES))
        path.write_text(path.read_text().replace("[storage]\n", f'[storage]\ndurability = "{level}"\n'))
        ended = run_here(["status", "--config", str(path)])
        assert server.asked == []
    assert ended.code == 2, ended
    assert "storage.durability" in ended.err
