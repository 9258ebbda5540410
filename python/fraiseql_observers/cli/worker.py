"""``fraiseql-observers worker``: the same worker as ``python -m fraiseql_observers.worker``."""

from __future__ import annotations

from typing import Annotated

import typer

from fraiseql_observers.cli.options import DEFAULT_CONFIG, ConfigFile, chosen_config


def run_worker(
    config: ConfigFile = DEFAULT_CONFIG,
    processes: Annotated[
        int | None,
        typer.Option(
            "--processes",
            min=1,
            max=64,
            metavar="N",
            help=r"Worker processes, instead of \[worker] processes.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run the jobs of the observers in a file, until told to stop.

    One Ctrl-C finishes what runs, a second one gives it back unfinished.

    Example: fraiseql-observers worker --config observers.toml --processes 4
    """
    from fraiseql_observers.worker.__main__ import main

    arguments = ["--config", str(chosen_config(config))]
    if processes is not None:
        arguments += ["--processes", str(processes)]
    raise typer.Exit(main(arguments))
