"""What the tests of actions share: one event and its attempt."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from fraiseql_observers.actions.base import ActionContext
from fraiseql_observers.events import EntityEvent


@pytest.fixture
def context() -> ActionContext:
    """Return the second attempt of a job for one order event."""
    return ActionContext(
        job_id=UUID("01890a5d-ac96-774b-bcce-b302099a8057"),
        attempt=2,
        event=EntityEvent(
            "UPDATE",
            "Order",
            "6f9619ff-8b86-d011-b42d-00c04fc964ff",
            {"status": "shipped", "total": 12.5, "note": "a\r\nb"},
            id=UUID("01890a5d-ac96-774b-bcce-b302099a8058"),
        ),
        observer="order_shipped",
        deadline=datetime(2026, 1, 2, tzinfo=UTC),
    )
