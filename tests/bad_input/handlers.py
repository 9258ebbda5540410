"""Handlers of the tests here, which only count."""

from __future__ import annotations

from fraiseql_observers.actions.base import ActionContext
from fraiseql_observers.events import EntityEvent

#: The labels of the jobs that have run, in their order.
ran: list[str] = []


async def nothing(event: EntityEvent, context: ActionContext) -> None:
    """Succeed at once."""


async def act(event: EntityEvent, context: ActionContext) -> None:
    """Note the label."""
    ran.append(str(event.data["label"]))
