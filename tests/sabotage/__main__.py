"""Do the tests catch what they are there for? Five mistakes are planted in a copy of the tree, one after the other.

The test that has to catch each is then run. A mistake counts as caught only if its test passes without it. The
sources that are worked on stay as they are, and so does their environment: the copy has an extension of its own,
built with the same profile.

    python -m tests.sabotage            all of them, about six minutes
    python -m tests.sabotage 2 4        the second and the fourth

ends with 1 where a mistake was not caught.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from tests.sabotage.mistakes import MISTAKES, Mistake

_REPOSITORY = Path(__file__).resolve().parents[2]
_PACKAGE = Path("python", "fraiseql_observers")
#: Exit codes of pytest: every test has passed, and some have failed. Any other one is trouble of its own.
_PASSED, _FAILED = 0, 1


def copy_tree(tree: Path) -> None:
    """Copy what git knows, as it stands now, and the extension that has been built."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=_REPOSITORY, capture_output=True, check=True, text=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        source = _REPOSITORY / name
        if source.exists():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, tree / name)
    for extension in (_REPOSITORY / _PACKAGE).glob("_core.*so"):
        shutil.copy2(extension, tree / _PACKAGE)


def build(tree: Path) -> None:
    """Build the extension of a tree, and put it where Python finds it."""
    with tempfile.TemporaryDirectory() as wheels:
        built = subprocess.run(
            [
                *(sys.executable, "-m", "maturin", "build", "--quiet", "--profile", "dev"),
                *("--interpreter", sys.executable, "--out", wheels),
            ],
            cwd=tree,
            # What the tree depends on has been built already.
            env={**os.environ, "CARGO_TARGET_DIR": str(_REPOSITORY / "target")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if built.returncode != 0:
            raise SystemExit(f"the extension could not be built:\n{built.stderr}")
        (wheel,) = Path(wheels).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            (extension,) = [name for name in archive.namelist() if Path(name).match("_core.*so")]
            for old in (tree / _PACKAGE).glob("_core.*so"):
                old.unlink()
            (tree / _PACKAGE / Path(extension).name).write_bytes(archive.read(extension))


def passes(tree: Path, test: str) -> bool:
    """Run one test of a tree on its own package."""
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree / "python")},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode not in (_PASSED, _FAILED):
        raise SystemExit(f"{test} could not be run:\n{ended.stdout[-4000:]}{ended.stderr[-4000:]}")
    return ended.returncode == _PASSED


def is_caught(tree: Path, mistake: Mistake) -> bool:
    """Plant a mistake, see what its test says, and take it back."""
    if not passes(tree, mistake.test):
        raise SystemExit(f"{mistake.test} fails without any mistake")
    built = [*(tree / _PACKAGE).glob("_core.*so")]
    kept = {file: file.read_bytes() for file in built}
    mistake.plant(tree)
    try:
        if mistake.is_compiled:
            build(tree)
        return not passes(tree, mistake.test)
    finally:
        mistake.undo(tree)
        for file, content in kept.items():
            file.write_bytes(content)


def main(arguments: Sequence[str]) -> int:
    """Run the mistakes with these numbers, all where none is given, and print a table."""
    numbers = [int(argument) for argument in arguments] or range(1, len(MISTAKES) + 1)
    all_caught = True
    print(f"{'caught':<6}  {'mistake':<50}  test")
    with tempfile.TemporaryDirectory(prefix="sabotage-") as name:
        tree = Path(name)
        copy_tree(tree)
        for number in numbers:
            mistake = MISTAKES[number - 1]
            caught = is_caught(tree, mistake)
            all_caught &= caught
            print(
                f"{'yes' if caught else 'NO':<6}  {mistake.name:<50}  {mistake.test.partition('::')[2]}",
                flush=True,
            )
    return 0 if all_caught else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
