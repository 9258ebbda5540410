"""Durable reactions to entity changes: rules, conditions, jobs and workers.

The names below are the public ones. Each is imported when it is first used, so that a producer loads no HTTP client and
a worker no command line.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fraiseql_observers._core import (
        Condition,
        EntityEvent,
        ProcessSummary,
        __version__,
        calculate_backoff,
    )
    from fraiseql_observers.actions import FunctionAction, LogAction, WebhookAction
    from fraiseql_observers.actions.base import Action, ActionContext
    from fraiseql_observers.buffer import EventBuffer
    from fraiseql_observers.config import (
        Config,
        JobQueueConfig,
        LogConfig,
        MetricsConfig,
        SecurityConfig,
        StorageConfig,
        WorkerConfig,
        load_config,
    )
    from fraiseql_observers.dead_letters import DeadLetterQueue
    from fraiseql_observers.direct import ExecutionSummary, ObserverExecutor
    from fraiseql_observers.errors import (
        ActionError,
        ConditionError,
        ConditionEvalError,
        ConditionSyntaxError,
        ConfigError,
        CorruptJob,
        DurabilityNotConfirmed,
        EventError,
        LeaseLost,
        ObserversError,
        PermanentError,
        QueueError,
        QueueFull,
        QueueRefused,
        QueueUnavailable,
        RetryableError,
        ServerUnsuitable,
        TemplateError,
        UnsupportedAction,
    )
    from fraiseql_observers.events import EventKind
    from fraiseql_observers.executor import (
        BlockingQueuedObserverExecutor,
        ProcessEvent,
        ProcessEventQueued,
        QueuedObserverExecutor,
        build_with_queue,
        build_with_queue_sync,
    )
    from fraiseql_observers.job_queue import (
        Job,
        JobLease,
        JobQueue,
        JobView,
        MemoryJobQueue,
        RedisJobQueue,
        build_job_queue,
    )
    from fraiseql_observers.metrics import MetricsRegistry
    from fraiseql_observers.observers import (
        EventMatcher,
        Match,
        Matches,
        ObserverDefinition,
        RetryConfig,
    )
    from fraiseql_observers.worker import JobExecutor

__all__ = [
    "Action",
    "ActionContext",
    "ActionError",
    "BlockingQueuedObserverExecutor",
    "Condition",
    "ConditionError",
    "ConditionEvalError",
    "ConditionSyntaxError",
    "Config",
    "ConfigError",
    "CorruptJob",
    "DeadLetterQueue",
    "DurabilityNotConfirmed",
    "EntityEvent",
    "EventBuffer",
    "EventError",
    "EventKind",
    "EventMatcher",
    "ExecutionSummary",
    "FunctionAction",
    "Job",
    "JobExecutor",
    "JobLease",
    "JobQueue",
    "JobQueueConfig",
    "JobView",
    "LeaseLost",
    "LogAction",
    "LogConfig",
    "Match",
    "Matches",
    "MemoryJobQueue",
    "MetricsConfig",
    "MetricsRegistry",
    "ObserverDefinition",
    "ObserverExecutor",
    "ObserversError",
    "PermanentError",
    "ProcessEvent",
    "ProcessEventQueued",
    "ProcessSummary",
    "QueueError",
    "QueueFull",
    "QueueRefused",
    "QueueUnavailable",
    "QueuedObserverExecutor",
    "RedisJobQueue",
    "RetryConfig",
    "RetryableError",
    "SecurityConfig",
    "ServerUnsuitable",
    "StorageConfig",
    "TemplateError",
    "UnsupportedAction",
    "WebhookAction",
    "WorkerConfig",
    "__version__",
    "build_job_queue",
    "build_with_queue",
    "build_with_queue_sync",
    "calculate_backoff",
    "load_config",
]

#: Where each public name lives.
_HOMES = {
    "_core": ("Condition", "EntityEvent", "ProcessSummary", "__version__", "calculate_backoff"),
    "actions": ("FunctionAction", "LogAction", "WebhookAction"),
    "actions.base": ("Action", "ActionContext"),
    "buffer": ("EventBuffer",),
    "config": (
        "Config",
        "JobQueueConfig",
        "LogConfig",
        "MetricsConfig",
        "SecurityConfig",
        "StorageConfig",
        "WorkerConfig",
        "load_config",
    ),
    "dead_letters": ("DeadLetterQueue",),
    "direct": ("ExecutionSummary", "ObserverExecutor"),
    "errors": (
        "ActionError",
        "ConditionError",
        "ConditionEvalError",
        "ConditionSyntaxError",
        "ConfigError",
        "CorruptJob",
        "DurabilityNotConfirmed",
        "EventError",
        "LeaseLost",
        "ObserversError",
        "PermanentError",
        "QueueError",
        "QueueFull",
        "QueueRefused",
        "QueueUnavailable",
        "RetryableError",
        "ServerUnsuitable",
        "TemplateError",
        "UnsupportedAction",
    ),
    "events": ("EventKind",),
    "executor": (
        "BlockingQueuedObserverExecutor",
        "ProcessEvent",
        "ProcessEventQueued",
        "QueuedObserverExecutor",
        "build_with_queue",
        "build_with_queue_sync",
    ),
    "job_queue": (
        "Job",
        "JobLease",
        "JobQueue",
        "JobView",
        "MemoryJobQueue",
        "RedisJobQueue",
        "build_job_queue",
    ),
    "metrics": ("MetricsRegistry",),
    "observers": ("EventMatcher", "Match", "Matches", "ObserverDefinition", "RetryConfig"),
    "worker": ("JobExecutor",),
}

_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names too, used or not."""
    return sorted({*globals(), *__all__})
