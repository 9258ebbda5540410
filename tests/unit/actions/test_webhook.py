"""The webhook action over a scripted sender: what is sent, and what each outcome means."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from fraiseql_observers.actions.base import ActionContext, ActionResult
from fraiseql_observers.actions.http import HttpRequest, HttpResponse
from fraiseql_observers.actions.models import WebhookAction
from fraiseql_observers.actions.policy import DestinationPolicy
from fraiseql_observers.actions.resolving import resolve_webhook
from fraiseql_observers.actions.webhook import WebhookCall
from fraiseql_observers.errors import ConfigError, PermanentError, RetryableError
from fraiseql_observers.events import EntityEvent
from fraiseql_observers.problems import ProblemKind

CANARY = "hunter2canary"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


class Script:
    """A sender that answers from a script and keeps what it was given."""

    def __init__(self, *responses: HttpResponse) -> None:
        self.responses = list(responses)
        self.requests: list[HttpRequest] = []

    async def send(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        return self.responses.pop(0)

    async def aclose(self) -> None:
        """Do nothing: there is nothing to close."""


def answer(status: int, body: bytes = b"", **headers: str) -> HttpResponse:
    """Return a response; underscores in header names stand for hyphens."""
    return HttpResponse(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def run(
    context: ActionContext, *responses: HttpResponse, **fields: Any
) -> tuple[ActionResult, list[HttpRequest]]:
    """Run one attempt of a webhook with these fields."""
    used: dict[str, Any] = {"url": "https://example.com/hook", **fields}
    config = WebhookAction(**used)
    sender = Script(*responses)
    webhook = resolve_webhook(config, DestinationPolicy(), environment={})
    return asyncio.run(WebhookCall(webhook, sender).run(context)), sender.requests


def headers_of(request: HttpRequest) -> dict[str, str]:
    """Return the headers by lower-case name; a name that comes twice fails."""
    names = [name.lower() for name, _ in request.headers]
    assert len(set(names)) == len(names)
    return {name.lower(): value for name, value in request.headers}


def test_default_request_is_the_whole_event_with_its_headers(context: ActionContext) -> None:
    """Receivers get the event as JSON and what they need to tell a repeat."""
    result, (request,) = run(context, answer(204))
    headers = headers_of(request)
    assert result == ActionResult(204)
    assert (request.method, str(request.url), request.body) == (
        "POST",
        "https://example.com/hook",
        context.event.to_json(),
    )
    assert headers["webhook-id"] == headers["idempotency-key"] == str(context.job_id)
    assert (headers["x-fraiseql-attempt"], headers["x-fraiseql-event"]) == ("2", "UPDATE")
    assert headers["content-type"] == "application/json"
    assert "webhook-signature" not in headers
    assert (request.timeout, request.allow_private) == (timedelta(seconds=30), False)


def test_standard_signature_is_accepted_by_an_independent_verifier(context: ActionContext) -> None:
    """Each active secret of a rotation verifies."""
    for secrets in (SECRET, [SECRET], [OTHER, SECRET]):
        _, (request,) = run(context, answer(200), signing_secret=secrets)
        assert Webhook(SECRET).verify(request.body, headers_of(request)) == json.loads(request.body)


def test_each_attempt_is_signed_anew_under_the_same_id(
    context: ActionContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receiver refuses an old timestamp, and needs the id to tell a repeat."""
    seen: list[dict[str, str]] = []
    started = time.time()
    for attempt in range(1, 4):
        monkeypatch.setattr("time.time", lambda now=started - 240 + 60 * attempt: now)
        _, (request,) = run(replace(context, attempt=attempt), answer(200), signing_secret=SECRET)
        Webhook(SECRET).verify(request.body, headers_of(request))
        seen.append(headers_of(request))
    assert {headers["webhook-id"] for headers in seen} == {str(context.job_id)}
    assert [int(headers["webhook-timestamp"]) for headers in seen] == [
        int(started - 240 + 60 * attempt) for attempt in (1, 2, 3)
    ]
    assert len({headers["webhook-signature"] for headers in seen}) == 3
    assert [headers["x-fraiseql-attempt"] for headers in seen] == ["1", "2", "3"]


@pytest.mark.parametrize("value", ["a\r\nX-Admin: 1", "a\nb", "a\x00", "é", " a", "", "a\u2028b", "a\x85b"])
def test_value_of_an_event_cannot_add_a_header(context: ActionContext, value: str) -> None:
    """Whoever writes the entity writes the value; nothing is sent."""
    event = EntityEvent("INSERT", "Order", "6f9619ff-8b86-d011-b42d-00c04fc964ff", {"name": value})
    with pytest.raises(PermanentError, match="the header X-Name") as caught:
        run(replace(context, event=event), headers={"X-Name": "{{ name }}"})
    assert "X-Admin" not in str(caught.value)


