"""Durable reactions to entity changes: rules, conditions, jobs and workers."""

from fraiseql_observers._core import Condition, ProcessSummary, __version__, calculate_backoff
from fraiseql_observers.config import Config, load_config
from fraiseql_observers.dead_letters import DeadLetterQueue
from fraiseql_observers.direct import ObserverExecutor
from fraiseql_observers.events import EntityEvent, EventKind
from fraiseql_observers.executor import build_with_queue, build_with_queue_sync
from fraiseql_observers.metrics import MetricsRegistry
from fraiseql_observers.observers import EventMatcher, ObserverDefinition, RetryConfig

__all__ = [
    "Condition",
    "Config",
    "DeadLetterQueue",
    "EntityEvent",
    "EventKind",
    "EventMatcher",
    "MetricsRegistry",
    "ObserverDefinition",
    "ObserverExecutor",
    "ProcessSummary",
    "RetryConfig",
    "__version__",
    "build_with_queue",
    "build_with_queue_sync",
    "calculate_backoff",
    "load_config",
]
