"""The log action: one line, always a success."""

from __future__ import annotations

import asyncio
import logging

import pytest

from fraiseql_observers.actions.base import ActionContext, ActionResult
from fraiseql_observers.actions.log import LogLine
from fraiseql_observers.actions.models import LogAction


def line(config: LogAction, context: ActionContext, caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    """Run the action and return the one record it wrote."""
    with caplog.at_level(logging.DEBUG, "fraiseql_observers.actions.log"):
        assert asyncio.run(LogLine(config).run(context)) == ActionResult()
    (record,) = caplog.records
    return record


def test_default_line_names_observer_entity_and_ids(
    context: ActionContext, caplog: pytest.LogCaptureFixture
) -> None:
    """What one looks for in a log is there without a template."""
    record = line(LogAction(), context, caplog)
    text = record.getMessage()
    for part in (
        "order_shipped",
        "UPDATE",
        "Order",
        context.event.entity_id,
        context.event.id,
        context.job_id,
    ):
        assert str(part) in text
    assert record.levelno == logging.INFO


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "critical"])
def test_line_has_the_level_and_text_that_were_asked_for(
    context: ActionContext, caplog: pytest.LogCaptureFixture, level: str
) -> None:
    """Percent signs and braces of the data are text."""
    config = LogAction.model_validate({"level": level, "message_template": "100%s {0} {{ status }}"})
    record = line(config, context, caplog)
    assert (record.levelname.lower(), record.getMessage()) == (level, "100%s {0} shipped")


def test_data_cannot_write_lines_of_its_own(context: ActionContext, caplog: pytest.LogCaptureFixture) -> None:
    """Line breaks and control characters are escaped."""
    assert line(LogAction(message_template="{{ note }}"), context, caplog).getMessage() == "a\\r\\nb"


def test_value_that_is_missing_does_not_fail_the_job(
    context: ActionContext, caplog: pytest.LogCaptureFixture
) -> None:
    """The line says what was missing instead."""
    text = line(LogAction(message_template="{{ absent }}"), context, caplog).getMessage()
    assert "absent is missing" in text
    assert "order_shipped" in text


def test_line_below_the_level_of_the_log_is_not_rendered(context: ActionContext) -> None:
    """A level that is switched off costs nothing and succeeds."""
    logger = logging.getLogger("fraiseql_observers.actions.log")
    before, logger.level = logger.level, logging.ERROR
    try:
        assert asyncio.run(LogLine(LogAction(level="debug")).run(context)) == ActionResult()
    finally:
        logger.setLevel(before)
