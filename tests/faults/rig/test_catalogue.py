"""The catalogue of faults: what its table says of runs that pass, fail, cannot run, and are never started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.rig.catalogue import ROWS, Entry, Outcome, check_rows, survived, table

REPOSITORY = Path(__file__).resolve().parents[3]

#: One test of each sort. It runs in a process of its own, since it must not be part of this run.
TESTS = """
import pytest

@pytest.mark.row(1)
def test_passes(seed, catalogue):
    catalogue.record(lost=0, duplicated=3, bound=40, drain_secs=7.25)
    catalogue.record(note="with | bar")

@pytest.mark.row(3, 4)
def test_fails(catalogue):
    catalogue.record(lost=2)
    assert catalogue.lost == 0

@pytest.mark.row(16)
def test_cannot_run():
    pytest.skip("needs root")

@pytest.mark.row(9)
@pytest.mark.long
def test_long():
    pass

def test_of_no_row():
    pass
"""


def run(folder: Path, *arguments: str) -> tuple[int, str, list[str]]:
    """Run the tests above; return the exit code, what was printed, and the lines of the table."""
    (folder / "test_sorts.py").write_text(TESTS)
    # Its folder is not there yet, as in a clone in which nothing has been built.
    table_file = folder / "target" / "table.md"
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "tests.faults.rig.plugin", "-p", "no:cacheprovider"),
            *("--rootdir", str(folder), "--catalogue", str(table_file), *arguments),
            str(folder),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    return ended.returncode, ended.stdout, table_file.read_text().splitlines()


def test_the_table_has_a_line_for_each_run(tmp_path: Path) -> None:
    code, printed, lines = run(tmp_path, "--seed", "77")
    assert code == 1
    assert "\n".join(lines) in printed, "it is shown too"
    passed, *failed, could_not = lines[2:6]
    assert passed == (
        r"| 1 | worker killed while running | test_passes | 77 | 0 | 3 | 40 | 7.2 s | passed: with \| bar |"
    )
    for line, start in zip(
        failed, ("| 3 | worker frozen for longer", "| 4 | worker frozen for less"), strict=True
    ):
        assert line.startswith(start)
        assert line.endswith("| test_fails | – | 2 | – | – | – | not passed: AssertionError: assert 2 == 0 |")
    assert could_not == "| 16 | power cut | test_cannot_run | – | – | – | – | – | could not run: needs root |"
    assert lines[7:9] == ["1 of 4 rows survived, in 3 runs.", "Not survived: 3, 4, 16."]
    assert lines[9].startswith("Not run: 2, 5, 6, 8, 9, ")


def test_long_runs_are_left_out_unless_they_are_asked_for(tmp_path: Path) -> None:
    _, printed, lines = run(tmp_path)
    assert "1 deselected" in printed
    assert not any("test_long" in line for line in lines)
    _, printed, lines = run(tmp_path, "--long")
    assert "deselected" not in printed
    assert any(line.startswith("| 9 |") and "| test_long |" in line for line in lines)


def test_a_row_that_could_not_run_fails_a_run_of_the_catalogue(tmp_path: Path) -> None:
    code, printed, _ = run(tmp_path, "-k", "test_cannot_run or test_passes")
    assert "1 passed, 1 skipped" in printed
    assert code == 1
    assert run(tmp_path, "-k", "test_passes")[0] == 0


def test_a_seed_that_is_not_given_is_told(tmp_path: Path) -> None:
    _, _, lines = run(tmp_path, "-k", "test_passes")
    seed = lines[2].split(" | ")[3]
    assert seed.isdigit()
    _, printed, _ = run(tmp_path, "-k", "test_passes", "-rP")
    assert "--seed " in printed


def test_a_row_is_survived_if_all_its_runs_have_passed() -> None:
    entries = [
        Entry((1,), "one", outcome=Outcome.PASSED),
        Entry((1, 2), "two", outcome=Outcome.COULD_NOT_RUN),
        Entry((3,), "three", outcome=Outcome.PASSED),
        Entry((4,), "four"),
    ]
    assert survived(entries) == {3}
    assert table([]).count("\n|") == 1, "nothing has run, so that nothing is told"
    assert table(entries).count("\n| ") == 1 + 5


@pytest.mark.parametrize("number", [0, 7, 67, "1", None])
def test_a_row_that_is_not_in_the_catalogue_is_refused(number: object) -> None:
    assert check_rows(ROWS) == tuple(ROWS)
    with pytest.raises(ValueError, match="the catalogue has no row"):
        check_rows([number])
