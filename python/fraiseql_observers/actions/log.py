"""The log action: a line in the worker's log, which always succeeds."""

from __future__ import annotations

import logging

from fraiseql_observers.actions.base import ActionContext, ActionResult, one_line
from fraiseql_observers.actions.models import LogAction
from fraiseql_observers.actions.templates import compile_text
from fraiseql_observers.errors import TemplateError

__all__ = ["LogLine"]

#: The most characters of one line.
LONGEST_LINE = 8192

_logger = logging.getLogger("fraiseql_observers.actions.log")


class LogLine:
    """A log action, ready to run."""

    def __init__(self, config: LogAction) -> None:
        """Compile the message.

        Args:
            config: The checked model.
        """
        self._level = logging.getLevelNamesMapping()[config.level.upper()]
        self._message = compile_text(config.message_template) if config.message_template is not None else None

    async def run(self, context: ActionContext) -> ActionResult:
        """Write the line; where the event lacks a value, write which one instead."""
        if not _logger.isEnabledFor(self._level):
            return ActionResult()
        try:
            text = self._message.render(context.scope()) if self._message else _default_text(context)
        except TemplateError as error:
            text = f"{_default_text(context)} (the message cannot be filled in: {error})"
        _logger.log(self._level, "%s", one_line(text, LONGEST_LINE))
        return ActionResult()


def _default_text(context: ActionContext) -> str:
    event = context.event
    return (
        f"observer {context.observer}: {event.event_type} {event.entity_type} {event.entity_id}"
        f" (event {event.id}, job {context.job_id}, attempt {context.attempt})"
    )
