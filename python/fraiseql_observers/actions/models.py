"""What a configuration may say about an action: one frozen model per type, told apart by ``type``.

The models check form only; nothing here opens a file, reads the environment or imports a handler, so that a
producer can load a configuration whose secrets it must not see.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from fraiseql_observers.actions.fields import (
    EnvironmentName,
    EnvironmentNames,
    Headers,
    JsonTemplate,
    SecretPaths,
    Secrets,
    TextTemplate,
    Url,
)
from fraiseql_observers.actions.headers import HARMLESS_HEADERS
from fraiseql_observers.actions.signing_secret import secret_complaint
from fraiseql_observers.actions.urls import parse_url, shown_url
from fraiseql_observers.errors import ConfigError
from fraiseql_observers.problems import Problem, ProblemKind, error_for, nearest_name
from fraiseql_observers.settings import Conflict, Settings, found_text

__all__ = [
    "ACTION_MODELS",
    "ActionConfig",
    "FunctionAction",
    "LogAction",
    "WebhookAction",
    "action_config",
    "inline_action_config",
]

#: Action types of FraiseQL that this version does not run, and what to say about each.
_LATER_TYPES = ("slack", "email", "cache")
_UNSUPPORTED_TYPES = ("sms", "push", "search")


class WebhookAction(Settings):
    """An HTTP request to a receiver; 2xx, read in full, is success.

    Attributes:
        url: Where it is sent; `url_env` instead names the environment variable that holds the URL.
        method: POST, PUT, PATCH or DELETE.
        headers: Further headers; their values count as secrets and may hold placeholders.
        body_template: JSON text with placeholders, by default the whole event.
        signing_secret: One or several secrets, by themselves, in environment variables or in files.
        signature: ``standard`` (Standard Webhooks), ``fraiseql`` or ``none``.
        timeout_secs: The longest that one attempt may take in all (1–3600); below the job's timeout.
        allow_private: Whether the host may resolve to an address that is not public.
        follow_redirects: How many redirects are followed, each checked like the URL (0–10).
    """

    type: Literal["webhook"] = "webhook"
    url: Url | None = None
    url_env: EnvironmentName | None = None
    method: Annotated[
        Literal["POST", "PUT", "PATCH", "DELETE"],
        Field(json_schema_extra={"allowed": "one of POST, PUT, PATCH, DELETE, in capitals"}),
    ] = "POST"
    headers: Headers = Field(default_factory=dict, max_length=100)
    body_template: JsonTemplate | None = None
    signing_secret: Secrets | None = None
    signing_secret_env: EnvironmentNames | None = None
    signing_secret_file: SecretPaths | None = None
    signature: Literal["standard", "fraiseql", "none"] = "standard"
    timeout_secs: int = Field(default=30, ge=1, le=3600)
    allow_private: bool = False
    follow_redirects: int = Field(default=0, ge=0, le=10)

    @property
    def is_signed(self) -> bool:
        """Whether a receiver can tell that the request comes from here."""
        return any(secret is not None for secret in self._secret_sources().values())

    def _secret_sources(self) -> dict[str, tuple[str, ...] | None]:
        return {
            "signing_secret": self.signing_secret,
            "signing_secret_env": self.signing_secret_env,
            "signing_secret_file": self.signing_secret_file,
        }

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Show the action without header values, URL query and secrets."""
        for name, value in super().__repr_args__():
            if name == "url" and value is not None:
                yield name, shown_url(value)
            elif name == "headers":
                yield name, dict.fromkeys(self.headers, "***")
            elif name == "signing_secret" and value is not None:
                yield name, "***"
            else:
                yield name, value

    def conflicts(self) -> Iterator[Conflict]:
        """Yield what is wrong between URL and its variable, and between signature and secrets."""
        if (self.url is None) == (self.url_env is None):
            found = "neither" if self.url is None else "both"
            message = f"{found} of url and url_env given; allowed: exactly one of them"
            yield Conflict(
                ("url", "url_env"), message, ProblemKind.MISSING if self.url is None else ProblemKind.CONFLICT
            )
        given = [name for name, value in self._secret_sources().items() if value is not None]
        if len(given) > 1:
            yield Conflict(
                (given[0], *given[1:]), f"{' and '.join(given)} given; allowed: at most one of them"
            )
        if given and self.signature == "none":
            yield Conflict(
                (given[0], "signature"),
                'given beside signature = "none", which signs nothing; allowed: one of them',
            )
        for number, secret in enumerate(self.signing_secret or ()):
            complaint = secret_complaint(secret, self.signature) if self.signature != "none" else None
            if complaint:
                place = f"secret {number + 1}: " if len(self.signing_secret or ()) > 1 else ""
                yield Conflict(("signing_secret", "signature"), place + complaint, ProblemKind.SECRET)


