"""Sending back or deleting dead letters: asking first, showing how far it is, saying what was done."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import typer

from fraiseql_observers._core import RedisQueue
from fraiseql_observers.cli.failure import ExitCode
from fraiseql_observers.cli.output import Output
from fraiseql_observers.cli.progress import CountProgress
from fraiseql_observers.cli.session import with_queue
from fraiseql_observers.dead_letters import DeadLetterFilter, DeadLetterQueue


class LetterAct(NamedTuple):
    """Something that is done to dead letters: its word, and how it is done to one and to many."""

    done: str
    one: Callable[[DeadLetterQueue, UUID], Awaitable[bool]]
    many: Callable[
        [DeadLetterQueue, DeadLetterFilter | None, float | None, Callable[[int], None]], Awaitable[int]
    ]


REPLAYING = LetterAct(
    "replayed",
    DeadLetterQueue.replay,
    lambda letters, chosen, rate, tell: letters.replay_all(chosen, rate, on_progress=tell),
)
REMOVING = LetterAct(
    "removed",
    DeadLetterQueue.remove,
    lambda letters, chosen, _, tell: letters.clear(chosen, on_progress=tell),
)


def act_on_all(
    output: Output,
    config: Path,
    act: LetterAct,
    chosen: DeadLetterFilter | None,
    *,
    rate: float | None = None,
    asks: bool = False,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Act on every letter that is chosen; asked for, ask a person first."""
    if dry_run:
        count = with_queue(config, lambda queue, names: DeadLetterQueue(queue, names).count(chosen))
        if as_json:
            output.json({f"would_be_{act.done}": count})
        else:
            output.text(f"{_letters(count)} would be {act.done}")
        return
    if asks:
        _confirm(config, chosen)

    async def act_on_chosen(queue: RedisQueue, names: Sequence[str]) -> int:
        letters = DeadLetterQueue(queue, names)
        total = await letters.count(chosen)
        with CountProgress(output, act.done, total) as progress:
            return await act.many(letters, chosen, rate, progress.update)

    count = with_queue(config, act_on_chosen)
    if as_json:
        output.json({act.done: count})
    else:
        output.text(f"{act.done} {_letters(count)}")


def act_on_each(
    output: Output, config: Path, act: LetterAct, job_ids: Sequence[UUID], *, dry_run: bool, as_json: bool
) -> None:
    """Act on the letters with these ids, and say for each whether it was done."""

    async def act_on_one_by_one(queue: RedisQueue, names: Sequence[str]) -> list[bool]:
        letters = DeadLetterQueue(queue, names)
        if dry_run:
            return [await letters.get(job_id) is not None for job_id in job_ids]
        return [await act.one(letters, job_id) for job_id in job_ids]

    answers = list(zip(job_ids, with_queue(config, act_on_one_by_one), strict=True))
    would_be = "would_be_" if dry_run else ""
    done = f"would be {act.done}" if dry_run else act.done
    if as_json:
        output.json([{"id": job_id, f"{would_be}{act.done}": answer} for job_id, answer in answers])
    else:
        for job_id, answer in answers:
            output.text(f"{job_id}: {done if answer else f'not {act.done}, since it is no dead letter'}")
    if not all(answer for _, answer in answers):
        raise typer.Exit(ExitCode.PARTLY)


def _confirm(config: Path, chosen: DeadLetterFilter | None) -> None:
    """Ask a person; where there is none, refuse."""
    if not sys.stdin.isatty():
        raise typer.BadParameter("deletes for good and cannot ask without a terminal; add --yes")
    count = with_queue(config, lambda queue, names: DeadLetterQueue(queue, names).count(chosen))
    typer.confirm(f"Delete {_letters(count)} for good?", abort=True, err=True)


def _letters(count: int) -> str:
    return f"{count} dead letter" if count == 1 else f"{count} dead letters"
