"""``fraiseql-observers explain``: why does an event concern an observer, or not?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from fraiseql_observers.cli.clean import one_line
from fraiseql_observers.cli.options import DEFAULT_CONFIG, AsJson, ConfigFile, chosen_config
from fraiseql_observers.cli.output import Output
from fraiseql_observers.config import load_config
from fraiseql_observers.errors import EventError
from fraiseql_observers.events import EntityEvent
from fraiseql_observers.observers import EventMatcher

if TYPE_CHECKING:
    from fraiseql_observers._core import RuleExplanation

STDIN: Final = Path("-")
#: What a person looks for first is said in a word, and coloured.
STYLES: Final = {"matched": "green", "condition_error": "red", "condition_false": "yellow"}
#: Rules of other kinds and entities, which are no news.
NOT_ASKED: Final = ("disabled", "other_kind", "other_entity")


def explain(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="EVENT.json", help="One event as JSON; - reads standard input.", show_default=False
        ),
    ],
    config: ConfigFile = DEFAULT_CONFIG,
    observers: Annotated[
        list[str] | None,
        typer.Option("--observer", "-o", metavar="NAME", help="Explain this observer only; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell for each observer why it hears of an event or does not: what each part of its condition saw.

    Nothing is stored, no queue is needed and no secret read. The event's values are printed.

    Example: fraiseql-observers explain event.json --config observers.toml
    """
    output = Output()
    settings = load_config(chosen_config(config))
    unknown = [name for name in observers or () if name not in settings.observers]
    if unknown:
        known = ", ".join(settings.observers) or "none"
        raise typer.BadParameter(f"there is no observer {', '.join(unknown)}; there are: {known}")
    event = _read(file, settings.storage.max_payload_bytes)
    rules = [
        rule
        for rule in EventMatcher.build(settings.observers).explain(event)
        if not observers or rule.name in observers
    ]
    if as_json:
        output.json(_document(event, rules))
    else:
        _print(output, event, rules)


def _read(file: Path, max_bytes: int) -> EntityEvent:
    """Read one event.

    Raises:
        EventError: If the file holds anything else.
    """
    try:
        if file == STDIN:
            content = sys.stdin.buffer.read(max_bytes + 1)
        else:
            with file.open("rb") as stream:
                content = stream.read(max_bytes + 1)
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}") from None
    try:
        return EntityEvent.from_json(content, max_bytes)
    except EventError as error:
        first, *others = content.strip().split(b"\n")
        if others and _is_event(first):
            raise EventError("event: more than one; explain them one by one, a line each") from error
        raise


def _is_event(line: bytes) -> bool:
    try:
        EntityEvent.from_json(line, max(len(line), 1))
    except EventError:
        return False
    return True


def _document(event: EntityEvent, rules: Sequence[RuleExplanation]) -> dict[str, object]:
    return {
        "event": {
            "id": str(event.id),
            "event_type": event.event_type.value,
            "entity_type": event.entity_type,
            "entity_id": str(event.entity_id),
        },
        "matched": [rule.name for rule in rules if rule.matched],
        "observers": [rule.to_dict() for rule in rules],
    }


def _print(output: Output, event: EntityEvent, rules: Sequence[RuleExplanation]) -> None:
    matched = sum(rule.matched for rule in rules)
    subject = one_line(f"{event.event_type.value} {event.entity_type} {event.entity_id}")
    output.text(f"{subject}: {matched} of {len(rules)} observers match", "bold")
    for rule in rules:
        if rule.verdict not in NOT_ASKED:
            # A value may hold anything, and a terminal obeys what it is shown.
            head, *details = map(one_line, str(rule).split("\n"))
            output.text("")
            output.text(head, STYLES.get(rule.verdict, ""))
            for line in details:
                output.text(line)
    others = [rule for rule in rules if rule.verdict in NOT_ASKED]
    if others:
        output.text("")
        for rule in others:
            output.text(one_line(f"{rule.name} {rule.reason}"), "dim")
