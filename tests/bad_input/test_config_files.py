"""Row 7: a file that is none, for each command that reads one."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from fraiseql_observers.problems import ProblemKind
from tests.bad_input.refusals import CANARY, checked, nothing_changes, only, refused
from tests.support.command import run_here

GOOD = f'[job_queue]\nurl = "redis://:{CANARY}@127.0.0.1:1/0"\n'


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _long_loop(path: Path) -> None:
    other = path.with_name("other.toml")
    other.symlink_to(path)
    path.symlink_to(other)


def _dangling(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere.toml"))


def _sparse(path: Path) -> None:
    """100 MB that take no room on the disk."""
    with path.open("wb") as file:
        file.truncate(100_000_000)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        here = Path.cwd()
        os.chdir(path.parent)  # a path of a socket ends at 108 bytes
        try:
            made.bind(path.name)
        finally:
            os.chdir(here)


def _holding(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


#: What stands where the file should, and what is said about it.
FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "absent": (lambda _: None, "cannot be read: No such file"),
    "dangling link": (_dangling, "cannot be read: No such file"),
    "directory": (Path.mkdir, "is a directory"),
    "link to itself": (_loop, "symbolic links"),
    "links to each other": (_long_loop, "symbolic links"),
    "fifo": (os.mkfifo, "no regular file"),
    "socket": (_socket, "no regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "no regular file"),
    "empty": (_holding(b""), "is empty"),
    "blank": (_holding(b" \n\t\r\n\n"), "is empty"),
    "comment": (_holding(b"# nothing\n"), "is empty"),
    "byte order mark": (_holding(b"\xef\xbb\xbf" + GOOD.encode()), "byte order mark"),
    "UTF-16": (_holding(GOOD.encode("utf-16")), "UTF-16"),
    "UTF-16 big end": (_holding(GOOD.encode("utf-16-be")), "UTF-16"),
    "UTF-16 little end": (_holding(GOOD.encode("utf-16-le")), "UTF-16"),
    "UTF-32": (_holding(GOOD.encode("utf-32")), "UTF-32"),
    "bad UTF-8": (_holding(GOOD.encode() + b'level = "\xff"\n'), "is not UTF-8"),
    "overlong UTF-8": (_holding(GOOD.encode() + b'level = "\xc0\xaf"\n'), "is not UTF-8"),
    "surrogate": (_holding(GOOD.encode() + b'level = "\xed\xa0\x80"\n'), "is not UTF-8"),
    "cut in a character": (_holding(GOOD.encode() + "é".encode()[:1]), "is not UTF-8"),
    "100 MB": (_sparse, "larger than 4 MiB"),
    "a number of 5,000 digits": (_holding(GOOD.encode() + b"n = " + b"9" * 5000), "too long to read"),
    "5,000 brackets": (_holding(GOOD.encode() + b"n = " + b"[" * 5000), "too long to read"),
    "pickle": (_holding(b"\x80\x04\x95\x10\x00\x00\x00."), "is not UTF-8"),
    "gzip": (_holding(b"\x1f\x8b\x08\x00\x00\x00\x00\x00"), "save it as UTF-8"),
}
SYNTAX: dict[str, bytes] = {
    "NUL": GOOD.encode() + b"a = 1\x00\n",
    "JSON": b'{"job_queue": {"url": "' + CANARY.encode() + b'"}}',
    "YAML": b"job_queue:\n  url: " + CANARY.encode() + b"\n",
    "INI": b"[job_queue]\nurl: " + CANARY.encode() + b"\n",
    "bare text": b"[job_queue]\nurl = " + CANARY.encode() + b"\n",
    "open text": b'[job_queue]\nurl = "' + CANARY.encode() + b"\n",
    "open table": b"[job_queue\nurl = 1\n",
    "two values": b"[job_queue]\nurl = 1 2\n",
    "no value": b"[job_queue]\nurl =\n",
    "no key": b"[job_queue]\n= 1\n",
    "binary": b"[job_queue]\n\x01\x02\x03\n",
    "carriage return": b"[job_queue]\rurl = 1\r",
}
#: Every command that reads a configuration; FILE stands for it.
COMMANDS = (
    ["config", "check", "FILE"],
    ["publish", "-", "--config", "FILE"],
    ["status", "--config", "FILE"],
    ["explain", "EVENT", "--config", "FILE"],
    ["jobs", "list", "--config", "FILE"],
    ["jobs", "show", "0192f3a0-5a0e-7c1e-9c55-3f6f6f0e7a11", "--config", "FILE"],
    ["jobs", "cancel", "0192f3a0-5a0e-7c1e-9c55-3f6f6f0e7a11", "--config", "FILE"],
    ["dlq", "list", "--config", "FILE"],
    ["dlq", "clear", "--yes", "--config", "FILE"],
)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_none_is_refused_with_the_reason(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each kind is told apart, at once, and its contents are not repeated."""
    make, reason = FILES[name]
    path = tmp_path / "f.toml"
    make(path)
    if name == "100 MB":
        # Its contents are not compared: to read them takes longer than to refuse them.
        path = Path(tmp_path.parent, f"{tmp_path.name}.toml")
        (tmp_path / "f.toml").rename(path)
        tmp_path.joinpath("f.toml").symlink_to(path)
        path = tmp_path / "f.toml"
    problem = only(refused(path))
    assert (problem.kind, problem.code) == (ProblemKind.FILE, "OB001")
    assert reason in problem.message
    assert str(problem).startswith(str(path))
    (mistake,) = checked(path, monkeypatch)
    assert (mistake["kind"], mistake["source"]) == ("file", str(path))


@pytest.mark.parametrize("name", SYNTAX)
def test_a_text_that_is_no_toml_is_refused_at_its_line(name: str, tmp_path: Path) -> None:
    """Line and column lead to the place; the value on it is not repeated."""
    path = tmp_path / "f.toml"
    path.write_bytes(SYNTAX[name])
    problem = only(refused(path))
    assert problem.kind is ProblemKind.SYNTAX
    assert "column" in problem.message
    assert problem.line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    """The system's reason is told."""
    path = tmp_path / "f.toml"
    path.write_text(GOOD)
    path.chmod(0)
    try:
        with pytest.raises(Exception, match="Permission denied"):
            refused(path)
    finally:
        path.chmod(0o600)


@pytest.mark.parametrize("name", ["", "a\x00b", "x" * 300, "x/" * 3000])
def test_a_path_that_can_be_none_is_refused(name: str, tmp_path: Path) -> None:
    """No name of a file breaks the message."""
    problem = only(refused(f"{tmp_path}/{name}", folder=tmp_path))
    assert problem.kind is ProblemKind.FILE


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(words[:2]))
@pytest.mark.parametrize("name", ["absent", "directory", "link to itself", "empty", "UTF-16", "bad UTF-8"])
def test_every_command_refuses_the_file_with_one_line(command: list[str], name: str, tmp_path: Path) -> None:
    """On standard error, with exit code 2; nothing is connected or started."""
    make, reason = FILES[name]
    path = tmp_path / "f.toml"
    make(path)
    event = tmp_path / "event.json"
    event.write_bytes(b"{}")
    words = [{"FILE": str(path), "EVENT": str(event)}.get(word, word) for word in command]
    with nothing_changes(tmp_path):
        ended = run_here(words)
    assert ended.code == 2, ended
    assert reason in ended.err + ended.out
    assert "Traceback" not in ended.err
    assert CANARY not in ended.err + ended.out
