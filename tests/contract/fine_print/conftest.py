"""Every rule is asked of both implementations."""

from __future__ import annotations

import pytest

from tests.contract.fine_print.both import Answer, core, reference


@pytest.fixture(params=[core, reference], ids=["core", "reference"])
def answer(request: pytest.FixtureRequest) -> Answer:
    """Give one of the two implementations."""
    found: Answer = request.param
    return found