def test_fraiseql_signature_has_its_own_header(context: ActionContext) -> None:
    """The header style of FraiseQL's receivers."""
    secret = "a long and winding text of one's own"
    _, (request,) = run(context, answer(200), signing_secret=secret, signature="fraiseql")
    headers = headers_of(request)
    assert headers["x-fraiseql-signature-256"].startswith(f"t={headers['webhook-timestamp']},v1=")
    assert "webhook-signature" not in headers


def test_fields_of_the_configuration_shape_the_request(context: ActionContext) -> None:
    """Method, headers, body, timeout and exception are what was configured."""
    _, (request,) = run(
        context,
        answer(200),
        method="PUT",
        headers={"Content-Type": "application/vnd.x+json", "X-Status": "is {{ status }}"},
        body_template='{"id": "{{ job.id }}", "total": {{ data.total }}}',
        timeout_secs=7,
        allow_private=True,
    )
    headers = headers_of(request)
    assert (request.method, request.timeout, request.allow_private) == ("PUT", timedelta(seconds=7), True)
    assert (headers["content-type"], headers["x-status"]) == ("application/vnd.x+json", "is shipped")
    assert json.loads(request.body) == {"id": str(context.job_id), "total": 12.5}


@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 299])
def test_every_2xx_is_success(context: ActionContext, status: int) -> None:
    """The class counts, not the number."""
    assert run(context, answer(status))[0] == ActionResult(status)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 501, 502, 503, 504, 507, 599])
def test_status_that_may_pass_is_retried(context: ActionContext, status: int) -> None:
    """The receiver's wish is the least delay."""
    with pytest.raises(RetryableError) as caught:
        run(context, answer(status, retry_after="120"))
    assert (caught.value.status_code, caught.value.retry_after) == (status, timedelta(seconds=120))
    with pytest.raises(RetryableError) as caught:
        run(context, answer(status, retry_after="1000000000"))
    assert caught.value.retry_after == timedelta(hours=24)
    for value in ("-1", "soon", ""):
        with pytest.raises(RetryableError) as caught:
            run(context, answer(status, retry_after=value))
        assert caught.value.retry_after is None


@pytest.mark.parametrize(
    "status",
    [
        *(100, 101, 199, 300, 301, 302, 303, 304, 305, 307, 308),
        *(400, 401, 403, 404, 409, 410, 413, 422, 451),
        *(600, 999),
    ],
)
def test_every_other_status_is_permanent(context: ActionContext, status: int) -> None:
    """Sending the same again would be answered the same; redirects are not followed by default."""
    with pytest.raises(PermanentError) as caught:
        run(context, answer(status, location="https://example.com/other"))
    assert caught.value.status_code == status
    assert f"HTTP {status}" in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_is_followed_with_method_body_and_signature(context: ActionContext, status: int) -> None:
    """A webhook that arrived as an empty GET would be lost."""
    hop = answer(status, location="/moved?x=1")
    fields = {"follow_redirects": 1, "method": "PUT", "signing_secret": SECRET, "headers": {"X-Key": CANARY}}
    result, (first, second) = run(context, hop, answer(200), **fields)
    assert result == ActionResult(200)
    assert (second.method, second.body, second.url.target) == ("PUT", first.body, "/moved?x=1")
    assert headers_of(second) == headers_of(first)
    assert second.timeout <= first.timeout
    with pytest.raises(PermanentError):
        run(context, hop, hop, **fields)


def test_redirect_to_another_origin_takes_no_secret_and_no_exception_along(context: ActionContext) -> None:
    """Headers and exceptions were given for the destination that was configured."""
    hop = answer(307, location="https://other.example/x")
    fields = {"follow_redirects": 3, "headers": {"Authorization": CANARY}, "allow_private": True}
    _, (first, second) = run(context, hop, answer(200), **fields)
    assert headers_of(first)["authorization"] == CANARY
    assert "authorization" not in headers_of(second)
    assert (first.allow_private, second.allow_private) == (True, False)


def test_redirect_to_another_origin_keeps_what_says_how_to_read_the_body(context: ActionContext) -> None:
    """A body without its type is a puzzle, and the type is no secret."""
    hop = answer(307, location="https://other.example/x")
    given = {"Content-Type": "application/vnd.x+json", "X-Key": CANARY}
    _, (_, second) = run(context, hop, answer(200), follow_redirects=1, headers=given)
    assert headers_of(second)["content-type"] == "application/vnd.x+json"
    assert "x-key" not in headers_of(second)


@pytest.mark.parametrize(
    "location",
    ["http://example.com/", "https://u:p@e.com/", "ftp://e.com/", "https://127.1/", "https://e.com:22/"],
)
def test_redirect_that_is_refused_is_permanent(context: ActionContext, location: str) -> None:
    """Each redirect is judged like a URL, and never gives up TLS."""
    with pytest.raises(PermanentError, match="redirect") as caught:
        run(context, answer(302, location=location), follow_redirects=5)
    assert caught.value.status_code == 302


