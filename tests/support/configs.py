"""Configurations for tests, made in code."""

from __future__ import annotations

from collections.abc import Mapping

from fraiseql_observers.config import Config, JobQueueConfig, StorageConfig, WorkerConfig
from fraiseql_observers.observers import ObserverDefinition


def log_observer(condition: str | None = None, **fields: object) -> ObserverDefinition:
    """Return an observer of every event that only writes a log line."""
    return ObserverDefinition("*", "*", [{"type": "log"}], condition, **fields)  # type: ignore[arg-type]


def config_for(
    url: str,
    prefix: str,
    observers: Mapping[str, ObserverDefinition],
    *,
    storage: Mapping[str, object] | None = None,
    job_queue: Mapping[str, object] | None = None,
    worker: Mapping[str, object] | None = None,
) -> Config:
    """Return a configuration on a test's server, below its own key prefix."""
    return Config(
        job_queue=JobQueueConfig(url=url, **(job_queue or {})),  # type: ignore[arg-type]
        storage=StorageConfig(key_prefix=prefix, **(storage or {})),  # type: ignore[arg-type]
        worker=WorkerConfig(**(worker or {})),  # type: ignore[arg-type]
        observers=dict(observers),
    )
