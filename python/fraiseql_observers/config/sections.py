"""The sections of a configuration file, each a frozen model with default, unit and range of every setting."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field

from fraiseql_observers._core import MOST_REPLICAS
from fraiseql_observers.config.environment import environment_values, from_environment
from fraiseql_observers.config.redis_url import (
    ALLOWED_REDIS_URLS,
    asks_for_tls,
    check_redis_url,
    names_sentinels,
    shown_redis_url,
)
from fraiseql_observers.errors import ConfigError
from fraiseql_observers.problems import ProblemKind, error_for
from fraiseql_observers.settings import QUEUE_NAME_PATTERN, Conflict, Settings, refusal

__all__ = [
    "SECTIONS",
    "JobQueueConfig",
    "LogConfig",
    "MetricsConfig",
    "SecurityConfig",
    "StorageConfig",
    "WorkerConfig",
]

QueueName = Annotated[str, Field(pattern=QUEUE_NAME_PATTERN)]


class Section(Settings):
    """A section of the file whose settings the environment can override."""

    #: The section's name in the file, and in capitals in its variables.
    section: ClassVar[str]

    def with_env_overrides(self, environment: Mapping[str, str] | None = None) -> Self:
        """Return these settings with those that the environment gives in their place, as `load_config` does.

        Args:
            environment: Variables ``FRAISEQL_<SECTION>_<NAME>``, by default those of this process.

        Raises:
            ConfigError: With every variable whose value is not allowed.
        """
        variables = os.environ if environment is None else environment
        given, problems = environment_values(self.section, type(self), variables)
        if problems:
            raise error_for(problems, "the environment")
        try:
            return type(self)(**(dict(self) | given))
        except ConfigError as error:
            placed = [from_environment(problem, self.section, given) for problem in error.problems]
            raise error_for(placed, "the environment") from None


class JobQueueConfig(Section):
    """``[job_queue]``, environment ``FRAISEQL_JOB_QUEUE_*``: where jobs are kept and how they are retried.

    Attributes:
        url: The Redis or Valkey server; its password is in no message.
        tls_ca_file: Certificates, as PEM, of the authorities that may have signed the server's certificate; without
            it those that browsers trust. A relative path starts at the folder of the configuration.
        tls_cert_file: Our own certificate, as PEM, for a server that asks for one.
        tls_key_file: The private key of `tls_cert_file`, as PEM and without a passphrase; not readable for everybody.
        sentinel_username: The user at the sentinels, which do not know the users of the servers.
        sentinel_password: The password at the sentinels.
        batch_size: The most jobs per round trip, enqueue and lease (1–1000).
        batch_timeout_secs: The longest that `buffered()` holds a partial batch (1–300).
        max_retries: Retries after the first execution where an observer sets none (1–100).
        worker_concurrency: Actions in flight per worker process (1–100).
        poll_interval_ms: The longest an idle worker blocks before it looks again (100–10000).
        initial_delay_ms: The first delay before a retry (10–10000), at most `max_delay_ms`.
        max_delay_ms: The longest delay before a retry (100–300000).
    """

    section: ClassVar[str] = "job_queue"

    url: Annotated[str, AfterValidator(check_redis_url)] = Field(
        default="redis://localhost:6379", json_schema_extra={"allowed": ALLOWED_REDIS_URLS}
    )
    tls_ca_file: str | None = Field(default=None, min_length=1)
    tls_cert_file: str | None = Field(default=None, min_length=1)
    tls_key_file: str | None = Field(default=None, min_length=1)
    sentinel_username: str | None = Field(default=None, min_length=1)
    sentinel_password: str | None = Field(default=None, min_length=1)
    batch_size: int = Field(default=100, ge=1, le=1000)
    batch_timeout_secs: int = Field(default=5, ge=1, le=300)
    max_retries: int = Field(default=3, ge=1, le=100)
    worker_concurrency: int = Field(default=10, ge=1, le=100)
    poll_interval_ms: int = Field(default=500, ge=100, le=10_000)
    initial_delay_ms: int = Field(default=100, ge=10, le=10_000)
    max_delay_ms: int = Field(default=5000, ge=100, le=300_000)

    @property
    def shown_url(self) -> str:
        """The URL for logs and messages, without user and password."""
        return shown_redis_url(self.url)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Show the URL without its password, and no other password."""
        for name, value in super().__repr_args__():
            shown = "***" if name == "sentinel_password" and value else value
            yield name, self.shown_url if name == "url" else shown

    def conflicts(self) -> Iterator[Conflict]:
        """Yield the conflicts of the delays, of the files for TLS and of the sentinels' user."""
        yield from self._connection_conflicts(self.url)
        if self.initial_delay_ms > self.max_delay_ms:
            yield Conflict(
                ("initial_delay_ms", "max_delay_ms"),
                f"initial_delay_ms ({self.initial_delay_ms}) is above max_delay_ms ({self.max_delay_ms}); "
                "allowed: at most max_delay_ms",
            )

    def _connection_conflicts(self, url: str) -> Iterator[Conflict]:
        files = [name for name in ("tls_ca_file", "tls_cert_file", "tls_key_file") if getattr(self, name)]
        if files and not asks_for_tls(url):
            yield Conflict(
                (files[0], "url"),
                f"{files[0]} is for TLS, which the url does not ask for; allowed: with rediss in its scheme",
            )
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            given, missing = sorted(
                ("tls_cert_file", "tls_key_file"), key=lambda name: getattr(self, name) is None
            )
            yield Conflict((given, missing), f"{given} is given without {missing}; allowed: both or none")
        if (self.sentinel_username or self.sentinel_password) and not names_sentinels(url):
            name = "sentinel_username" if self.sentinel_username else "sentinel_password"
            yield Conflict(
                (name, "url"),
                f"{name} is for sentinels, which the url does not name; allowed: beside redis+sentinel://…",
            )
        elif self.sentinel_username and not self.sentinel_password:
            yield Conflict(
                ("sentinel_username", "sentinel_password"),
                "sentinel_username is given without sentinel_password; allowed: both, or the password alone",
            )


