"""What only shows when a whole configuration is looked at: conflicts between sections, and warnings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fraiseql_observers._core import Condition
from fraiseql_observers.actions.models import WebhookAction
from fraiseql_observers.actions.policy import DestinationPolicy
from fraiseql_observers.actions.urls import UrlError, parse_url
from fraiseql_observers.errors import ConfigError
from fraiseql_observers.problems import KeyPath, Problem, ProblemKind, dotted
from fraiseql_observers.retry import RetryConfig

if TYPE_CHECKING:
    from fraiseql_observers.config.loading import Config

__all__ = ["conflicts_between", "warnings_about"]


def conflicts_between(
    tables: Mapping[str, Any], config: Config, has_failed: Callable[..., bool]
) -> list[Problem]:
    """Return the mistakes that lie between sections.

    Args:
        tables: The observers as the file has them, so that what is right in a wrong observer is looked at too.
        config: The sections; one that is wrong by itself holds its default.
        has_failed: Says whether a mistake was found at a path already, so that it is not blamed twice.
    """
    problems: list[Problem] = []
    for name, raw in tables.items():
        if not isinstance(raw, Mapping):
            continue
        if not has_failed("job_queue"):
            problems.extend(
                p.under("observers", name, "retry") for p in _retry_conflicts(raw.get("retry"), config)
            )
        actions = raw.get("actions")
        for number, action in enumerate(actions if isinstance(actions, list) else ()):
            if isinstance(action, Mapping) and action.get("type") == "webhook":
                path = ("observers", name, "actions", number)
                problems.extend(p.under(*path) for p in _webhook_conflicts(config, action, has_failed))
    return [problem for problem in problems if not has_failed(*problem.path)]


def warnings_about(config: Config) -> Iterator[str]:
    """Yield what is allowed and yet probably not meant, one sentence each, free of secrets."""
    for name, definition in config.observers.items():
        if definition.condition is not None:
            for warning in Condition.parse(definition.condition).warnings_for(definition.event_type):
                yield f"{dotted(('observers', name, 'condition'))}: {warning}"
    if config.security.allow_hosts:
        yield "security.allow_hosts lets the hosts it names have addresses that are not public"
    policy = DestinationPolicy.of(config.security.allow_hosts)
    for path, action in _webhooks(config):
        yield from (f"{dotted(path)}: {warning}" for warning in _webhook_warnings(action, policy))
    yield from _shared_secrets(config)


def _webhooks(config: Config) -> Iterator[tuple[KeyPath, WebhookAction]]:
    for name, definition in config.observers.items():
        for number, action in enumerate(definition.actions):
            if isinstance(action, WebhookAction):
                yield ("observers", name, "actions", number), action


def _retry_conflicts(raw: object, config: Config) -> Sequence[Problem]:
    if not isinstance(raw, Mapping):
        return ()
    try:
        retry = RetryConfig(**raw)
    except ConfigError:
        # It is wrong by itself, which is reported where the observer is read.
        return ()
    try:
        retry.resolve(config.job_queue)
    except ConfigError as error:
        return error.problems
    return ()


def _webhook_conflicts(
    config: Config, raw: Mapping[str, Any], has_failed: Callable[..., bool]
) -> Iterator[Problem]:
    limit = config.worker.job_timeout_secs
    timeout = raw.get("timeout_secs", WebhookAction.model_fields["timeout_secs"].default)
    if isinstance(timeout, int) and timeout >= limit and not has_failed("worker", "job_timeout_secs"):
        message = (
            f"the webhook's timeout_secs ({timeout}) is not below worker.job_timeout_secs ({limit}); "
            f"allowed: an integer from 1 to {limit - 1}"
        )
        yield Problem(ProblemKind.CONFLICT, ("timeout_secs",), message, within_action=True)
    if isinstance(raw.get("url"), str) and not has_failed("security"):
        try:
            url = parse_url(raw["url"])
        except UrlError:
            # It is wrong by itself, which is reported where the action is read.
            return
        policy = DestinationPolicy.of(config.security.allow_hosts)
        complaint = policy.url_complaint(url, allow_private=raw.get("allow_private") is True)
        if complaint:
            message = f"{complaint}; allowed: public hosts, others only with allow_private or [security] allow_hosts"
            yield Problem(ProblemKind.URL, ("url",), message, within_action=True)


def _webhook_warnings(action: WebhookAction, policy: DestinationPolicy) -> Iterator[str]:
    if not action.is_signed:
        yield "no signing secret: receivers cannot tell who sent the request"
    if action.allow_private:
        yield "allow_private lets this destination have an address that is not public"
    if action.url is not None:
        url = parse_url(action.url)
        if url.scheme == "http" and not policy.is_exception(
            url.host, url.port, allow_private=action.allow_private
        ):
            yield f"{url} is plain http: everyone on the way can read the events"


def _shared_secrets(config: Config) -> Iterator[str]:
    users: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    first: dict[tuple[str, str], KeyPath] = {}
    for path, action in _webhooks(config):
        destination = action.url if action.url is not None else f"${action.url_env}"
        for key in ("signing_secret", "signing_secret_env", "signing_secret_file"):
            for secret in getattr(action, key) or ():
                users[key, secret].add(destination)
                first.setdefault((key, secret), path)
    for (key, secret), destinations in users.items():
        if len(destinations) > 1:
            place = dotted(first[key, secret])
            yield f"{place}.{key}: one secret signs for {len(destinations)} destinations, so each can forge the others'"
