"""Loading a configuration: file, environment and defaults become one checked `Config`, or one error."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from fraiseql_observers.config.advice import conflicts_between, warnings_about
from fraiseql_observers.config.environment import environment_values, from_environment, stray_variables
from fraiseql_observers.config.sections import (
    SECTIONS,
    JobQueueConfig,
    LogConfig,
    MetricsConfig,
    Section,
    SecurityConfig,
    StorageConfig,
    WorkerConfig,
)
from fraiseql_observers.config.source import Source, read_source
from fraiseql_observers.config.tls import tls_problems
from fraiseql_observers.definition import ObserverDefinition, check_observer_name
from fraiseql_observers.errors import ConfigError
from fraiseql_observers.problems import Problem, ProblemKind, error_for, nearest_name
from fraiseql_observers.settings import Settings, found_text

__all__ = ["Config", "load_config"]

_S = TypeVar("_S", bound=Section)

#: Tables that a later version reads.
_LATER_TABLES = ("email", "cache", "alerts")


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that was configured.

    Attributes:
        job_queue: Where jobs are kept and how they are retried.
        worker: How worker processes run.
        storage: Names, bounds and durability of what is kept.
        metrics: The worker's metrics page.
        security: Exceptions from what destinations are refused.
        log: What is written.
        observers: The observers by name, in order of their definition.
        path: The file, or ``None`` for a configuration made in code.
        warnings: What is allowed and yet probably not meant, one sentence each.
    """

    job_queue: JobQueueConfig = field(default_factory=JobQueueConfig)
    worker: WorkerConfig = field(default_factory=WorkerConfig)
    storage: StorageConfig = field(default_factory=StorageConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    security: SecurityConfig = field(default_factory=SecurityConfig)
    log: LogConfig = field(default_factory=LogConfig)
    observers: Mapping[str, ObserverDefinition] = field(default_factory=dict)
    path: Path | None = None
    warnings: tuple[str, ...] = ()

    @property
    def folder(self) -> Path | None:
        """The folder of the file: where handlers are imported from and relative paths start."""
        return self.path.resolve().parent if self.path else None


def load_config(path: str | os.PathLike[str], *, environment: Mapping[str, str] | None = None) -> Config:
    """Load a TOML file and check all of it.

    Conditions are parsed, actions checked and templates compiled; secrets given by ``*_env`` or ``*_file`` are not
    looked at, so that a producer needs none of them.

    Args:
        path: The file.
        environment: Variables that beat the file, by default those of this process.

    Raises:
        ConfigError: With every mistake: its file and line or its variable, its key, what was found and what is
            allowed. `UnsupportedAction` if all there is wrong are actions that this version does not run.
    """
    variables = os.environ if environment is None else environment
    source = read_source(Path(path))
    reader = _Reader(source, variables)
    config = Config(
        job_queue=reader.section(JobQueueConfig),
        worker=reader.section(WorkerConfig),
        storage=reader.section(StorageConfig),
        metrics=reader.section(MetricsConfig),
        security=reader.section(SecurityConfig),
        log=reader.section(LogConfig),
        observers=reader.observers(),
        path=Path(path),
    )
    reader.unknown_tables()
    if not reader.has_failed("job_queue"):
        reader.report(list(tls_problems(config.job_queue, config.folder)))
    raw_observers = source.tables.get("observers")
    if isinstance(raw_observers, dict):
        reader.report(conflicts_between(raw_observers, config, reader.has_failed))
    if reader.problems:
        raise error_for(sorted(reader.problems, key=lambda p: p.line or 0), source.name)
    stray = stray_variables(variables, "job_queue", JobQueueConfig)
    return replace(config, warnings=(*stray, *warnings_about(config)))


class _Reader:
    """Reads one file and gathers its mistakes; what is wrong reads as the default meanwhile."""

    def __init__(self, source: Source, variables: Mapping[str, str]) -> None:
        self._source = source
        self._variables = variables
        self.problems: list[Problem] = []

    def has_failed(self, *path: str | int) -> bool:
        """Say whether a mistake was found at `path` or around it."""
        return any(problem.path == path[: len(problem.path)] for problem in self.problems)

    def report(self, problems: list[Problem]) -> None:
        """Add mistakes, each with its line unless it came from the environment."""
        self.problems.extend(p if p.source else self._source.place(p) for p in problems)

    def section(self, model: type[_S]) -> _S:
        """Return one section: the environment's values over the file's over the defaults."""
        name = model.section
        table = self._table(name)
        wrong: set[str] = set()
        # The file is checked by itself first, so that a mistake in it shows also where a variable hides the value.
        file_problems = [p for p in _problems_of(model, table) if p.kind is not ProblemKind.CONFLICT]
        self.report([problem.under(name) for problem in file_problems])
        wrong.update(str(problem.path[0]) for problem in file_problems)
        given, problems = environment_values(name, model, self._variables)
        self.report(problems)
        values = {key: value for key, value in table.items() if key not in wrong} | given
        problems = _problems_of(model, values)
        self.report([from_environment(problem, name, given) for problem in problems])
        wrong.update(str(problem.path[0]) for problem in problems)
        if any(problem.kind is ProblemKind.CONFLICT for problem in problems):
            return model()
        return model(**{key: value for key, value in values.items() if key not in wrong})

    def observers(self) -> dict[str, ObserverDefinition]:
        """Return the observers that are right."""
        observers: dict[str, ObserverDefinition] = {}
        for name, raw in self._table("observers").items():
            problem = check_observer_name(name)
            if problem:
                self.report([problem.under("observers", name)])
            if not isinstance(raw, Mapping):
                message = (
                    f"{found_text(raw)} is no table; allowed: a table with event_type, entity and actions"
                )
                self.report([Problem(ProblemKind.TYPE, ("observers", name), message)])
                continue
            try:
                observers[name] = ObserverDefinition.from_mapping(raw)
            except ConfigError as error:
                self.report([problem.under("observers", name) for problem in error.problems])
        return observers

    def unknown_tables(self) -> None:
        """Report what stands at the top of the file and is no section."""
        known = [*SECTIONS, "observers"]
        for name in self._source.tables:
            if name in _LATER_TABLES:
                message = f"[{name}] is not supported by this version"
                self.report([Problem(ProblemKind.UNSUPPORTED, (name,), message)])
            elif name not in known:
                near = nearest_name(name, known)
                hint = f"did you mean {near}?" if near else f"known: {', '.join(known)}"
                self.report([Problem(ProblemKind.UNKNOWN_KEY, (name,), f"unknown table; {hint}")])

    def _table(self, name: str) -> dict[str, Any]:
        table = self._source.tables.get(name, {})
        if isinstance(table, dict):
            return table
        self.report(
            [Problem(ProblemKind.TYPE, (name,), f"{found_text(table)} is no table; allowed: [{name}]")]
        )
        return {}


def _problems_of(model: Callable[..., Settings], values: Mapping[str, Any]) -> list[Problem]:
    try:
        model(**values)
    except ConfigError as error:
        return list(error.problems)
    return []
