"""Reading what a webhook gives by reference: its URL and its signing secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from fraiseql_observers.actions.models import WebhookAction
from fraiseql_observers.actions.policy import DestinationPolicy
from fraiseql_observers.actions.signing_secret import (
    SecretError,
    decode_standard_secret,
    raw_secret,
    read_environment,
    read_secret_file,
)
from fraiseql_observers.actions.urls import DestinationUrl, UrlError, parse_url
from fraiseql_observers.problems import Problem, ProblemKind, error_for

__all__ = ["ResolvedWebhook", "resolve_webhook"]


@dataclass(frozen=True, slots=True, repr=False)
class ResolvedWebhook:
    """A webhook with its secrets: never stored, logged or shown.

    Attributes:
        config: What the configuration says.
        url: Where it is sent.
        keys: The active signing keys, newest first.
    """

    config: WebhookAction
    url: DestinationUrl
    keys: tuple[bytes, ...]


def resolve_webhook(
    config: WebhookAction,
    policy: DestinationPolicy,
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> ResolvedWebhook:
    """Read what a webhook gives by reference.

    Args:
        config: The checked model.
        policy: Which destinations are refused.
        environment: Where variables are read, by default this process's.
        folder: Where relative paths of secret files start.

    Raises:
        ConfigError: With every variable that is not set, file that cannot be read, and secret that is weak. It
            names the variable or file, never what it holds.
    """
    problems: list[Problem] = []
    url = _resolved_url(config, policy, environment, problems)
    keys = _resolved_keys(config, environment, folder, problems)
    if problems or url is None:
        raise error_for([replace(problem, within_action=True) for problem in problems], "the webhook")
    return ResolvedWebhook(config, url, keys)


def _resolved_url(
    config: WebhookAction,
    policy: DestinationPolicy,
    environment: Mapping[str, str] | None,
    problems: list[Problem],
) -> DestinationUrl | None:
    key = "url" if config.url is not None else "url_env"
    source = "" if config.url is not None else f"the variable {config.url_env}: "
    try:
        text = config.url if config.url is not None else read_environment(str(config.url_env), environment)
        url = parse_url(text)
    except SecretError as error:
        problems.append(Problem(ProblemKind.ENVIRONMENT, (key,), str(error)))
        return None
    except UrlError as error:
        problems.append(Problem(ProblemKind.URL, (key,), f"{source}{error}"))
        return None
    complaint = policy.url_complaint(url, allow_private=config.allow_private)
    if complaint:
        allowed = "public hosts, others only with allow_private or [security] allow_hosts"
        message = f"{source}{complaint}; allowed: {allowed}"
        problems.append(Problem(ProblemKind.URL, (key,), message))
    return url


def _resolved_keys(
    config: WebhookAction, environment: Mapping[str, str] | None, folder: Path | None, problems: list[Problem]
) -> tuple[bytes, ...]:
    secrets = [("signing_secret", "", secret) for secret in config.signing_secret or ()]
    for name in config.signing_secret_env or ():
        try:
            value = read_environment(name, environment).strip()
            secrets.append(("signing_secret_env", f"the variable {name}: ", value))
        except SecretError as error:
            problems.append(Problem(ProblemKind.ENVIRONMENT, ("signing_secret_env",), str(error)))
    for path in config.signing_secret_file or ():
        try:
            lines = read_secret_file(path, folder)
            secrets += [("signing_secret_file", f"the file {path}: ", line) for line in lines]
        except SecretError as error:
            problems.append(Problem(ProblemKind.ENVIRONMENT, ("signing_secret_file",), str(error)))
    decode = decode_standard_secret if config.signature == "standard" else raw_secret
    keys: list[bytes] = []
    for key, source, secret in secrets:
        try:
            keys.append(decode(secret))
        except SecretError as error:
            problems.append(Problem(ProblemKind.SECRET, (key,), f"{source}{error}"))
    return tuple(keys)
