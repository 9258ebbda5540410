"""``fraiseql-observers erase``: forget an entity, a tenant or a user."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from fraiseql_observers._core import RedisQueue
from fraiseql_observers.assembly import spool_directory
from fraiseql_observers.cli.failure import ExitCode
from fraiseql_observers.cli.options import DEFAULT_CONFIG, AsJson, ConfigFile, chosen_config
from fraiseql_observers.cli.output import Output
from fraiseql_observers.cli.session import with_queue
from fraiseql_observers.config import load_config
from fraiseql_observers.erasure import DirectorySpool, Erasure, Subject
from fraiseql_observers.inspector import Inspector


def _entity(text: str | Subject) -> Subject:
    """Read ``TYPE:ID``; a type may have colons of its own.

    Raises:
        BadParameter: If it is not of that form.
    """
    if isinstance(text, Subject):
        return text
    entity_type, _, entity_id = text.rpartition(":")
    try:
        return Subject.entity(entity_type, UUID(entity_id))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not TYPE:ID, with a UUID as the id") from None


def erase(
    entity: Annotated[
        Subject | None,
        typer.Option(
            "--entity",
            parser=_entity,
            metavar="TYPE:ID",
            help="The events about this entity.",
            show_default=False,
        ),
    ] = None,
    tenant: Annotated[
        str | None,
        typer.Option("--tenant", metavar="ID", help="The events of this tenant.", show_default=False),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(
            "--user", metavar="ID", help="The events of this user, or for this user.", show_default=False
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; say what there is.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Erase what the queue holds of an entity, a tenant or a user, in whatever state. Asks for the id to be typed.

    Jobs that have not run will not. Ids of jobs stay for a while, without data.

    Example: fraiseql-observers erase --tenant acme --dry-run
    """
    subject = _only_one(entity, tenant, user)
    output = Output()
    if not dry_run and not yes:
        _confirm(output, config, subject)
    erasure = _erase(config, subject, dry_run=dry_run)
    if as_json:
        output.json(erasure.to_dict())
    else:
        _print(output, erasure)
    if not erasure.is_complete:
        raise typer.Exit(ExitCode.PARTLY)


def _only_one(entity: Subject | None, tenant: str | None, user: str | None) -> Subject:
    subjects = [
        *([entity] if entity is not None else []),
        *([Subject.tenant(tenant)] if tenant else []),
        *([Subject.user(user)] if user else []),
    ]
    if len(subjects) != 1:
        raise typer.BadParameter("give one of --entity TYPE:ID, --tenant ID and --user ID")
    return subjects[0]


def _erase(config: Path, subject: Subject, *, dry_run: bool) -> Erasure:
    directory = spool_directory(load_config(chosen_config(config)))
    spools = [] if directory is None else [DirectorySpool(directory)]

    async def run(queue: RedisQueue, names: Sequence[str]) -> Erasure:
        return await Inspector(queue, names).erase(subject, dry_run=dry_run, spools=spools)

    return with_queue(config, run)


def _confirm(output: Output, config: Path, subject: Subject) -> None:
    """Show what would go, and let a person type whose it is; where there is no person, refuse."""
    if not sys.stdin.isatty():
        raise typer.BadParameter("erases for good and cannot ask without a terminal; add --yes")
    found = _erase(config, subject, dry_run=True)
    output.note(f"{found.total} jobs and records of the {subject.kind} {subject} would be erased for good")
    typed = typer.prompt(f"Type {subject} to go on", err=True)
    if typed != str(subject):
        output.error("that is something else; nothing was erased")
        raise typer.Exit(ExitCode.PARTLY)


def _print(output: Output, erasure: Erasure) -> None:
    rows: list[tuple[str, int]] = [*erasure.jobs.items()]
    rows += [("records of finished jobs", erasure.records)] if erasure.records else []
    rows += [("spooled", erasure.spooled)] if erasure.spooled else []
    output.table(("place", "found" if erasure.dry_run else "erased"), rows)
    if not erasure.total:
        output.note(f"nothing of the {erasure.subject.kind} {erasure.subject}")
    if erasure.may_have_acted:
        verb = "are running: they" if erasure.dry_run else "were running: they"
        output.warning(
            f"{len(erasure.may_have_acted)} {verb} may have acted, or act before their worker hears"
        )
        for job_id in erasure.may_have_acted:
            output.note(f"  {job_id}")
    if not erasure.is_complete:
        output.error(f"new jobs came in all the time; after {erasure.passes} walks some may be left")
