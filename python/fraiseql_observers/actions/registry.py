"""All actions of a configuration, resolved and ready: what a worker asks for the action of a job."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING

from fraiseql_observers.actions.base import Action
from fraiseql_observers.actions.function import FunctionCall, add_handler_folder, import_handler
from fraiseql_observers.actions.log import LogLine
from fraiseql_observers.actions.models import (
    ActionConfig,
    FunctionAction,
    LogAction,
    WebhookAction,
    inline_action_config,
)
from fraiseql_observers.actions.named import NamedReferences
from fraiseql_observers.actions.policy import DestinationPolicy
from fraiseql_observers.actions.resolving import resolve_webhook
from fraiseql_observers.actions.webhook import WebhookCall
from fraiseql_observers.errors import ConfigError
from fraiseql_observers.problems import Problem, ProblemKind, error_for

if TYPE_CHECKING:
    from fraiseql_observers.actions.http import HttpSender
    from fraiseql_observers.config import Config

__all__ = ["ActionRegistry", "build_actions"]


class ActionRegistry:
    """The actions of one configuration, with the connections and threads that they share."""

    def __init__(
        self,
        config: Config,
        *,
        sender: HttpSender | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Resolve every action; `build_actions` says how.

        Args:
            config: The configuration.
            sender: What sends webhooks, by default a pool as large as the worker's concurrency.
            environment: Where secrets are read, by default this process's variables.
        """
        self._config = config
        self._sender = sender
        self._environment = environment
        self._policy = DestinationPolicy.of(config.security.allow_hosts, _own_ports(config))
        self._actions: dict[tuple[str, int], Action] = {}
        self._named = NamedReferences.of(
            action for definition in config.observers.values() for action in definition.actions
        )
        problems: list[Problem] = []
        for name, definition in config.observers.items():
            for index, action in enumerate(definition.actions):
                try:
                    self._actions[name, index] = self._build(action)
                except ConfigError as error:
                    # A rule that is switched off must not keep a worker from starting; its jobs are parked.
                    if definition.enabled:
                        problems.extend(p.under("observers", name, "actions", index) for p in error.problems)
        if problems:
            raise error_for(problems, str(config.path or "the configuration"))

    def get(self, observer: str, index: int) -> Action | None:
        """Return the action of an observer's job, or ``None`` where the configuration has no such rule now."""
        return self._actions.get((observer, index))

    def build_inline(self, action: Mapping[str, object]) -> Action:
        """Return the action that a job carries itself.

        Raises:
            ConfigError: If it is wrong, holds a secret, or names a handler, variable or file that no observer of this
                configuration names.
        """
        config = inline_action_config(action)
        if problems := self._named.complaints(config, self._policy):
            raise error_for(problems, "the action")
        limit = self._config.worker.job_timeout_secs
        if isinstance(config, WebhookAction) and config.timeout_secs >= limit:
            message = f"{config.timeout_secs} is not below worker.job_timeout_secs ({limit})"
            raise error_for([Problem(ProblemKind.CONFLICT, ("timeout_secs",), message, within_action=True)])
        return self._build(config)

    async def aclose(self) -> None:
        """Close the connections; threads that still run a handler are left behind."""
        if "_shared_sender" in self.__dict__:
            await self._shared_sender.aclose()
        if "_threads" in self.__dict__:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _build(self, action: ActionConfig) -> Action:
        match action:
            case WebhookAction():
                webhook = resolve_webhook(
                    action, self._policy, environment=self._environment, folder=self._config.folder
                )
                return WebhookCall(webhook, self._shared_sender)
            case FunctionAction():
                return FunctionCall(import_handler(action), self._threads)
            case LogAction():
                return LogLine(action)

    @cached_property
    def _shared_sender(self) -> HttpSender:
        if self._sender is not None:
            return self._sender
        # Imported here: a worker without webhooks needs no HTTP client.
        from fraiseql_observers.actions.httpx_sender import HttpxSender

        return HttpxSender(self._policy, connections=self._config.job_queue.worker_concurrency)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._config.job_queue.worker_concurrency, "fraiseql-handler")


def build_actions(
    config: Config,
    *,
    sender: HttpSender | None = None,
    environment: Mapping[str, str] | None = None,
) -> ActionRegistry:
    """Resolve and build every action of a configuration: secrets are read and handlers imported here.

    The folder of the configuration file is put on the path for handlers. No connection is opened.

    Args:
        config: The configuration.
        sender: What sends webhooks, by default a pool as large as the worker's concurrency.
        environment: Where secrets are read, by default this process's variables.

    Raises:
        ConfigError: With every secret that is missing or weak, destination that is refused and handler that cannot
            be used, each with its dotted key.
    """
    if config.folder is not None:
        add_handler_folder(config.folder)
    return ActionRegistry(config, sender=sender, environment=environment)


def _own_ports(config: Config) -> frozenset[int]:
    # Imported here, since the configuration imports the actions.
    from fraiseql_observers.config.redis_url import ports_of

    ports = {config.metrics.port} if config.metrics.enabled else set()
    ports.update(ports_of(config.job_queue.url))
    return frozenset(ports - {0})
