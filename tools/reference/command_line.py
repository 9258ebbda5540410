"""The page about the operator command, from the command itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer

from fraiseql_observers.cli.app import PROGRAM, app
from tools.reference.markdown import prose, table

#: A command, group or parameter: typer brings its own copy of click, whose classes have no public name.
_Click = Any

_EXAMPLE = re.compile(r"^Example: (.*)$")


def page() -> str:
    """Write the page."""
    command = typer.main.get_command(app)
    about, *further = _paragraphs(command)
    introduction = (
        f"# Command line\n\n{about}\n\n`{PROGRAM}` comes with the extra `cli`; `python -m fraiseql_observers` is the "
        f"same.\n\n" + "\n\n".join(further) + "\n"
    )
    return "\n".join([introduction, *_sections(PROGRAM, command)])


def _sections(path: str, command: _Click) -> Iterator[str]:
    inner = getattr(command, "commands", None)
    if inner is not None:
        for name, sub_command in inner.items():
            yield from _sections(f"{path} {name}", sub_command)
        return
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = " ".join([path, "[OPTIONS]", *(_metavar(argument) for argument in arguments)])
    rows = [_row(parameter) for parameter in command.params]
    about = "\n\n".join(_paragraphs(command))
    yield f"## {path}\n\n```text\n{usage}\n```\n\n{about}\n\n{table(['option', 'default', 'meaning'], rows)}"


def _paragraphs(command: _Click) -> list[str]:
    paragraphs = [_plain(paragraph.replace("\b\n", "")) for paragraph in (command.help or "").split("\n\n")]
    return [_EXAMPLE.sub(r"Example: `\1`", paragraph) for paragraph in paragraphs]


def _plain(text: str) -> str:
    """Take out what rich reads as its own marks."""
    return prose(text).replace("\\[", "[")


def _metavar(argument: _Click) -> str:
    name: str = argument.metavar or argument.name.upper()
    return name


def _row(parameter: _Click) -> list[str]:
    is_argument = parameter.param_type_name == "argument"
    names = [_metavar(parameter)] if is_argument else [*parameter.opts, *parameter.secondary_opts]
    return [", ".join(f"`{name}`" for name in names), _default(parameter), _plain(parameter.help or "")]


def _default(parameter: _Click) -> str:
    if parameter.required:
        return "must be given"
    if getattr(parameter, "is_flag", False):
        return "on" if parameter.default is True else "off"
    default = parameter.default
    return "none" if default is None or default == () or callable(default) else f"`{default}`"