class WorkerConfig(Section):
    """``[worker]``, environment ``FRAISEQL_WORKER_*``: how worker processes run.

    Attributes:
        queues: The queues that are worked, in the environment separated by commas.
        lease_duration_secs: How long a silent worker's jobs stay its own (5–3600).
        job_timeout_secs: The longest an attempt may run (1–3600); a webhook's timeout must be shorter.
        shutdown_timeout_secs: How long running jobs may finish after a stop signal (0–3600).
        processes: Worker processes (1–64).
        max_crashes: Lost workers after which a job is dead-lettered (3–100).
        max_jobs_per_process: Jobs after which a process is replaced; 0 is never.
        max_memory_mb: Resident memory above which a process is replaced; 0 is never.
    """

    section: ClassVar[str] = "worker"

    queues: Annotated[tuple[QueueName, ...], Field(min_length=1, max_length=64, strict=False)] = ("default",)
    lease_duration_secs: int = Field(default=30, ge=5, le=3600)
    job_timeout_secs: int = Field(default=60, ge=1, le=3600)
    shutdown_timeout_secs: int = Field(default=25, ge=0, le=3600)
    processes: int = Field(default=1, ge=1, le=64)
    max_crashes: int = Field(default=3, ge=3, le=100)
    max_jobs_per_process: int = Field(default=0, ge=0, le=1_000_000_000)
    max_memory_mb: int = Field(default=0, ge=0, le=1_048_576)

    def conflicts(self) -> Iterator[Conflict]:
        """Yield a conflict for a queue that is named twice."""
        if len(set(self.queues)) < len(self.queues):
            yield Conflict(
                ("queues",), "names a queue twice; allowed: each queue once", ProblemKind.DUPLICATE
            )


#: What `durability` may be, for people.
_DURABILITY_LEVELS = f"one of auto, memory, process, disk, replica:1 to replica:{MOST_REPLICAS}"


def _check_durability(level: str) -> str:
    known = {"auto", "memory", "process", "disk", *(f"replica:{n}" for n in range(1, MOST_REPLICAS + 1))}
    if level not in known:
        raise refusal(ProblemKind.ENUM, f"the string {level[:80]!a}; allowed: {_DURABILITY_LEVELS}")
    return level


