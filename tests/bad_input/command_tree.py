"""Every command there is, read from the program itself, so that a new one is tried without a new test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import typer

from fraiseql_observers.cli.app import app

ID = "0192f3a0-5a0e-7c1e-9c55-3f6f6f0e7a11"
#: What stands for each positional argument in a command line that is right; FILE and EVENT are files of the test.
_ARGUMENTS = {"file": "FILE", "job_id": ID, "job_ids": ID}


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        words: Its name, with that of its group.
        arguments: What it needs besides its configuration, to be right.
        flags: Its options that take no value.
        options: Its options that take one.
    """

    words: tuple[str, ...]
    arguments: tuple[str, ...]
    flags: tuple[str, ...]
    options: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(self.words)


#: typer brings its own copy of click, whose classes have no public name.
def _walk(node: Any, words: tuple[str, ...]) -> Iterator[Command]:
    if inner := getattr(node, "commands", None):
        for name, command in inner.items():
            yield from _walk(command, (*words, name))
        return
    given = [p for p in node.params if p.param_type_name == "argument"]
    options = [p for p in node.params if p.param_type_name == "option"]
    yield Command(
        words,
        tuple(_ARGUMENTS.get(p.name, "x") for p in given),
        tuple(p.opts[0] for p in options if p.is_flag),
        tuple(p.opts[0] for p in options if not p.is_flag),
    )


COMMANDS = tuple(_walk(typer.main.get_command(app), ()))
#: Those that speak to the queue.
WITH_QUEUE = tuple(c for c in COMMANDS if c.words[0] not in {"config", "explain", "worker"})


def right(command: Command, config: str, file: str) -> list[str]:
    """Return a command line in which nothing is wrong."""
    arguments = [file if word == "FILE" else word for word in command.arguments]
    if str(command) == "config check":
        return [*command.words, config]
    yes = ["--yes"] if "--yes" in command.flags else []
    chosen = ["--tenant", "t"] if str(command) == "erase" else []
    return [*command.words, *arguments, *chosen, *yes, "--config", config]
