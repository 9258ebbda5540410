"""``fraiseql-observers config check``: is a file right, and what does it say?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fraiseql_observers.cli.failure import ExitCode
from fraiseql_observers.cli.options import CONFIG_VARIABLE, DEFAULT_CONFIG, AsJson
from fraiseql_observers.cli.output import Output
from fraiseql_observers.config import Config, load_config
from fraiseql_observers.errors import ConfigError

app = typer.Typer(no_args_is_help=True, help="Look at a configuration.")


@app.command("check")
def check(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", envvar=CONFIG_VARIABLE, help="The configuration."
        ),
    ] = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Print every mistake of a file, or what it says. Secrets are read, and never shown.

    Example: fraiseql-observers config check observers.toml
    """
    output = Output()
