"""Do the tests catch what they are there for? Mistakes are planted in a copy of the tree, one after the other.

The test that has to catch each is then run. A mistake counts as caught only if its test passes without it. The
sources that are worked on stay as they are, and so does their environment: the copy has an extension of its own,
built with the same profile.

    python -m tests.sabotage                  all of them
    python -m tests.sabotage queue            those in the way of a job, about six minutes
    python -m tests.sabotage conditions 2 4   the second and the fourth of those in what conditions mean

prints a line for each and their number, and ends with 1 where a mistake was not caught.
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

from tests.sabotage.condition_mistakes import CONDITION_MISTAKES
from tests.sabotage.mistake import Mistake
from tests.sabotage.queue_mistakes import QUEUE_MISTAKES

_REPOSITORY = Path(__file__).resolve().parents[2]
_PACKAGE = Path("python", "fraiseql_observers")
#: Exit codes of pytest: every test has passed, and some have failed. Any other one is trouble of its own.
_PASSED, _FAILED = 0, 1
_GROUPS = {"queue": QUEUE_MISTAKES, "conditions": CONDITION_MISTAKES}


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
        [sys.executable, "-m", "pytest", "-q", "-x", "--long", "-p", "no:cacheprovider", test],
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
    changed = [tree / mistake.path, *(tree / _PACKAGE).glob("_core.*so")]
    kept = {file: file.read_bytes() for file in changed}
    mistake.plant(tree)
    try:
        if mistake.is_compiled:
            build(tree)
        return not passes(tree, mistake.test)
    finally:
        for file, content in kept.items():
            file.write_bytes(content)


def chosen(arguments: Sequence[str]) -> list[Mistake]:
    """Return the mistakes of a group, those of it with these numbers, or all."""
    if not arguments:
        return [mistake for group in _GROUPS.values() for mistake in group]
    name, *numbers = arguments
    group = _GROUPS[name]
    return [group[int(number) - 1] for number in numbers] if numbers else list(group)


def main(arguments: Sequence[str]) -> int:
    """Plant the mistakes that are asked for, and print a table."""
    mistakes = chosen(arguments)
    caught = 0
    print(f"{'caught':<6}  {'mistake':<52}  test")
    with tempfile.TemporaryDirectory(prefix="sabotage-") as name:
        tree = Path(name)
        copy_tree(tree)
        for test in {mistake.test for mistake in mistakes}:
            if not passes(tree, test):
                raise SystemExit(f"{test} fails without any mistake")
        for mistake in mistakes:
            is_found = is_caught(tree, mistake)
            caught += is_found
            print(
                f"{'yes' if is_found else 'NO':<6}  {mistake.name:<52}  {mistake.test.rpartition('/')[2]}",
                flush=True,
            )
    print(f"{caught} of {len(mistakes)} caught")
    return 0 if caught == len(mistakes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
