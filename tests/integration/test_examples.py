"""Every example runs by itself, from a fresh process, and says by its exit code that all went well."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
#: Programs that are run as they are; what else lies in the folder is their parts, or has tests of its own.
_SCRIPTS = ["job_queue.py"]
_PARTS = ["__init__.py"]


@pytest.mark.parametrize("name", _SCRIPTS)
def test_an_example_runs_by_itself_to_a_good_end(name: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", str(_EXAMPLES / name)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "40 jobs completed" in run.stdout
    assert "fraiseql_observer_job_queued_total 40.0" in run.stdout


def test_no_example_is_forgotten() -> None:
    assert sorted(path.name for path in _EXAMPLES.glob("*.py")) == sorted(_SCRIPTS + _PARTS)
