"""The options by which dead letters are chosen, the same for every command about them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer

from fraiseql_observers.cli.moments import moment
from fraiseql_observers.dead_letter_filter import DeadLetterFilter, DeathReason, ErrorType

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
Error = Annotated[
    ErrorType | None,
    typer.Option("--error", help="Only where the last attempt failed like this.", show_default=False),
]
Text = Annotated[
    str | None,
    typer.Option("--text", metavar="TEXT", help="Only where the last error says this.", show_default=False),
]
Since = Annotated[
    datetime | None,
    typer.Option(
        "--since",
        parser=moment,
        metavar="WHEN",
        help="Only what died then or later: 2026-11-24T10:00:00Z, 2026-11-24, or 36h ago.",
        show_default=False,
    ),
]
Until = Annotated[
    datetime | None,
    typer.Option(
        "--until", parser=moment, metavar="WHEN", help="Only what died before then.", show_default=False
    ),
]
Every = Annotated[bool, typer.Option("--all", help="All of them, or all that the options choose.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Change nothing; say what would be done.")]


def chosen_filter(
    observer: str | None,
    reason: DeathReason | None,
    action_type: str | None,
    error_type: ErrorType | None,
    text: str | None,
    since: datetime | None,
    until: datetime | None,
) -> DeadLetterFilter | None:
    """Put the options together; ``None`` where none was given.

    Raises:
        BadParameter: If no letter could ever have died between the times.
    """
    try:
        chosen = DeadLetterFilter(
            observer=observer,
            reason=reason,
            action_type=action_type,
            error_type=error_type,
            text=text,
            since=since,
            until=until,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return None if chosen == DeadLetterFilter() else chosen


def ids_or_all(
    job_ids: Sequence[UUID] | None, every: bool, chosen: DeadLetterFilter | None, rate: float | None
) -> Sequence[UUID] | None:
    """Return the ids that were named, or ``None`` for all letters that are chosen.

    Raises:
        BadParameter: If it is not clear which letters are meant.
    """
    if bool(job_ids) == every:
        raise typer.BadParameter("give the ids of jobs, or --all")
    if not every and (chosen or rate):
        raise typer.BadParameter("what chooses letters, and --rate, belong to --all")
    return None if every else job_ids
