"""``fraiseql-observers jobs``: where is a job, which are waiting, and do not run this one."""

from __future__ import annotations

from typing import Annotated

import typer

from fraiseql_observers.cli.failure import ExitCode
from fraiseql_observers.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigFile,
    JobId,
    JobIds,
    Limit,
    Offset,
)
from fraiseql_observers.cli.output import Output
from fraiseql_observers.cli.session import with_queue
from fraiseql_observers.cli.views import job_row, print_job
from fraiseql_observers.inspector import Inspector, JobState

app = typer.Typer(no_args_is_help=True, help="Look at jobs, or cancel them.")

COLUMNS = ("id", "observer", "action", "queue", "attempt", "due", "last error")


@app.command("show")
def show(job_id: JobId, config: ConfigFile = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Show one job in whatever state it is: its rule, its event, every attempt.

    Example: fraiseql-observers jobs show 0192f3a0-5a0e-7c1e-9c55-3f6f6f0e7a11
    """
    output = Output()
    view = with_queue(config, lambda queue, names: Inspector(queue, names).job(job_id))
    if view is None:
        output.error(f"{job_id}: the queue does not know this job (any more)")
        raise typer.Exit(ExitCode.PARTLY)
    if as_json:
        output.json(view.to_dict())
    else:
        print_job(output, view)


@app.command("list")
def list_jobs(
    state: Annotated[
        JobState,
        typer.Option("--state", "-s", help="Which jobs; each is in exactly one state."),
    ] = JobState.PENDING,
    queue: Annotated[
        str | None,
        typer.Option(
            "--queue",
            "-q",
            metavar="NAME",
            help="Only of this queue.",
            show_default=False,
        ),
    ] = None,
    limit: Limit = 50,
    offset: Offset = 0,
    config: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """List the jobs of one state.

    Example: fraiseql-observers jobs list --state scheduled --limit 10
    """
    output = Output()
    views = with_queue(
        config,
        lambda stored, names: Inspector(stored, names).jobs(state, queue=queue, offset=offset, limit=limit),
    )
    if as_json:
        output.json([view.to_dict() for view in views])
        return
    output.table(COLUMNS, [job_row(view) for view in views])
    if not views:
        output.note(f"no {state} jobs" + (f" after the first {offset}" if offset else ""))


@app.command("cancel")
def cancel(job_ids: JobIds, config: ConfigFile = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Keep jobs from running. One that runs at this moment may have acted already; the answer says so.

    Example: fraiseql-observers jobs cancel 0192f3a0-5a0e-7c1e-9c55-3f6f6f0e7a11
    """
    output = Output()
    answers = with_queue(config, lambda queue, names: Inspector(queue, names).cancel(job_ids))
    if as_json:
        output.json(
            [
                {
                    "id": answer.job_id,
                    "cancelled": answer.is_cancelled,
                    "found_state": answer.found_state,
                }
                for answer in answers
            ]
        )
    else:
        for answer in answers:
            output.text(f"{answer.job_id}: {answer}")
    if not all(answer.is_cancelled for answer in answers):
        raise typer.Exit(ExitCode.PARTLY)
