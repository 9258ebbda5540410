"""Placeholders in bodies, headers and log messages: ``{{ data.customer.name | upper }}``.

Jinja2 reads the text, and its syntax tree is then checked: a placeholder is a path and at most the filters
``json``, ``upper``, ``lower`` and ``default('…')``. Everything else is refused when the template is compiled. What
is left needs no template engine to run, so a path is looked up in plain JSON values and never touches an attribute
of a Python object, and a value that itself contains ``{{ }}`` is text like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from fraiseql_observers.errors import TemplateError

if TYPE_CHECKING:
    from jinja2 import nodes

    from fraiseql_observers._core import EntityEvent

__all__ = ["Scope", "Template", "compile_json", "compile_text"]

#: The longest template and the longest result, in characters. A result is as large as the largest event by default.
LONGEST_SOURCE = 65_536
LONGEST_RESULT = 1_048_576

#: What ``event.…`` and ``job.…`` can name, so that a wrong name is seen when the template is compiled.
EVENT_FIELDS = frozenset(
    {"id", "event_type", "entity_type", "entity_id", "data", "changes", "user_id", "tenant_id", "actor_type"}
    | {"acting_for", "schema_version", "cdc_source", "timestamp", "duration_ms", "seq"}
)
JOB_FIELDS = frozenset({"id", "attempt"})

_ALLOWED = "allowed: {{ path }} with the filters json, upper, lower and default('…')"

#: The JSON string state of a text: an escaped character, or a quote that opens or closes a string.
_QUOTES = re.compile(r'\\.|"', re.DOTALL)


class _Missing:
    """The value of a path that is not there."""


_MISSING = _Missing()


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A path with its filters.

    Attributes:
        path: Names and positions, the root first.
        filters: Filter names with the argument of ``default``, in order.
        in_string: Whether it stands inside a string of a JSON body.
    """

    path: tuple[str | int, ...]
    filters: tuple[tuple[str, object], ...] = ()
    in_string: bool = False

    @property
    def text(self) -> str:
        """The path as it was written, for messages."""
        first, *rest = self.path
        return str(first) + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in rest)


