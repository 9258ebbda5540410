"""How the settings of a configuration become the core's queue, pipeline and feed: the one place that says so."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fraiseql_observers._core import Feed, MemoryQueue, Pipeline, QueueOptions, RedisQueue
from fraiseql_observers.config.tls import tls_path, tls_problems
from fraiseql_observers.problems import error_for
from fraiseql_observers.retry import RetryConfig

if TYPE_CHECKING:
    from fraiseql_observers.config import Config
    from fraiseql_observers.matching import EventMatcher
    from fraiseql_observers.observers import ObserverDefinition

__all__ = [
    "KNOWN_ACTIONS",
    "Connection",
    "add_rule",
    "build_feed",
    "build_pipeline",
    "connect",
    "open_connection",
    "queue_options",
    "spool_directory",
]

#: The action types that this version runs; jobs of others wait for a worker that knows them.
KNOWN_ACTIONS = ("webhook", "function", "log")


def queue_options(config: Config) -> QueueOptions:
    """Return the bounds that a queue keeps, which every process should have alike, and where its jobs may wait."""
    storage = config.storage
    return QueueOptions(
        key_prefix=storage.key_prefix,
        shards=storage.shards,
        batch_size=config.job_queue.batch_size,
        max_pending=storage.max_pending,
        dedupe_window_secs=storage.dedupe_window_secs,
        completed_retention_secs=storage.completed_retention_secs,
        completed_retention_max=storage.completed_retention_max,
        dead_letter_max=storage.dead_letter_max,
        max_crashes=config.worker.max_crashes,
        lease_duration_secs=config.worker.lease_duration_secs,
        spool_dir=spool_directory(config),
        spool_max_bytes=storage.spool_max_bytes,
        # Where an embedded server listens may be another place each time.
        spool_for=config.job_queue.url,
    )


def spool_directory(config: Config) -> Path | None:
    """Return where jobs wait while the queue is away; nothing where they do not."""
    directory = config.storage.spool_dir
    return None if directory is None else Path(config.folder or "", directory).absolute()


class Connection(NamedTuple):
    """The configured queue, and what is behind it."""

    queue: RedisQueue
    #: Ends the replay of the spool, and gives up an embedded server; takes a second, or as long as a slow disk.
    close: Callable[[], None]
    #: Starts an embedded server again that has died; blocks. There is nothing that we could do for another one.
    ensure: Callable[[], object]


def connect(config: Config) -> tuple[RedisQueue, Callable[[], None]]:
    """Return the queue of `open_connection`, and what closes it."""
    queue, close, _ = open_connection(config)
    return queue, close


def open_connection(config: Config) -> Connection:
    """Return the configured queue, which connects when it is first used.

    An ``embedded://`` server is started here, where it does not run yet.

    Raises:
        ConfigError: If an embedded server cannot be used here, or a file for TLS.
        QueueUnavailable: If it does not start.
    """
    url = config.job_queue.url
    if not url.startswith("embedded:"):
        queue = _queue(config)
        return Connection(queue, queue.close, _nothing)
    # Imported here: only those who use it need it installed.
    from fraiseql_observers.embedded import open_embedded

    server = open_embedded(url)
    queue = RedisQueue(server.url, queue_options(config))

    def close() -> None:
        queue.close()
        server.close()

    return Connection(queue, close, server.ensure)


def _queue(config: Config) -> RedisQueue:
    settings, folder = config.job_queue, config.folder
    problems = list(tls_problems(settings, folder))
    if problems:
        raise error_for(problems)
    return RedisQueue(
        settings.url,
        queue_options(config),
        tls_ca_file=tls_path(settings.tls_ca_file, folder),
        tls_cert_file=tls_path(settings.tls_cert_file, folder),
        tls_key_file=tls_path(settings.tls_key_file, folder),
        sentinel_username=settings.sentinel_username,
        sentinel_password=settings.sentinel_password,
    )


def build_pipeline(config: Config, matcher: EventMatcher, queue: RedisQueue | MemoryQueue) -> Pipeline:
    """Return what turns events into stored jobs, for all observers of a matcher."""
    pipeline = Pipeline(
        matcher.rules,
        queue,
        max_age_secs=config.storage.max_age_secs,
        max_payload_bytes=config.storage.max_payload_bytes,
        enqueue_timeout_secs=config.storage.enqueue_timeout_secs,
        durability=config.storage.durability,
    )
    for name, definition in matcher.definitions.items():
        add_rule(config, pipeline, name, definition)
    return pipeline


def add_rule(config: Config, pipeline: Pipeline, name: str, definition: ObserverDefinition) -> None:
    """Say what jobs an observer makes."""
    retry = (definition.retry or RetryConfig()).resolve(config.job_queue)
    pipeline.set_rule(
        name,
        action_types=[action.type for action in definition.actions],
        queue=definition.queue,
        priority=definition.priority,
        delay_secs=definition.delay_secs,
        max_attempts=retry.max_attempts,
        backoff_strategy=retry.backoff_strategy,
        initial_delay_ms=retry.initial_delay_ms,
        max_delay_ms=retry.max_delay_ms,
        jitter=retry.jitter,
    )


def build_feed(
    config: Config,
    queue: RedisQueue | MemoryQueue,
    *,
    version: str,
    suspects: bool = False,
    extra: Mapping[str, str] | None = None,
) -> Feed:
    """Return the feed of one worker process, not started.

    Args:
        config: The configuration.
        queue: Where jobs come from.
        version: Of this package, for those who look at the workers.
        suspects: Whether to lease, one by one, the jobs that were running when a worker was lost twice.
        extra: What else is to be seen of the worker.
    """
    host, pid = socket.gethostname(), os.getpid()
    slots = 1 if suspects else config.job_queue.worker_concurrency
    about = {"host": host, "pid": pid, "version": version, "concurrency": slots, **(extra or {})}
    return Feed(
        queue,
        queues=list(config.worker.queues),
        slots=slots,
        lease_duration_secs=config.worker.lease_duration_secs,
        job_timeout_secs=config.worker.job_timeout_secs,
        shutdown_timeout_secs=config.worker.shutdown_timeout_secs,
        poll_interval_ms=config.job_queue.poll_interval_ms,
        max_age_secs=config.storage.max_age_secs,
        known_actions=set(KNOWN_ACTIONS),
        worker=f"{host}:{pid}",
        info=json.dumps(about),
        suspects=suspects,
        durability=config.storage.durability,
    )


def _nothing() -> None:
    """Do nothing: the connections end with the process, and the server is not ours."""
