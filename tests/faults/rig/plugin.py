"""What tests of faults need of pytest: rows of the catalogue, long runs on demand, seeds that are told.

``pytest --long -m row --catalogue FILE.md`` runs the catalogue and writes its table; ``--seed N`` replays a run.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.faults.rig.catalogue import Entry, Outcome, check_rows, survived, table

_ENTRY = pytest.StashKey[Entry]()
_ENTRIES = pytest.StashKey[list[Entry]]()

#: Seeds are short enough to be typed.
_SEEDS = 1_000_000_000


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare our options."""
    group = parser.getgroup("faults")
    group.addoption("--long", action="store_true", help="run the tests marked long too")
    group.addoption("--seed", type=int, help="the seed of every random test, to replay one")
    group.addoption("--catalogue", type=Path, metavar="FILE", help="write the table of the rows that ran")


def pytest_configure(config: pytest.Config) -> None:
    """Declare our markers."""
    config.addinivalue_line(
        "markers", "row(*numbers): the rows of the catalogue of faults that this test runs"
    )
    config.addinivalue_line("markers", "long: takes minutes, and runs with --long only")
    config.stash[_ENTRIES] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is long, unless it is asked for, and know the rows of the rest."""
    wanted = config.getoption("--long")
    left_out = [item for item in items if not wanted and item.get_closest_marker("long") is not None]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item.get_closest_marker("long") is None]
    for item in items:
        rows = check_rows(number for marker in item.iter_markers("row") for number in marker.args)
        if rows:
            item.stash[_ENTRY] = Entry(tuple(sorted(set(rows))), item.name)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Give the seed of this run: a new one, unless the command line names one. It is told with a failure."""
    given: int | None = request.config.getoption("--seed")
    # Not of the module's own generator, which has the same seed in every test of a run.
    chosen = random.SystemRandom().randrange(_SEEDS) if given is None else given
    print(f"--seed {chosen}")
    entry = request.node.stash.get(_ENTRY, None)
    if entry is not None:
        entry.seed = chosen
    return chosen


@pytest.fixture
def catalogue(request: pytest.FixtureRequest) -> Entry:
    """Give the line of the table that this run fills; the test must be marked with its row."""
    entry: Entry | None = request.node.stash.get(_ENTRY, None)
    assert entry is not None, "only a test with @pytest.mark.row(n) has a line in the catalogue"
    return entry


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note what a run came to. One that could not run has not passed, whatever the reason."""
    report = yield
    entry = item.stash.get(_ENTRY, None)
    if entry is None:
        return report
    if report.when == "setup":
        item.config.stash[_ENTRIES].append(entry)
    if report.failed:
        entry.outcome = Outcome.NOT_PASSED
        entry.note = entry.note or _first_line(report)
    elif report.skipped and entry.outcome is None:
        entry.outcome = Outcome.COULD_NOT_RUN
        entry.note = entry.note or _reason(report)
    elif report.when == "call" and entry.outcome is None:
        entry.outcome = Outcome.PASSED
    return report


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the table. A run of the catalogue in which a row could not run has not passed."""
    config = session.config
    path: Path | None = config.getoption("--catalogue")
    if path is None:
        return
    entries = config.stash[_ENTRIES]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(table(entries))
    rows = {row for entry in entries for row in entry.rows}
    if exitstatus == pytest.ExitCode.OK and rows - survived(entries):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the table, with how each seed was, and say where it is."""
    path: Path | None = config.getoption("--catalogue")
    if path is not None:
        terminalreporter.section("catalogue of faults")
        entries = config.stash[_ENTRIES]
        terminalreporter.write(table(entries))
        terminalreporter.write_line(f"the catalogue is in {path}")


def _first_line(report: pytest.TestReport) -> str:
    lines = [line for line in str(report.longreprtext).splitlines() if line.startswith("E ")]
    return lines[0].removeprefix("E").strip()[:200] if lines else "failed"


def _reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return "skipped"
