"""The options that every command shares."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from fraiseql_observers.errors import ConfigError

#: Where the configuration is when nothing names it.
DEFAULT_CONFIG = Path("observers.toml")
CONFIG_VARIABLE = "FRAISEQL_OBSERVERS_CONFIG"

ConfigFile = Annotated[
    Path,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        envvar=CONFIG_VARIABLE,
        help="The configuration.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Offset = Annotated[int, typer.Option("--offset", min=0, metavar="N", help="Leave out the first N.")]
Limit = Annotated[
    int,
    typer.Option("--limit", "-n", min=1, max=10_000, metavar="N", help="Show at most N."),
]
JobId = Annotated[UUID, typer.Argument(metavar="ID", help="The id of a job.", show_default=False)]
JobIds = Annotated[
    list[UUID],
    typer.Argument(metavar="ID...", help="The ids of jobs.", show_default=False),
]


def chosen_config(file: Path) -> Path:
    """Return the file as it was chosen, or say how to choose one where the default is not there.

    Raises:
        ConfigError: If nothing names a file and there is no ``observers.toml`` here.
    """
    if file == DEFAULT_CONFIG and not file.exists():
        raise ConfigError(
            f"no configuration: there is no {DEFAULT_CONFIG} here; name one by --config or {CONFIG_VARIABLE}"
        )
    return file
