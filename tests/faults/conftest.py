"""Fixtures for tests that kill, freeze and restart things."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.runs import Runs


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """Give the file that handlers of this test write to."""
    return Runs(tmp_path / "runs")