class Scope:
    """What a template can name: one event and the job that reacts to it."""

    def __init__(self, event: EntityEvent, *, job_id: UUID, attempt: int) -> None:
        self._event = event
        self._job = {"id": str(job_id), "attempt": attempt}

    @cached_property
    def _fields(self) -> dict[str, Any]:
        # The wire form is what receivers know: UUIDs as text, the time with all its digits.
        fields: dict[str, Any] = orjson.loads(self._event.to_json())
        return fields

    def find(self, path: tuple[str | int, ...]) -> object:
        """Return the value at `path`, or the missing value."""
        value: object
        match path[0]:
            case "event":
                value, rest = self._fields, path[1:]
            case "job":
                value, rest = self._job, path[1:]
            case "data":
                value, rest = self._fields["data"], path[1:]
            case _:
                value, rest = self._fields["data"], path
        for part in rest:
            value = _step(value, part)
        return value


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template.

    Attributes:
        parts: Literal text and placeholders, in order.
        is_json: Whether the result is a JSON text, so that values are encoded by JSON's rules.
    """

    parts: tuple[str | Placeholder, ...]
    is_json: bool

    def render(self, scope: Scope) -> str:
        """Fill in the values.

        Raises:
            TemplateError: If a value is missing, is not text where text is needed, or the result is too long.
        """
        done: list[str] = []
        length = 0
        for part in self.parts:
            text = part if isinstance(part, str) else self._fill(part, scope.find(part.path))
            length += len(text)
            if length > LONGEST_RESULT:
                raise TemplateError(f"the rendered text is longer than {LONGEST_RESULT} characters")
            done.append(text)
        return "".join(done)

    def _fill(self, placeholder: Placeholder, value: object) -> str:
        value, is_encoded = _filtered(placeholder, value)
        if isinstance(value, _Missing):
            raise TemplateError(f"{placeholder.text} is missing in the event")
        if self.is_json and not placeholder.in_string:
            return str(value) if is_encoded else orjson.dumps(value).decode()
        text = _as_text(placeholder, value)
        return orjson.dumps(text).decode()[1:-1] if self.is_json else text


def compile_text(source: str) -> Template:
    """Compile a template of plain text: a header value or a log message.

    Raises:
        TemplateError: If it contains anything but text and placeholders.
    """
    return Template(tuple(_parts(source)), is_json=False)


def compile_json(source: str) -> Template:
    """Compile a template of a JSON body.

    A placeholder inside a string becomes escaped text; elsewhere it becomes a JSON value of its own.

    Raises:
        TemplateError: If it contains anything but JSON and placeholders.
    """
    parts: list[str | Placeholder] = []
    in_string = False
    for part in _parts(source):
        if isinstance(part, str):
            in_string ^= sum(mark[0] == '"' for mark in _QUOTES.finditer(part)) % 2 == 1
            parts.append(part)
        else:
            parts.append(Placeholder(part.path, part.filters, in_string))
    sample = "".join(p if isinstance(p, str) else ("x" if p.in_string else '"x"') for p in parts)
    try:
        orjson.loads(sample)
    except orjson.JSONDecodeError as error:
        raise TemplateError(f"the body is no JSON text: {error.msg} (line {error.lineno})") from None
    return Template(tuple(parts), is_json=True)


def _parts(source: str) -> Iterator[str | Placeholder]:
    # Imported here, since only who has a template should pay for the engine's import.
    from jinja2 import StrictUndefined, TemplateSyntaxError, nodes
    from jinja2.sandbox import SandboxedEnvironment

    if len(source) > LONGEST_SOURCE:
        raise TemplateError(f"the template is longer than {LONGEST_SOURCE} characters")
    environment = SandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    try:
        for line, token, _ in environment.lex(source):
            if token in {"block_begin", "raw_begin", "comment_begin"}:
                raise TemplateError(f"line {line}: a statement or comment is not allowed; {_ALLOWED}")
        tree = environment.parse(source)
    except TemplateSyntaxError as error:
        # The engine's message may quote the text, which may hold a secret.
        raise TemplateError(f"line {error.lineno}: not a template; {_ALLOWED}") from None
    except RecursionError:
        raise TemplateError("the template is nested too deeply") from None
    for output in tree.body:
        if not isinstance(output, nodes.Output):
            raise TemplateError(f"line {output.lineno}: not a placeholder; {_ALLOWED}")
        for node in output.nodes:
            yield node.data if isinstance(node, nodes.TemplateData) else _placeholder(node)


def _placeholder(node: nodes.Expr) -> Placeholder:
    from jinja2 import nodes

    filters: list[tuple[str, object]] = []
    while isinstance(node, nodes.Filter) and node.node is not None:
        filters.insert(0, _filter(node))
        node = node.node
    path = tuple(_path(node))
    for position, (name, _) in enumerate(filters):
        if name == "default" and position > 0:
            raise TemplateError(f"line {node.lineno}: default('…') must be the first filter")
        if name == "json" and position < len(filters) - 1:
            raise TemplateError(f"line {node.lineno}: json must be the last filter")
    root = str(path[0])
    known = {"event": EVENT_FIELDS, "job": JOB_FIELDS}.get(root)
    if known is not None and not known.intersection(path[1:2]):
        allowed = ", ".join(f"{root}.{field}" for field in sorted(known))
        raise TemplateError(f"line {node.lineno}: unknown placeholder; allowed: {allowed}")
    return Placeholder(path, tuple(filters))


def _filter(node: nodes.Filter) -> tuple[str, object]:
    from jinja2 import nodes

    plain = not (node.kwargs or node.dyn_args or node.dyn_kwargs)
    if plain and not node.args and node.name in {"json", "upper", "lower"}:
        return node.name, None
    if plain and node.name == "default" and len(node.args) == 1 and isinstance(node.args[0], nodes.Const):
        return node.name, node.args[0].value
    raise TemplateError(f"line {node.lineno}: unknown filter or argument; {_ALLOWED}")


def _path(node: nodes.Node | None) -> Iterator[str | int]:
    from jinja2 import nodes

    match node:
        case nodes.Name():
            name: object = node.name
        case nodes.Getattr():
            yield from _path(node.node)
            name = node.attr
        case nodes.Getitem(arg=nodes.Const()):
            yield from _path(node.node)
            name = node.arg.value  # type: ignore[attr-defined]  # the pattern says that it is a constant
        case _:
            line = node.lineno if node is not None else 1
            raise TemplateError(f"line {line}: not a path; {_ALLOWED}")
    if isinstance(name, bool) or not isinstance(name, (str, int)):
        raise TemplateError(f"line {node.lineno}: not a name or a position; {_ALLOWED}")
    if isinstance(name, str) and name.startswith("__"):
        raise TemplateError(f"line {node.lineno}: names that start with __ are not allowed")
    yield name


def _step(value: object, part: str | int) -> object:
    if isinstance(value, Mapping) and isinstance(part, str) and part in value:
        return value[part]
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return _MISSING


def _filtered(placeholder: Placeholder, value: object) -> tuple[object, bool]:
    """Apply the filters; the second part of the answer says whether the value is a JSON text already."""
    for name, argument in placeholder.filters:
        match name:
            case "default":
                value = argument if value is None or isinstance(value, _Missing) else value
            case "upper" | "lower":
                if not isinstance(value, str):
                    raise TemplateError(f"{placeholder.text} is no text, which the filter {name} needs")
                value = value.upper() if name == "upper" else value.lower()
            case _:
                return (value, False) if isinstance(value, _Missing) else (orjson.dumps(value).decode(), True)
    return value, False


def _as_text(placeholder: Placeholder, value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, (Mapping, list)):
        what = "null" if value is None else "an object or a list"
        raise TemplateError(f"{placeholder.text} is {what} where text is needed; use default('…') or json")
    return orjson.dumps(value).decode()