class StorageConfig(Section):
    """``[storage]``, environment ``FRAISEQL_STORAGE_*``: names, bounds and durability of what is kept.

    Attributes:
        key_prefix: The start of every Redis key.
        shards: Parts that each queue is spread over (1–256).
        durability: ``auto`` (what the server gives by itself), ``memory``, ``process``, ``disk`` or ``replica:n``: what
            accepted jobs outlive. A level that the server cannot give is refused.
        enqueue_timeout_secs: The longest an enqueue waits for the server (1–60).
        spool_dir: A directory on this machine that takes what is enqueued while the server is away, relative to the
            file's folder; without one an enqueue fails then.
        spool_max_bytes: The most that the spool may hold (65536–1099511627776).
        max_pending: Most jobs of a shard that are pending, and most that are scheduled; what would go beyond is refused
            whole; 0 is no bound.
        dedupe_window_secs: How long the id of an ended job is remembered (60–604800).
        completed_retention_secs: How long a finished job's record stays (0–2592000; 0 is not at all).
        completed_retention_max: Records of finished jobs that stay (0–10000000; 0 is none).
        dead_letter_max: Dead letters above which the oldest are trimmed (1–10000000).
        max_age_secs: The longest a job may live from when it is first due (60–2592000).
        max_payload_bytes: The largest event (1024–16777216).
    """

    section: ClassVar[str] = "storage"

    key_prefix: str = Field(default="fraiseql", pattern=QUEUE_NAME_PATTERN)
    shards: int = Field(default=1, ge=1, le=256)
    durability: Annotated[str, AfterValidator(_check_durability)] = Field(
        default="auto", json_schema_extra={"allowed": _DURABILITY_LEVELS}
    )
    enqueue_timeout_secs: int = Field(default=5, ge=1, le=60)
    spool_dir: (
        Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")] | None
    ) = None
    spool_max_bytes: int = Field(default=268_435_456, ge=65_536, le=1_099_511_627_776)
    max_pending: int = Field(default=0, ge=0, le=1_000_000_000)
    dedupe_window_secs: int = Field(default=3600, ge=60, le=604_800)
    completed_retention_secs: int = Field(default=3600, ge=0, le=2_592_000)
    completed_retention_max: int = Field(default=10_000, ge=0, le=10_000_000)
    dead_letter_max: int = Field(default=100_000, ge=1, le=10_000_000)
    max_age_secs: int = Field(default=259_200, ge=60, le=2_592_000)
    max_payload_bytes: int = Field(default=1_048_576, ge=1024, le=16_777_216)


class MetricsConfig(Section):
    """``[metrics]``, environment ``FRAISEQL_METRICS_*``: the worker's metrics page.

    Attributes:
        enabled: Whether there is one.
        host: The address it listens on.
        port: Its port (0–65535); 0 takes a free one, which the worker logs.
    """

    section: ClassVar[str] = "metrics"

    enabled: bool = True
    host: str = Field(default="127.0.0.1", pattern=r"^[A-Za-z0-9_.:-]{1,253}$")
    port: int = Field(default=9464, ge=0, le=65_535)


class SecurityConfig(Section):
    """``[security]``, environment ``FRAISEQL_SECURITY_*``: exceptions from what destinations are refused.

    Attributes:
        allow_hosts: Hosts, as a URL names them, that may resolve to addresses that are not public; with
            ``host:port`` for one port only. In the environment separated by commas.
    """

    section: ClassVar[str] = "security"

    allow_hosts: Annotated[
        tuple[
            Annotated[str, Field(pattern=r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]{1,253})(:[0-9]{1,5})?$")], ...
        ],
        Field(max_length=1000, strict=False),
    ] = ()


class LogConfig(Section):
    """``[log]``, environment ``FRAISEQL_LOG_*``: what the worker and the command write.

    Attributes:
        level: The least severe level that is written.
        format: ``text``, ``json``, or ``auto``: text on a terminal, JSON elsewhere.
    """

    section: ClassVar[str] = "log"

    level: Literal["debug", "info", "warning", "error", "critical"] = "info"
    format: Literal["auto", "text", "json"] = "auto"


#: The model of each section, by its name in the file.
SECTIONS: dict[str, type[Section]] = {
    model.section: model
    for model in (JobQueueConfig, WorkerConfig, StorageConfig, MetricsConfig, SecurityConfig, LogConfig)
}
