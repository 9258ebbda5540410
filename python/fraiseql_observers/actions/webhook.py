"""The webhook action: one signed request per attempt, and what its outcome means for the job."""

from __future__ import annotations

import time
import zlib
from dataclasses import replace
from datetime import timedelta

from fraiseql_observers._core import __version__
from fraiseql_observers.actions.base import ActionContext, ActionResult, one_line
from fraiseql_observers.actions.headers import HARMLESS_HEADERS, header_value_complaint
from fraiseql_observers.actions.http import HttpRequest, HttpResponse, HttpSender
from fraiseql_observers.actions.resolving import ResolvedWebhook
from fraiseql_observers.actions.retry_after import retry_after
from fraiseql_observers.actions.signing import fraiseql_signature, standard_signature
from fraiseql_observers.actions.templates import Scope, compile_json, compile_text
from fraiseql_observers.actions.urls import UrlError, parse_redirect
from fraiseql_observers.errors import ActionTimeout, PermanentError, RetryableError, TemplateError

__all__ = ["WebhookCall"]

#: Statuses that may pass by themselves, beside all of 5xx.
_TRANSIENT_STATUSES = frozenset({408, 425, 429})
_GONE = 410

#: Redirects that say "send the same there". 303 says "look at the result there", which delivers nothing.
_REPEATING_REDIRECTS = frozenset({301, 302, 307, 308})

#: The most characters of a response that an error text repeats.
_SHOWN_RESPONSE = 120

#: The most characters that name the request, so that the outcome has room after it.
_SHOWN_REQUEST = 160


