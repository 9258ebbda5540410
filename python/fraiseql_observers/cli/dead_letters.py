"""``fraiseql-observers dlq``: jobs that will not run by themselves."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from fraiseql_observers._core import RedisQueue
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
from fraiseql_observers.cli.output import Output, instant
from fraiseql_observers.cli.session import with_queue
from fraiseql_observers.cli.views import attempts_text, print_job, shortened
from fraiseql_observers.dead_letters import (
    DeadLetterFilter,
    DeadLetterQueue,
    DeathReason,
)

app = typer.Typer(no_args_is_help=True, help="Look at dead letters, send them back, or delete them.")

COLUMNS = ("id", "died", "reason", "observer", "action", "attempts", "last error")

Observer = Annotated[
    str | None,
    typer.Option("--observer", metavar="NAME", help="Only of this rule.", show_default=False),
]
Reason = Annotated[
    DeathReason | None,
    typer.Option("--reason", help="Only what died for this.", show_default=False),
]
ActionType = Annotated[
    str | None,
    typer.Option("--action", metavar="TYPE", help="Only of this action type.", show_default=False),
]


@app.command("list")
def list_letters(
    observer: Observer = None,
    reason: Reason = None,
    action: ActionType = None,
    limit: Limit = 50,
    offset: Offset = 0,
    config: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the newest first.

    Example: fraiseql-observers dlq list --observer order_shipped --limit 10
    """
    output = Output()
    chosen = _filter(observer, reason, action)
    letters = with_queue(
        config,
        lambda queue, names: DeadLetterQueue(queue, names).list(offset=offset, limit=limit, filter=chosen),
    )
    if as_json:
        output.json([letter.to_dict() for letter in letters])
        return
    output.table(
        COLUMNS,
        [
            (
                letter.id,
                instant(letter.died_at),
                letter.reason,
                letter.observer,
                letter.job and letter.job.action_type,
                attempts_text(letter),
                shortened(letter.last_error),
            )
            for letter in letters
        ],
    )
    if not letters:
        output.note("no dead letters" + (" like this" if chosen or offset else ""))


@app.command("show")
def show(job_id: JobId, config: ConfigFile = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Show one dead letter: why it died, every attempt, its event.

    Example: fraiseql-observers dlq show 0192f3a0-5a0e-7c1e-9c55-3f6f6f0e7a11
    """
    output = Output()
    letter = with_queue(config, lambda queue, names: DeadLetterQueue(queue, names).get(job_id))
    if letter is None:
        output.error(f"{job_id}: no such dead letter; `jobs show` looks for it elsewhere")
        raise typer.Exit(ExitCode.PARTLY)
    if as_json:
        output.json(letter.to_dict())
    else:
        print_job(output, letter)


@app.command("replay")
def replay(
    job_ids: Annotated[
        list[UUID] | None,
        typer.Argument(metavar="[ID...]", help="The ids of jobs.", show_default=False),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="All of them, or all that the options choose.")
    ] = False,
    observer: Observer = None,
    reason: Reason = None,
    action: ActionType = None,
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate",
            min=0.001,
            metavar="N",
            help="With --all: at most N a second.",
            show_default=False,
        ),
    ] = None,
    config: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Send dead letters back, with a fresh attempt budget and the same ids.

    Example: fraiseql-observers dlq replay --all --observer order_shipped --rate 20
    """
    chosen = _filter(observer, reason, action)
    if bool(job_ids) == every:
        raise typer.BadParameter("give the ids of jobs, or --all")
    if not every and (chosen or rate):
        raise typer.BadParameter("--observer, --reason, --action and --rate belong to --all")
    output = Output()
    if every:
        count = with_queue(
            config, lambda queue, names: DeadLetterQueue(queue, names).replay_all(chosen, rate)
        )
        _print_count(output, "replayed", count, as_json=as_json)
    else:
        _act_on_each(
            output,
            config,
            job_ids or [],
            DeadLetterQueue.replay,
            "replayed",
            as_json=as_json,
        )


@app.command("remove")
def remove(job_ids: JobIds, config: ConfigFile = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Delete dead letters for good.

    Example: fraiseql-observers dlq remove 0192f3a0-5a0e-7c1e-9c55-3f6f6f0e7a11
    """
    _act_on_each(Output(), config, job_ids, DeadLetterQueue.remove, "removed", as_json=as_json)


@app.command("clear")
def clear(
    observer: Observer = None,
    reason: Reason = None,
    action: ActionType = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Delete all dead letters for good, or all that the options choose. Asks first.

    Example: fraiseql-observers dlq clear --reason expired
    """
    output = Output()
    chosen = _filter(observer, reason, action)
    if not yes:
        _confirm(config, chosen)
    count = with_queue(config, lambda queue, names: DeadLetterQueue(queue, names).clear(chosen))
    _print_count(output, "removed", count, as_json=as_json)


def _filter(
    observer: str | None, reason: DeathReason | None, action_type: str | None
) -> DeadLetterFilter | None:
    if observer is None and reason is None and action_type is None:
        return None
    return DeadLetterFilter(observer=observer, reason=reason, action_type=action_type)


def _confirm(config: Path, chosen: DeadLetterFilter | None) -> None:
    """Ask a person; where there is none, refuse."""
    if not sys.stdin.isatty():
        raise typer.BadParameter("deletes for good and cannot ask without a terminal; add --yes")
    count = with_queue(config, lambda queue, names: DeadLetterQueue(queue, names).count(chosen))
    noun = "dead letter" if count == 1 else "dead letters"
    typer.confirm(f"Delete {count} {noun} for good?", abort=True, err=True)


def _print_count(output: Output, done: str, count: int, *, as_json: bool) -> None:
    if as_json:
        output.json({done: count})
    else:
        output.text(f"{done} {count} {'dead letter' if count == 1 else 'dead letters'}")


def _act_on_each(
    output: Output,
    config: Path,
    job_ids: Sequence[UUID],
    act: Callable[[DeadLetterQueue, UUID], Awaitable[bool]],
    done: str,
    *,
    as_json: bool,
) -> None:
    async def act_on_each(queue: RedisQueue, names: Sequence[str]) -> list[bool]:
        letters = DeadLetterQueue(queue, names)
        return [await act(letters, job_id) for job_id in job_ids]

    answers = with_queue(config, act_on_each)
    if as_json:
        output.json([{"id": job_id, done: answer} for job_id, answer in zip(job_ids, answers, strict=True)])
    else:
        for job_id, answer in zip(job_ids, answers, strict=True):
            output.text(f"{job_id}: {done if answer else f'not {done}, since it is no dead letter'}")
    if not all(answers):
        raise typer.Exit(ExitCode.PARTLY)