@pytest.mark.parametrize("status", [303, 304])
def test_redirect_that_delivers_nothing_is_not_followed(context: ActionContext, status: int) -> None:
    """303 says that the result is elsewhere, not that the request belongs there."""
    with pytest.raises(PermanentError, match=f"HTTP {status}"):
        run(context, answer(status, location="/x"), follow_redirects=5)


def test_error_text_quotes_the_response_only_if_nothing_secret_was_sent(context: ActionContext) -> None:
    """A receiver may repeat what it was sent."""
    echo = answer(400, f"you sent {CANARY}\n".encode(), content_type="text/plain; charset=utf-8")
    with pytest.raises(PermanentError, match="you sent"):
        run(context, echo)
    for fields in ({"headers": {"X-Key": CANARY}}, {"url": f"https://example.com/?k={CANARY}"}):
        with pytest.raises(PermanentError) as caught:
            run(context, echo, **fields)
        assert CANARY not in str(caught.value)
        assert "https://example.com/" in str(caught.value)


@pytest.mark.parametrize(
    "response",
    [
        answer(400, b"x" * 65_536, content_type="text/plain"),
        answer(400, b"\x00\r\n\x1b[31m\xff" * 100, content_type="text/plain"),
        answer(400, gzip.compress(b"a" * 10_000_000), content_type="text/plain", content_encoding="gzip"),
        answer(400, b"no gzip", content_type="text/plain", content_encoding="gzip"),
        answer(400, b"{}" * 1000, content_type="application/json", content_encoding="br"),
        answer(400, b"<html>", content_type="text/html"),
    ],
)
def test_error_text_is_one_short_line_whatever_comes_back(
    context: ActionContext, response: HttpResponse
) -> None:
    """A response is data of a stranger."""
    with pytest.raises(PermanentError) as caught:
        run(context, response)
    assert len(str(caught.value)) <= 300
    assert str(caught.value).isprintable()


def test_template_that_cannot_be_filled_in_is_permanent_and_sends_nothing(context: ActionContext) -> None:
    """The event will not change."""
    for fields in (
        {"body_template": '{"a": "{{ absent }}"}'},
        {"headers": {"X-Note": "{{ absent }}"}},
        {"headers": {"X-Note": "{{ note }}"}},
    ):
        with pytest.raises(PermanentError, match="template") as caught:
            run(context, **fields)
        assert caught.value.status_code is None


def test_header_names_the_kind_of_each_event(context: ActionContext) -> None:
    """The kind is on the wire as its word."""
    event = EntityEvent("DELETE", "Order", "6f9619ff-8b86-d011-b42d-00c04fc964ff", {})
    _, (request,) = run(replace(context, event=event), answer(200))
    assert headers_of(request)["x-fraiseql-event"] == "DELETE"


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        ({}, ProblemKind.ENVIRONMENT),
        ({"HOOK_URL": "", "HOOK_SECRET": ""}, ProblemKind.ENVIRONMENT),
        ({"HOOK_URL": f"ftp://{CANARY}", "HOOK_SECRET": SECRET}, ProblemKind.URL),
        ({"HOOK_URL": f"https://u:{CANARY}@e.com/", "HOOK_SECRET": SECRET}, ProblemKind.URL),
        ({"HOOK_URL": f"http://127.0.0.1:8080/?{CANARY}", "HOOK_SECRET": SECRET}, ProblemKind.URL),
        ({"HOOK_URL": "https://e.com/", "HOOK_SECRET": CANARY}, ProblemKind.SECRET),
    ],
)
def test_reference_that_leads_nowhere_names_the_variable_and_never_its_value(
    environment: dict[str, str], kind: ProblemKind
) -> None:
    """All of them are reported at once when the worker starts."""
    config = WebhookAction(url_env="HOOK_URL", signing_secret_env=("HOOK_SECRET",))
    with pytest.raises(ConfigError) as caught:
        resolve_webhook(config, DestinationPolicy(), environment=environment)
    assert caught.value.problems[0].kind is kind
    assert "HOOK_" in str(caught.value)
    assert CANARY not in str(caught.value)
    assert len(caught.value.problems) == (2 if kind is ProblemKind.ENVIRONMENT else 1)


def test_request_and_response_are_shown_without_what_they_carry(context: ActionContext) -> None:
    """A traceback with local variables ends up in logs."""
    _, (request,) = run(context, answer(200), headers={"X-Key": CANARY}, url=f"https://e.com/?{CANARY}")
    assert headers_of(request)["x-key"] == CANARY
    assert CANARY not in repr(request) + repr(answer(200, CANARY.encode(), x=CANARY))


def test_resolved_webhook_is_never_shown() -> None:
    """It holds the keys themselves."""
    webhook = resolve_webhook(
        WebhookAction(url_env="HOOK_URL", signing_secret_env=("HOOK_SECRET",)),
        DestinationPolicy(),
        environment={"HOOK_URL": f"https://e.com/?{CANARY}", "HOOK_SECRET": SECRET},
    )
    assert CANARY not in repr(webhook)
    assert str(webhook.keys[0]) not in repr(webhook)