class WebhookCall:
    """A webhook, ready to run."""

    def __init__(self, webhook: ResolvedWebhook, sender: HttpSender) -> None:
        """Compile the templates.

        Args:
            webhook: Where to send and how to sign.
            sender: What sends.
        """
        self._webhook = webhook
        self._sender = sender
        config = webhook.config
        self._body = compile_json(config.body_template) if config.body_template is not None else None
        self._headers = [(name, compile_text(value)) for name, value in config.headers.items()]
        #: Whether the request carries anything that a receiver could repeat and nobody may read. A URL that is
        #: given by reference is a secret: with many services its path is all that a sender has to know.
        self._has_secrets = (
            bool(webhook.url.query)
            or config.url_env is not None
            or any(name.lower() not in HARMLESS_HEADERS for name in config.headers)
        )
        where = str(webhook.url)
        if config.url_env is not None:
            where = f"{webhook.url.scheme}://{webhook.url.authority} ({config.url_env})"
        self._shown = one_line(f"{config.method} {where}", _SHOWN_REQUEST)

    async def run(self, context: ActionContext) -> ActionResult:
        """Send the event once, following redirects as far as the configuration allows.

        Raises:
            RetryableError: If another attempt may succeed; `ActionTimeout` if time ran out.
            PermanentError: If none can.
        """
        config = self._webhook.config
        scope = context.scope()
        try:
            body = self._body.render(scope).encode() if self._body else context.event.to_json()
            given = self._rendered_headers(scope)
        except TemplateError as error:
            raise PermanentError(one_line(f"the template cannot be filled in: {error}")) from error
        ours = self._own_headers(context, body, given)
        elsewhere = [pair for pair in given if pair[0].lower() in HARMLESS_HEADERS] + ours
        give_up = time.monotonic() + config.timeout_secs
        request = HttpRequest(
            config.method,
            self._webhook.url,
            [*given, *ours],
            body,
            timedelta(seconds=config.timeout_secs),
            self._shown,
            config.allow_private,
        )
        response = await self._sender.send(request)
        for _ in range(config.follow_redirects):
            if response.status_code not in _REPEATING_REDIRECTS or "location" not in response.headers:
                break
            left = give_up - time.monotonic()
            if left <= 0:
                raise ActionTimeout(
                    one_line(f"{request.shown}: no full answer within {config.timeout_secs} s")
                )
            request = self._redirected(request, response, elsewhere, timedelta(seconds=left))
            response = await self._sender.send(request)
        return self._judged(request, response)

    def _rendered_headers(self, scope: Scope) -> list[tuple[str, str]]:
        rendered: list[tuple[str, str]] = []
        for name, template in self._headers:
            value = template.render(scope)
            complaint = header_value_complaint(value)
            if complaint:
                raise TemplateError(f"the header {name} {complaint}")
            rendered.append((name, value))
        return rendered

    def _own_headers(
        self, context: ActionContext, body: bytes, given: list[tuple[str, str]]
    ) -> list[tuple[str, str]]:
        message_id = str(context.job_id)
        # The wall clock, since the receiver compares it with its own.
        timestamp = int(time.time())
        headers = [
            ("webhook-id", message_id),
            ("webhook-timestamp", str(timestamp)),
            ("Idempotency-Key", message_id),
            ("X-FraiseQL-Attempt", str(context.attempt)),
            ("X-FraiseQL-Event", str(context.event.event_type)),
            ("Accept-Encoding", "identity"),
        ]
        defaults = {"content-type": "application/json", "user-agent": f"fraiseql-observers/{__version__}"}
        named = {name.lower() for name, _ in given}
        headers += [(name, value) for name, value in defaults.items() if name not in named]
        keys = self._webhook.keys
        if keys and self._webhook.config.signature == "standard":
            headers.append(("webhook-signature", standard_signature(keys, message_id, timestamp, body)))
        elif keys:
            headers.append(("X-FraiseQL-Signature-256", fraiseql_signature(keys, timestamp, body)))
        return headers

    def _redirected(
        self,
        request: HttpRequest,
        response: HttpResponse,
        elsewhere: list[tuple[str, str]],
        timeout: timedelta,
    ) -> HttpRequest:
        status = response.status_code
        try:
            url = parse_redirect(request.url, response.headers["location"])
        except UrlError as error:
            raise PermanentError(
                one_line(f"{request.shown}: redirect refused: {error}"), status_code=status
            ) from None
        if (request.url.scheme, url.scheme) == ("https", "http"):
            raise PermanentError(f"{request.shown}: redirect from https to http refused", status_code=status)
        # The receiver chose the target, and may have put into it what it was sent.
        where = "elsewhere" if self._has_secrets else f"to {url}"
        shown = one_line(f"{self._shown}, redirected {where}", _SHOWN_REQUEST)
        followed = replace(request, url=url, timeout=timeout, shown=shown)
        if url.origin == request.url.origin:
            return followed
        # The exception and the headers with secrets were given for the destination that was configured.
        return replace(followed, headers=elsewhere, allow_private=False)

    def _judged(self, request: HttpRequest, response: HttpResponse) -> ActionResult:
        status = response.status_code
        if 200 <= status <= 299:  # noqa: PLR2004 - the class of success
            return ActionResult(status)
        text = f"{request.shown}: HTTP {status}{self._excerpt(response)}"
        if status in _TRANSIENT_STATUSES or 500 <= status <= 599:  # noqa: PLR2004 - the class of server errors
            wait = retry_after(response.headers.get("retry-after"), now=time.time())
            raise RetryableError(one_line(text), retry_after=wait, status_code=status)
        if status == _GONE:
            text += ": the receiver is gone for good"
        raise PermanentError(one_line(text), status_code=status)

    def _excerpt(self, response: HttpResponse) -> str:
        """Return the start of the response's text, unless it might repeat a secret that was sent."""
        kind = response.headers.get("content-type", "")
        if self._has_secrets or not response.body or not kind.startswith(("text/plain", "application/json")):
            return ""
        body = response.body
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            try:
                # 47 reads gzip and zlib alike; the bound is what keeps a bomb from going off.
                body = zlib.decompressobj(wbits=47).decompress(body, _SHOWN_RESPONSE * 4)
            except zlib.error:
                return ""
        text = body[: _SHOWN_RESPONSE * 4].decode("utf-8", "replace")
        return f": {one_line(text.strip(), _SHOWN_RESPONSE)}"
