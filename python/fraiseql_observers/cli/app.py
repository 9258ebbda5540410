"""The command as a whole: its sub-commands, and what ends it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from fraiseql_observers.cli import check, dead_letters, erase, explain, jobs, publish, status, worker
from fraiseql_observers.cli.failure import ExitCode, exit_code
from fraiseql_observers.cli.output import Output
from fraiseql_observers.errors import ObserversError

PROGRAM = "fraiseql-observers"

app = typer.Typer(
    name=PROGRAM,
    no_args_is_help=True,
    rich_markup_mode="rich",
    # A traceback with the values of local variables would show what a configuration keeps secret.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("worker")(worker.run_worker)
app.command("publish")(publish.publish)
app.command("explain")(explain.explain)
app.command("status")(status.status)
app.command("erase")(erase.erase)
app.add_typer(jobs.app, name="jobs")
app.add_typer(dead_letters.app, name="dlq")
app.add_typer(check.app, name="config")


def _print_version(wanted: bool) -> None:
    if wanted:
        from fraiseql_observers._core import __version__

        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Show the version.",
        ),
    ] = False,
) -> None:
    """When an entity changes, something happens, for certain: rules, durable jobs and workers.

    Exit codes: 0 done; 1 done in part or refused; 2 bad usage, configuration or server; 3 the queue cannot be
    reached or refuses the login.
    """


def run(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code; every error that is foreseen is told in one message."""
    try:
        app(list(arguments), prog_name=PROGRAM)
    except SystemExit as end:
        return _code(end)
    except ObserversError as error:
        Output().error(str(error))
        return exit_code(error)
    except BrokenPipeError:
        # The reader of our output has left, as `head` does; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.PARTLY
    return ExitCode.DONE


def _code(end: SystemExit) -> int:
    match end.code:
        case None:
            return ExitCode.DONE
        case int(code):
            return code
        case text:
            Output().error(str(text))
            return ExitCode.PARTLY