class FunctionAction(Settings):
    """A call of a function of the user's own.

    Attributes:
        handler: ``package.module:callable``, called as ``handler(event, context)``; it may be async.
    """

    type: Literal["function"] = "function"
    handler: str = Field(
        max_length=255,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$",
        json_schema_extra={"allowed": "package.module:callable"},
    )


class LogAction(Settings):
    """A line in the worker's log; always a success.

    Attributes:
        level: How severe the line is.
        message_template: Its text with placeholders, by default observer, entity and ids.
    """

    type: Literal["log"] = "log"
    level: Literal["debug", "info", "warning", "error", "critical"] = "info"
    message_template: TextTemplate | None = None


ActionConfig: TypeAlias = WebhookAction | FunctionAction | LogAction

ACTION_MODELS: Mapping[str, type[WebhookAction | FunctionAction | LogAction]] = {
    "webhook": WebhookAction,
    "function": FunctionAction,
    "log": LogAction,
}


def action_config(raw: object) -> ActionConfig:
    """Return the model of one action.

    Args:
        raw: A model, or a mapping with the keys of the configuration file.

    Raises:
        ConfigError: With every mistake of this action.
    """
    if isinstance(raw, (WebhookAction, FunctionAction, LogAction)):
        return raw
    if not isinstance(raw, Mapping):
        raise error_for(
            [_action_problem(ProblemKind.TYPE, (), f"{found_text(raw)} is no table; allowed: a table")]
        )
    kind = raw.get("type")
    model = ACTION_MODELS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise error_for([_type_problem(kind)])
    try:
        return model(**{str(key): value for key, value in raw.items()})
    except ConfigError as error:
        problems = [_action_problem(p.kind, p.path, p.message) for p in error.problems]
        raise error_for(problems, "the action") from None


def inline_action_config(raw: object) -> ActionConfig:
    """Return the model of an action that a job carries itself, which may hold secrets by reference only.

    Raises:
        ConfigError: With every mistake of this action, each secret it holds included.
    """
    action = action_config(raw)
    if not isinstance(action, WebhookAction):
        return action
    problems = []
    if action.signing_secret is not None:
        problems.append(
            ("signing_secret", "would be stored with the job; allowed: signing_secret_env or _file")
        )
    if action.url is not None and parse_url(action.url).query:
        problems.append(("url", "has a query, which would be stored with the job; allowed: url_env"))
    secret_headers = sorted(name for name in action.headers if name.lower() not in HARMLESS_HEADERS)
    if secret_headers:
        allowed = ", ".join(sorted(HARMLESS_HEADERS))
        problems.append(
            ("headers", f"{secret_headers[0]!a} would be stored with the job; allowed: {allowed}")
        )
    if problems:
        raise error_for(
            [_action_problem(ProblemKind.SECRET, (key,), text) for key, text in problems], "the action"
        )
    return action


def _action_problem(kind: ProblemKind, path: tuple[str | int, ...], message: str) -> Problem:
    return Problem(kind, path, message, within_action=True)


def _type_problem(kind: object) -> Problem:
    choices = ", ".join(ACTION_MODELS)
    if kind is None:
        return _action_problem(ProblemKind.MISSING, ("type",), f"is missing; allowed: one of {choices}")
    if kind in _LATER_TYPES:
        return _action_problem(
            ProblemKind.UNSUPPORTED,
            ("type",),
            f"{kind} is not supported by this version; allowed: one of {choices}",
        )
    if kind in _UNSUPPORTED_TYPES:
        text = f'{kind} is not supported; write a handler of your own and use type = "function"'
        return _action_problem(ProblemKind.UNSUPPORTED, ("type",), text)
    near = nearest_name(kind, ACTION_MODELS) if isinstance(kind, str) else None
    hint = f"; did you mean {near}?" if near else ""
    problem_kind = ProblemKind.ENUM if isinstance(kind, str) else ProblemKind.TYPE
    return _action_problem(
        problem_kind, ("type",), f"{found_text(kind)} is unknown; allowed: one of {choices}{hint}"
    )
