"""Whether a configuration would do: its form, and whether the secrets that it names are there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fraiseql_observers.config import Config, load_config
from fraiseql_observers.errors import ConfigError
from fraiseql_observers.problems import Problem


@dataclass(frozen=True, slots=True)
class ConfigCheck:
    """What was found.

    Attributes:
        config: What the file and the environment say, or ``None`` where there are mistakes.
        problems: Every mistake.
    """

    config: Config | None
    problems: tuple[Problem, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed and yet probably not meant, one sentence each."""
        return self.config.warnings if self.config is not None else ()


def check_config(file: Path) -> ConfigCheck:
    """Load a file as a worker does, secrets included, and report instead of raising."""
    try:
        config = load_config(file)
    except ConfigError as error:
        return ConfigCheck(None, tuple(error.problems))
    return ConfigCheck(config, ())
