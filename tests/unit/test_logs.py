"""Log lines: one line per record whatever data it holds, and no secret in any."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest

from fraiseql_observers import logs, redaction

FORGED = "paid\r\n2026-01-01T00:00:00.000Z ERROR root: forged \x1b[31mred\x1b[0m \u2028 \x9b1m \u202etxt"


@pytest.fixture
def logged() -> Iterator[Callable[[str], io.StringIO]]:
    """Set logging up in a style, and give the stream; what was there before comes back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def set_up(style: str) -> io.StringIO:
        stream = io.StringIO()
        logs.setup("debug", style, stream=stream)
        return stream

    yield set_up
    redaction.hide([])
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("style", ["text", "json"])
def test_data_cannot_start_a_line_or_colour_a_terminal(
    logged: Callable[[str], io.StringIO], style: str
) -> None:
    stream = logged(style)
    logging.getLogger("x").info("%s", FORGED, extra={"observer": FORGED})
    [line] = stream.getvalue().splitlines()
    assert line.isprintable()


def test_a_trace_in_text_cannot_look_like_another_record(logged: Callable[[str], io.StringIO]) -> None:
    stream = logged("text")
    try:
        raise ValueError(FORGED)
    except ValueError:
        logging.getLogger("x").exception("failed")
    first, *others = stream.getvalue().splitlines()
    assert "ERROR   x: failed" in first
    assert others
    assert all(line.startswith("  | ") and line.isprintable() for line in others)


def test_json_lines_carry_the_job(logged: Callable[[str], io.StringIO]) -> None:
    stream = logged("json")
    fields = {"job_id": "j", "event_id": "e", "observer": "paid", "attempt": 2}
    logging.getLogger("x").warning("attempt failed: %s", "why", extra=fields)
    record = json.loads(stream.getvalue())
    assert record.items() >= fields.items()
    assert record["message"] == "attempt failed: why"
    assert record["level"] == "warning"
    assert record["time"].endswith("Z")


def test_text_lines_carry_the_job(logged: Callable[[str], io.StringIO]) -> None:
    stream = logged("text")
    logging.getLogger("x").warning("failed", extra={"job_id": "j", "observer": "paid", "attempt": 2})
    assert stream.getvalue().endswith("x: failed job_id=j observer=paid attempt=2\n")


def test_percent_signs_and_braces_in_data_are_data(logged: Callable[[str], io.StringIO]) -> None:
    stream = logged("text")
    logging.getLogger("x").info("%s", "100 %s {0}")
    assert stream.getvalue().endswith("x: 100 %s {0}\n")


def test_auto_is_json_where_there_is_no_terminal(logged: Callable[[str], io.StringIO]) -> None:
    stream = logged("auto")
    logging.getLogger("x").info("a")
    assert json.loads(stream.getvalue())["message"] == "a"


@pytest.mark.parametrize("style", ["text", "json"])
def test_hidden_texts_are_replaced_in_messages_fields_and_traces(
    logged: Callable[[str], io.StringIO], style: str
) -> None:
    stream = logged(style)
    redaction.hide(["canary", "canary-and-more", ""])
    try:
        raise ValueError("token canary-and-more")
    except ValueError:
        logging.getLogger("x").exception("sent %s", "canary", extra={"observer": "canary"})
    assert "canary" not in stream.getvalue()
    assert "***" in stream.getvalue()


def test_http_libraries_do_not_log_urls(logged: Callable[[str], io.StringIO]) -> None:
    stream = logged("text")
    logging.getLogger("httpx").info("HTTP Request: POST https://hooks.example/secret")
    logging.getLogger("httpcore.http11").debug("send_request_headers")
    assert stream.getvalue() == ""
