"""What every refusal of a configuration must look like, and that nothing came of what was refused."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fraiseql_observers.cli.failure import ExitCode, exit_code
from fraiseql_observers.config import load_config
from fraiseql_observers.errors import ConfigError
from fraiseql_observers.problems import Problem, ProblemKind, dotted
from tests.support.command import run_here

#: What must never be shown; tests put it where secrets stand.
CANARY = "hunter2canary"

#: The most characters of a refused value that a message repeats, with what stands around them.
_LONGEST_QUOTE = 84
#: Kinds that say what is allowed in words of their own: a hint, a caret, the reason of the system.
_FREE_OF_ALLOWED = {
    ProblemKind.FILE,
    ProblemKind.SYNTAX,
    ProblemKind.DUPLICATE,
    ProblemKind.CONDITION,
    ProblemKind.TEMPLATE,
    ProblemKind.HEADER,
    ProblemKind.URL,
    ProblemKind.UNSUPPORTED,
    ProblemKind.ENVIRONMENT,
    ProblemKind.SECRET,
    ProblemKind.HANDLER,
}


@dataclass(frozen=True)
class Footprint:
    """What a command may leave behind in this process and its folder."""

    files: Mapping[str, bytes | None]
    descriptors: int
    threads: frozenset[str]


def footprint(folder: Path) -> Footprint:
    """Return what is there now: every file with its contents, open descriptors, threads."""
    files = {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if "__pycache__" not in path.parts and not path.is_symlink()
    }
    open_files = Path("/dev/fd")
    descriptors = len(list(open_files.iterdir())) if open_files.is_dir() else 0
    return Footprint(files, descriptors, frozenset(thread.name for thread in threading.enumerate()))


@contextmanager
def nothing_changes(folder: Path) -> Generator[None]:
    """Hold that the block leaves no file, no descriptor and no thread behind, and changes no file."""
    before = footprint(folder)
    yield
    after = footprint(folder)
    assert (after.files, after.threads) == (before.files, before.threads), f"{before} became {after}"
    # What the test itself has let go of meanwhile may be closed.
    assert after.descriptors <= before.descriptors, f"{before} became {after}"


def write(folder: Path, text: str | bytes) -> Path:
    """Write a configuration file."""
    path = folder / "observers.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(
    path: Path | str, environment: Mapping[str, str] | None = None, *, folder: Path | None = None
) -> list[Problem]:
    """Load a file that must be refused, and return every mistake; the form of each is checked."""
    with nothing_changes(folder or Path(path).parent), pytest.raises(ConfigError) as caught:
        load_config(path, environment=environment or {})
    error = caught.value
    assert exit_code(error) == ExitCode.USAGE
    assert error.problems, "a mistake is told to programs, too"
    assert CANARY not in f"{error}{error!r}"
    for problem in error.problems:
        check_form(problem)
        # A message of several lines is indented as a whole where it is one of several.
        assert all(line in str(error) for line in problem.message.splitlines())
    return list(error.problems)


def refused_text(
    folder: Path, text: str | bytes, environment: Mapping[str, str] | None = None
) -> list[Problem]:
    """Write a file that must be refused, and return every mistake."""
    return refused(write(folder, text), environment)


def only(problems: list[Problem]) -> Problem:
    """Return the one mistake: what is wrong once is told once."""
    assert len(problems) == 1, [str(problem) for problem in problems]
    return problems[0]


def check_form(problem: Problem) -> None:
    """Hold a mistake to its form: code, path, what was got within bounds, what is allowed."""
    text = str(problem)
    assert re.fullmatch(r"OB0(01|03|05|08|14)", problem.code), text
    assert problem.message.strip(), text
    assert dotted(problem.path) in text
    assert text.isprintable() or problem.kind is ProblemKind.CONDITION, text
    for quoted in re.findall(r"the (?:string|integer|float) (?:'([^']*)'|(\S+))", problem.message):
        assert len("".join(quoted)) <= _LONGEST_QUOTE, text
    if problem.kind not in _FREE_OF_ALLOWED:
        assert re.search(r"allowed|did you mean|known: ", problem.message), text


def checked(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Run ``config check --json`` on a file that must be refused: exit code 2, every mistake, nothing else."""
    for name in [name for name in os.environ if name.startswith("FRAISEQL_")]:
        monkeypatch.delenv(name)
    with nothing_changes(path.parent):
        ended = run_here(["config", "check", str(path), "--json"])
    assert ended.code == 2, ended
    assert CANARY not in ended.out + ended.err
    document = ended.document
    assert document["valid"] is False
    mistakes: list[dict[str, Any]] = document["mistakes"]
    assert mistakes
    return mistakes


def toml(value: object) -> str:
    """Write a plain value as TOML does."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + "".join(_escaped(value)) + '"'
    return str(value)


def _escaped(text: str) -> Iterator[str]:
    for character in text:
        plain = character.isprintable() and character not in '"\\'
        yield character if plain else f"\\U{ord(character):08x}"
