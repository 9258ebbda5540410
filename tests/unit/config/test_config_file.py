"""A file that cannot be read, or is no TOML, is refused with the reason and without its contents."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from fraiseql_observers.config import load_config
from fraiseql_observers.config.lines import key_lines
from fraiseql_observers.config.source import LARGEST_FILE_BYTES
from fraiseql_observers.errors import ConfigError
from fraiseql_observers.problems import ProblemKind

CANARY = "hunter2canary"


def refused(path: Path | str) -> ConfigError:
    """Load a file that must be refused with exactly one mistake."""
    with pytest.raises(ConfigError) as caught:
        load_config(path, environment={})
    assert len(caught.value.problems) == 1
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"# only a comment\n", "empty"),
        (b"\xef\xbb\xbf[log]\n", "byte order mark"),
        ("[log]\n".encode("utf-16"), "UTF-16"),
        ("[log]\n".encode("utf-16-le"), "UTF-16"),
        (b'[log]\nlevel = "\xff"\n', "not UTF-8"),
        (b"#" * (LARGEST_FILE_BYTES + 1), "larger than 4 MiB"),
        (b"a = " + b"9" * 5000, "too long"),
        (b"a = " + b"[" * 5000, "too long"),
    ],
    ids=["empty", "comment", "bom", "utf16", "utf16le", "latin", "large", "digits", "nesting"],
)
def test_content_that_is_no_configuration_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    """Each kind of wrong content is told apart."""
    path = tmp_path / "observers.toml"
    path.write_bytes(content)
    error = refused(path)
    assert error.problems[0].kind is ProblemKind.FILE
    assert reason in str(error)
    assert str(path) in str(error)


def test_bytes_that_are_not_utf8_name_their_line(tmp_path: Path) -> None:
    """The line leads an editor to the place."""
    path = tmp_path / "observers.toml"
    path.write_bytes(b'[log]\n\nlevel = "\xff"\n')
    assert refused(path).problems[0].line == 3


def test_file_that_is_absent_a_directory_or_a_loop_is_refused(tmp_path: Path) -> None:
    """What cannot be opened names the system's reason."""
    loop = tmp_path / "loop.toml"
    loop.symlink_to(loop)
    fifo = tmp_path / "fifo.toml"
    os.mkfifo(fifo)
    assert "No such file" in str(refused(tmp_path / "absent.toml"))
    assert "directory" in str(refused(tmp_path))
    assert "symbolic links" in str(refused(loop))
    assert "no regular file" in str(refused(fifo))
    assert "NUL" in str(refused("a\x00b"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_unreadable_file_is_refused(tmp_path: Path) -> None:
    """A file without the right to read it names that."""
    path = tmp_path / "observers.toml"
    path.write_text("[log]\n")
    path.chmod(0)
    assert "Permission denied" in str(refused(path))


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        (f'[job_queue]\nurl = "redis://:{CANARY}@h\n', 2, "url"),
        (f"[job_queue]\nurl = {CANARY}\n", 2, "url"),
        (f'[job_queue]\nurl = "a" {CANARY}\n', 2, "url"),
        (f"[a]\nsigning_secret = [\n  '{CANARY}',\n  {CANARY},\n]\n", 4, "signing_secret"),
        (f'[a]\nb = """\n{CANARY} = 1\n', 4, "b"),
        (f'[a]\ntoken = "\\{CANARY}"\n', 2, "token"),
        (f'[a]\nheaders = {{ Authorization = "{CANARY}", X = }}\n', 2, "headers"),
        (f"[a]\n'x y'.z = {CANARY}\n", 2, "'x y'.z"),
    ],
)
def test_syntax_error_names_line_column_and_key_and_never_the_value(
    tmp_path: Path, text: str, line: int, key: str
) -> None:
    """A broken line often holds the secret that was just pasted into it."""
    path = tmp_path / "observers.toml"
    path.write_text(text)
    error = refused(path)
    (problem,) = error.problems
    assert (problem.kind, problem.line) == (ProblemKind.SYNTAX, line)
    assert "column" in str(error)
    assert f"key {key}" in str(error)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[observers.a]\nentity = 'x'\n[observers.a]\nentity = 'y'\n", 3),
        ("[job_queue]\nbatch_size = 1\nbatch_size = 2\n", 3),
        ("[job_queue]\na = { b = 1, b = 2 }\n", 2),
    ],
)
def test_name_that_is_given_twice_is_refused(tmp_path: Path, text: str, line: int) -> None:
    """The second of two observers of one name must not silently win."""
    path = tmp_path / "observers.toml"
    path.write_text(text)
    (problem,) = refused(path).problems
    assert (problem.kind, problem.line) == (ProblemKind.DUPLICATE, line)


def test_key_lines_finds_every_key_of_a_file_that_uses_all_of_toml() -> None:
    """Every way of writing a key or a value is walked without losing the way."""
    text = (Path(__file__).parent / "all_of_toml.toml").read_text()
    tables = tomllib.loads(text)
    lines = key_lines(text)
    rows = text.split("\n")

    def check(value: object, path: tuple[str | int, ...]) -> None:
        if path:
            assert path in lines, path
            last = path[-1]
            if isinstance(last, str):
                assert last.replace('"', '\\"') in rows[lines[path] - 1] or last in rows[lines[path] - 1]
        if isinstance(value, dict):
            for key, inner in value.items():
                check(inner, (*path, key))
        elif isinstance(value, list):
            for number, inner in enumerate(value):
                check(inner, (*path, number))

    check(tables, ())
    assert lines["observers", "a", "actions", 1, "type"] == rows.index('type = "webhook"') + 1
    assert (
        lines["table", "after", 3, "deep", "er", 0] == rows.index("  4], { inline = 5, deep.er = [6] } ]") + 1
    )
