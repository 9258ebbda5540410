"""How many examples the property tests try, and what became of them.

Few examples in continuous integration, many with `make property`. Where a whole run of `test_conditions.py` has too
few examples of an outcome, the run fails.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.property import shares

# The deadline of an example would measure how busy the machine is; the timeout of the whole test stays.
# Explaining a failure traces every line, which takes longer than the tests; shrinking says enough.
_CALM = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)

# The same examples each time, so that a failure in continuous integration can be seen again anywhere.
settings.register_profile("ci", _CALM, max_examples=300, derandomize=True, database=None)
settings.register_profile("long", _CALM, max_examples=10_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def _all_counted(session: pytest.Session) -> bool:
    """Whether every test that counts took part, so that the shares mean something."""
    names = {item.name for item in session.items if item.path.name == "test_conditions.py"}
    return names >= shares.COUNTING


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail the run whose examples were too much of one kind."""
    if exitstatus == pytest.ExitCode.OK and _all_counted(session) and shares.too_rare():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how the examples came out."""
    if not shares.seen:
        return
    terminalreporter.section("outcomes of conditions, core and reference alike")
    for line in shares.table():
        terminalreporter.write_line(line)
    if rare := shares.too_rare():
        least = f"{shares.LEAST_SHARE:.0%}"
        terminalreporter.write_line(f"below {least}: {', '.join(rare)}", red=True, bold=True)
