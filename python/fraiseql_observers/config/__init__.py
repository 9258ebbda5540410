"""Configuration: the file, the environment, and the frozen models they become."""

from fraiseql_observers.config.loading import Config, load_config
from fraiseql_observers.config.sections import (
    JobQueueConfig,
    LogConfig,
    MetricsConfig,
    SecurityConfig,
    StorageConfig,
    WorkerConfig,
)

__all__ = [
    "Config",
    "JobQueueConfig",
    "LogConfig",
    "MetricsConfig",
    "SecurityConfig",
    "StorageConfig",
    "WorkerConfig",
    "load_config",
]
