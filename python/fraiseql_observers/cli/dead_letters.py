"""``fraiseql-observers dlq``: jobs that will not run by themselves."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from fraiseql_observers.cli.failure import ExitCode
from fraiseql_observers.cli.letter_acts import REMOVING, REPLAYING, act_on_all, act_on_each
from fraiseql_observers.cli.letter_options import (
    ActionType,
    DryRun,
    Error,
    Every,
    Observer,
    Reason,
    Since,
    Text,
    Until,
    Yes,
    chosen_filter,
    ids_or_all,
)
from fraiseql_observers.cli.options import DEFAULT_CONFIG, AsJson, ConfigFile, JobId, Limit, Offset
from fraiseql_observers.cli.output import Output, instant
from fraiseql_observers.cli.session import with_queue
from fraiseql_observers.cli.views import attempts_text, print_job, shortened
from fraiseql_observers.dead_letters import DeadLetterQueue

app = typer.Typer(no_args_is_help=True, help="Look at dead letters, send them back, or delete them.")

COLUMNS = ("id", "died", "reason", "observer", "action", "attempts", "last error")

SomeJobIds = Annotated[
    list[UUID] | None,
    typer.Argument(metavar="[ID...]", help="The ids of jobs.", show_default=False),
]


@app.command("list")
def list_letters(
    observer: Observer = None,
    reason: Reason = None,
    action: ActionType = None,
    error: Error = None,
    text: Text = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    offset: Offset = 0,
    config: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the newest first.

    Example: fraiseql-observers dlq list --observer order_shipped --since 2h --limit 10
    """
    output = Output()
    chosen = chosen_filter(observer, reason, action, error, text, since, until)
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


@app.command("stats")
def stats(
    observer: Observer = None,
    reason: Reason = None,
    action: ActionType = None,
    error: Error = None,
    text: Text = None,
    since: Since = None,
    until: Until = None,
    config: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Count dead letters by reason, rule, action type and error type.

    Example: fraiseql-observers dlq stats --since 24h
    """
    output = Output()
    chosen = chosen_filter(observer, reason, action, error, text, since, until)
    found = with_queue(config, lambda queue, names: DeadLetterQueue(queue, names).stats(chosen))
    groups = {
        "reason": found.by_reason,
        "observer": found.by_observer,
        "action": found.by_action_type,
        "error": found.by_error_type,
    }
    if as_json:
        times = {"oldest_died_at": found.oldest_died_at, "newest_died_at": found.newest_died_at}
        output.json(
            {"total": found.total, **{f"by_{name}": group for name, group in groups.items()}, **times}
        )
        return
    output.pairs(
        [("dead letters", found.total), ("oldest", found.oldest_died_at), ("newest", found.newest_died_at)]
    )
    for name, group in groups.items():
        output.table((name, "dead letters"), list(group.items()), title=f"By {name}")


@app.command("replay")
def replay(
    job_ids: SomeJobIds = None,
    every: Every = False,
    observer: Observer = None,
    reason: Reason = None,
    action: ActionType = None,
    error: Error = None,
    text: Text = None,
    since: Since = None,
    until: Until = None,
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate", min=0.001, metavar="N", help="At most N a second, spread evenly.", show_default=False
        ),
    ] = None,
    dry_run: DryRun = False,
    config: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Send dead letters back, with a fresh attempt budget and the same ids. What was interrupted may be repeated.

    Example: fraiseql-observers dlq replay --all --observer order_shipped --rate 20
    """
    chosen = chosen_filter(observer, reason, action, error, text, since, until)
    ids = ids_or_all(job_ids, every, chosen, rate)
    output = Output()
    if ids is None:
        act_on_all(output, config, REPLAYING, chosen, rate=rate, dry_run=dry_run, as_json=as_json)
    else:
        act_on_each(output, config, REPLAYING, ids, dry_run=dry_run, as_json=as_json)


@app.command("remove")
def remove(
    job_ids: SomeJobIds = None,
    every: Every = False,
    observer: Observer = None,
    reason: Reason = None,
    action: ActionType = None,
    error: Error = None,
    text: Text = None,
    since: Since = None,
    until: Until = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    config: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Delete dead letters for good. With --all it asks first.

    Example: fraiseql-observers dlq remove 0192f3a0-5a0e-7c1e-9c55-3f6f6f0e7a11
    """
    chosen = chosen_filter(observer, reason, action, error, text, since, until)
    ids = ids_or_all(job_ids, every, chosen, None)
    output = Output()
    if ids is None:
        act_on_all(output, config, REMOVING, chosen, asks=not yes, dry_run=dry_run, as_json=as_json)
    else:
        act_on_each(output, config, REMOVING, ids, dry_run=dry_run, as_json=as_json)


@app.command("clear")
def clear(
    observer: Observer = None,
    reason: Reason = None,
    action: ActionType = None,
    error: Error = None,
    text: Text = None,
    since: Since = None,
    until: Until = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    config: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Delete all dead letters for good, or all that the options choose. Asks first.

    Example: fraiseql-observers dlq clear --reason expired
    """
    chosen = chosen_filter(observer, reason, action, error, text, since, until)
    act_on_all(Output(), config, REMOVING, chosen, asks=not yes, dry_run=dry_run, as_json=as_json)
