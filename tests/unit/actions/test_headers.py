"""Headers of webhooks and the Retry-After header of receivers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fraiseql_observers.actions import WebhookAction
from fraiseql_observers.actions.headers import header_value_complaint
from fraiseql_observers.actions.retry_after import retry_after
from fraiseql_observers.errors import ConfigError
from fraiseql_observers.problems import ProblemKind

CANARY = "hunter2canary"
NOW = 1_767_323_045.0  # 2026-01-02T03:04:05Z


def webhook(headers: dict[str, str], **fields: str) -> WebhookAction:
    """Return a webhook with these headers."""
    return WebhookAction(url="https://example.com/", headers=headers, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "a b", "a:", "a\r\n", "é", "a(b)", "x" * 129),
        *(
            "Host",
            "host",
            "Content-Length",
            "Transfer-Encoding",
            "Connection",
            "TE",
            "Upgrade",
            "Expect",
            "Trailer",
        ),
        *(
            "Proxy-Authorization",
            "proxy-x",
            "webhook-id",
            "Webhook-Signature",
            "webhook-x",
            "Idempotency-Key",
        ),
        *("X-FraiseQL-Attempt", "x-fraiseql-anything", "Accept-Encoding", "Content-Encoding", "Keep-Alive"),
    ],
)
def test_header_that_would_change_the_request_is_refused(name: str) -> None:
    """Framing, routing, identity and signature are not for the user to set."""
    with pytest.raises(ConfigError) as caught:
        webhook({name: CANARY})
    (problem,) = caught.value.problems
    assert (problem.kind, CANARY in str(caught.value)) == (ProblemKind.HEADER, False)


@pytest.mark.parametrize(
    "value",
    [
        "",
        " x",
        "x ",
        "a\r\nb",
        "a\nb",
        "a\rb",
        "a\x00b",
        "\x7f",
        "é",
        "\t",
        "x" * 8193,
        "{{ data.x }}\n",
        "{{ 7*7 }}",
    ],
)
def test_header_value_that_is_not_one_line_of_ascii_is_refused(value: str) -> None:
    """The literal part of a value is judged when the file is loaded."""
    with pytest.raises(ConfigError) as caught:
        webhook({"X-Test": f"{value}"})
    assert caught.value.problems[0].kind is ProblemKind.HEADER


def test_header_given_twice_by_case_is_refused() -> None:
    """Names differ in more than case on the wire."""
    with pytest.raises(ConfigError, match="twice"):
        webhook({"X-Test": "1", "x-test": "2"})


@pytest.mark.parametrize("value", ["Bearer abc", "a", "{{ data.x }}", "a\tb {{ event.id }}", "!~"])
def test_plain_header_is_accepted(value: str) -> None:
    """Everything else may be set, with placeholders."""
    assert (
        webhook({"Authorization": value, "Content-Type": "application/x"}).headers["Authorization"] == value
    )


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "\x00", " a", ""])
def test_rendered_value_is_judged_too(value: str) -> None:
    """What a placeholder becomes is known only later."""
    assert header_value_complaint(value)


@pytest.mark.parametrize("method", ["GET\r\n", "TRACE", "CONNECT", "post", "P OST", "", "GET", "HEAD"])
def test_method_that_delivers_nothing_is_refused(method: str) -> None:
    """Only methods that carry a body are allowed, in capitals."""
    with pytest.raises(ConfigError) as caught:
        webhook({}, method=method)
    assert caught.value.problems[0].path == ("method",)
    assert "POST" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 5 ", 5),
        ("86400", 86_400),
        ("86401", 86_400),
        ("1000000000", 86_400),
        ("9" * 18, 86_400),
        ("Fri, 02 Jan 2026 03:05:05 GMT", 60),
        ("Friday, 02-Jan-26 03:05:05 GMT", 60),
        ("Fri Jan  2 03:05:05 2026", 60),
        ("Fri, 02 Jan 2026 03:03:05 GMT", 0),
        ("Fri, 02 Jan 2099 03:03:05 GMT", 86_400),
        (None, None),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("9" * 19, None),
        ("Fri, 99 Jan 2026 03:03:05 GMT", None),
        ("٣", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_at_most_a_day(value: str | None, seconds: int | None) -> None:
    """What cannot be read asks for nothing."""
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert retry_after(value, now=NOW) == expected


_DATE_LIKE = st.from_regex(
    r"\A[A-Z]?[a-z]{0,2},? ?[0-9]{0,6}[ -](Jan|Feb|Foo)[ -][0-9]{0,8} [0-9:.]{0,12} ?([+-][0-9]{0,9}|GMT|EST|)\Z"
)


@given(st.one_of(st.text(), st.text("0123456789-+., :GMTJan", max_size=60), _DATE_LIKE))
@example("9" * 100_000)
@example("Fri, 02 Jan 0000 00:00:00 GMT")
@example("Fri, 31 Dec 9999 23:59:59 -9999")
@example("Fri, 01 Jan 0001 00:00:00 +2359")
@example("1 Jan 1 1:1:1 +999999999999")
@example(" \x00")
def test_any_text_is_read_as_a_delay_within_a_day_or_as_none(value: str) -> None:
    """A header of a stranger never breaks the attempt, nor parks a job for years."""
    delay = retry_after(value, now=NOW)
    assert delay is None or timedelta(0) <= delay <= timedelta(days=1)
