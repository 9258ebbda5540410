"""What a configuration names: the handlers and secrets that a job which brings its own action may refer to.

A job can be written into Redis by anybody who reaches it. What it may make a worker do is therefore bounded by the
worker's own configuration: it calls no handler, reads no variable and no file that no observer there names, and
reaches no address that only the job itself calls an exception.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from fraiseql_observers.actions.models import ActionConfig, FunctionAction, WebhookAction
from fraiseql_observers.actions.policy import DestinationPolicy
from fraiseql_observers.actions.urls import parse_url
from fraiseql_observers.problems import Problem, ProblemKind

__all__ = ["NamedReferences"]

_WHERE = "no observer of this worker's configuration names it"


@dataclass(slots=True)
class NamedReferences:
    """The references of a configuration.

    Attributes:
        handlers: Paths of handlers.
        variables: Names of environment variables.
        files: Paths of files with secrets.
    """

    handlers: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, actions: Iterable[ActionConfig]) -> NamedReferences:
        """Return what these actions name."""
        named = cls()
        for action in actions:
            if isinstance(action, FunctionAction):
                named.handlers.add(action.handler)
            elif isinstance(action, WebhookAction):
                named.variables.update(_variables(action))
                named.files.update(action.signing_secret_file or ())
        return named

    def complaints(self, action: ActionConfig, policy: DestinationPolicy) -> list[Problem]:
        """Return what is wrong with an action that a job brings along: everything it names that we do not."""
        found: list[tuple[ProblemKind, str, str]] = []
        if isinstance(action, FunctionAction) and action.handler not in self.handlers:
            found.append((ProblemKind.HANDLER, "handler", f"{action.handler[:80]!a} is unknown: {_WHERE}"))
        if isinstance(action, WebhookAction):
            if action.url_env is not None and action.url_env not in self.variables:
                found.append((ProblemKind.ENVIRONMENT, "url_env", _unnamed("variable", action.url_env)))
            found += [
                (ProblemKind.ENVIRONMENT, "signing_secret_env", _unnamed("variable", name))
                for name in sorted(set(action.signing_secret_env or ()) - self.variables)
            ]
            found += [
                (ProblemKind.ENVIRONMENT, "signing_secret_file", _unnamed("file", path))
                for path in sorted(set(action.signing_secret_file or ()) - self.files)
            ]
            if action.allow_private and not _is_exception(action, policy):
                text = "is not a job's to give; allowed: hosts in the worker's own [security] allow_hosts"
                found.append((ProblemKind.URL, "allow_private", text))
        return [Problem(kind, (key,), message, within_action=True) for kind, key, message in found]


def _variables(action: WebhookAction) -> set[str]:
    return {*(action.signing_secret_env or ()), *([action.url_env] if action.url_env else [])}


def _unnamed(what: str, name: str) -> str:
    return f"the {what} {name[:80]!a} is not the job's to read: {_WHERE}"


def _is_exception(action: WebhookAction, policy: DestinationPolicy) -> bool:
    if action.url is None:
        return False
    url = parse_url(action.url)
    return policy.is_exception(url.host, url.port)
