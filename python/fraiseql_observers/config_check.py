"""Whether a worker would start with a configuration: its form, its secrets, its handlers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from fraiseql_observers.actions.registry import build_actions
from fraiseql_observers.config import Config, load_config
from fraiseql_observers.config.source import read_source
from fraiseql_observers.errors import ConfigError
from fraiseql_observers.problems import Problem


@dataclass(frozen=True, slots=True)
class ConfigCheck:
    """What was found.

    Attributes:
        config: What the file and the environment say, or ``None`` where that cannot be read.
        problems: Every mistake.
    """

    config: Config | None
    problems: tuple[Problem, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed and yet probably not meant, one sentence each."""
        return self.config.warnings if self.config is not None else ()


def check_config(file: Path) -> ConfigCheck:
    """Do with a file what a worker does before it connects, and report instead of raising.

    Secrets are read and handlers imported, so run this where the worker will run.
    """
    try:
        config = load_config(file)
    except ConfigError as error:
        return ConfigCheck(None, tuple(error.problems))
    try:
        registry = build_actions(config)
    except ConfigError as error:
        source = read_source(file)
        return ConfigCheck(config, tuple(source.place(problem) for problem in error.problems))
    asyncio.run(registry.aclose())
    return ConfigCheck(config, ())
