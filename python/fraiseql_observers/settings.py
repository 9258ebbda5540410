"""The base of all settings: frozen, strict models whose constructor reports every mistake as a `ConfigError`.

Values are never converted: ``"10"`` is no integer, and neither is ``true``. A message shows what was found, cut
to 80 characters, unless the field may hold a secret.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from fraiseql_observers.problems import Problem, ProblemKind, error_for, nearest_name

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = [
    "QUEUE_NAME_PATTERN",
    "Conflict",
    "Settings",
    "allowed_text",
    "found_text",
    "missing_key",
    "refusal",
    "schemas_of",
    "unknown_key",
]

#: What a queue or a key prefix may be called: it becomes part of Redis keys, inside their hash tag.
QUEUE_NAME_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"

#: The most characters of a wrong value that a message repeats.
SHOWN_CHARACTERS = 80

#: An integer beyond this is not written out, since that takes Python long and is refused beyond 4300 digits.
LONGEST_SHOWN_INTEGER_BITS = 256

#: A field whose name contains one of these may hold a secret, so its value is never repeated.
_SECRET_NAMES = ("secret", "password", "token", "header", "url", "_env", "credential")

_KINDS = {
    "missing": ProblemKind.MISSING,
    "extra_forbidden": ProblemKind.UNKNOWN_KEY,
    "greater_than_equal": ProblemKind.RANGE,
    "less_than_equal": ProblemKind.RANGE,
    "string_too_long": ProblemKind.RANGE,
    "string_too_short": ProblemKind.MISSING,
    "too_short": ProblemKind.EMPTY,
    "too_long": ProblemKind.RANGE,
    "literal_error": ProblemKind.ENUM,
    "string_pattern_mismatch": ProblemKind.NAME,
}


@dataclass(frozen=True, slots=True)
class Conflict:
    """A mistake that lies in several fields together.

    Attributes:
        fields: The fields it is about; the first is the one it is reported at.
        message: What was found and what is allowed.
        kind: What sort of mistake it is.
    """

    fields: tuple[str, ...]
    message: str
    kind: ProblemKind = ProblemKind.CONFLICT


class Settings(BaseModel):
    """A frozen group of settings; building one raises `ConfigError` with all mistakes at once."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, allow_inf_nan=False
    )

    #: Keys that a later version reads, with the reason to give until then.
    later_keys: ClassVar[Mapping[str, str]] = {}

    # Type checkers see the typed constructor that pydantic declares; this one only changes the error.
    if not TYPE_CHECKING:

        def __init__(self, /, **values: Any) -> None:  # noqa: ANN401 - any value may be given, and is checked
            problems: list[Problem] = []
            try:
                super().__init__(**values)
            except ValidationError as error:
                problems.extend(_problems(type(self), error))
            wrong = {problem.path[0] for problem in problems if problem.path}
            try:
                checked = self if not problems else self._without(values, wrong)
                problems.extend(
                    Problem(conflict.kind, conflict.fields[:1], conflict.message)
                    for conflict in checked.conflicts()
                    if wrong.isdisjoint(conflict.fields)
                )
            finally:
                # Also on an unforeseen failure: the traceback must not carry the values.
                del values
            if problems:
                raise error_for(problems) from None

    @classmethod
    def _without(cls, values: Mapping[str, Any], wrong: set[str | int]) -> Settings:
        """Return an unchecked instance of the values that are right, so that conflicts among them show too."""
        kept = {k: v for k, v in values.items() if k not in wrong and k in cls.model_fields}
        blanks = {name: None for name, field in cls.model_fields.items() if field.is_required()}
        return cls.model_construct(**(blanks | kept))

    def conflicts(self) -> Iterator[Conflict]:
        """Yield the mistakes that no single field shows; a field that is wrong by itself may be ``None`` here."""
        yield from ()


def refusal(kind: ProblemKind, message: str) -> PydanticCustomError:
    """Return the error that a field's validator raises: `message` says what is wrong and what is allowed."""
    # The text is handed over as a value, since braces in it would be taken for placeholders.
    return PydanticCustomError(kind.value, "{text}", {"text": message})


def found_text(value: object, *, secret: bool = False) -> str:
    """Describe a value that was found: its type and, unless it may be a secret, its start."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    for kind, name in ((str, "the string"), (int, "the integer"), (float, "the float")):
        if isinstance(value, kind):
            return f"{name} (not shown)" if secret else f"{name} {_shortened(value)}"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, Sequence):
        return "a list"
    return f"a value of type {type(value).__name__}"


def allowed_text(model: type[BaseModel], name: str) -> str:
    """Describe what a field may hold, from its declared type and limits."""
    return _describe(schemas_of(model).get(name, {}))


@functools.cache
def schemas_of(model: type[BaseModel]) -> Mapping[str, dict[str, Any]]:
    """Return the JSON schema of each field of a model; making it costs more than all checks of a small file."""
    properties: dict[str, dict[str, Any]] = model.model_json_schema().get("properties", {})
    return properties


def _shortened(value: str | float) -> str:
    if isinstance(value, int) and value.bit_length() > LONGEST_SHOWN_INTEGER_BITS:
        return "of very many digits"
    text = ascii(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def _describe(schema: Mapping[str, Any]) -> str:
    if "allowed" in schema:
        return str(schema["allowed"])
    choices = schema.get("anyOf") or schema.get("oneOf") or ()
    options = [option for option in choices if option.get("type") != "null"]
    if options:
        return " or ".join(dict.fromkeys(_describe(option) for option in options))
    if "$ref" in schema:
        return "a table"
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        return "one of " + ", ".join(str(choice) for choice in schema["enum"])
    match schema.get("type"):
        case "integer" | "number" as name:
            noun = "an integer" if name == "integer" else "a number"
            return noun + _limits(schema)
        case "boolean":
            return "true or false"
        case "array":
            least = f" of at least {schema['minItems']}" if "minItems" in schema else ""
            return f"a list{least}, each item {_describe(schema.get('items', {}))}"
        case "object":
            return "a table"
        case _:
            pattern = f" that matches {schema['pattern']}" if "pattern" in schema else ""
            longest = f" of at most {schema['maxLength']} characters" if "maxLength" in schema else ""
            return "a non-empty string" + pattern + longest


def _limits(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" from {low} to {high}"
    return f" of at least {low}" if low is not None else ""


def _problems(model: type[Settings], error: ValidationError) -> Iterator[Problem]:
    errors = error.errors(include_url=False)
    # Items that are wrong do not count as items, but a list of nothing else is not short for that reason.
    with_wrong_items = {details["loc"][0] for details in errors if len(details["loc"]) > 1}
    for details in errors:
        if details["type"] != "too_short" or details["loc"][0] not in with_wrong_items:
            yield _problem(model, details)


def _problem(model: type[Settings], details: ErrorDetails) -> Problem:
    path = details["loc"]
    name = str(path[0]) if path else ""
    value = details["input"]
    if "text" in details.get("ctx", {}):
        # A refusal of our own; a type alone would not tell, since pydantic has a "missing", too.
        return Problem(ProblemKind(details["type"]), path, details["msg"])
    kind = _KINDS.get(details["type"], ProblemKind.TYPE)
    if kind is ProblemKind.UNKNOWN_KEY:
        return unknown_key(model, name)
    allowed = f"allowed: {allowed_text(model, name)}"
    if kind is ProblemKind.MISSING:
        return missing_key(model, name)
    if isinstance(value, float) and not math.isfinite(value):
        kind = ProblemKind.RANGE
    found = found_text(value, secret=any(word in name for word in _SECRET_NAMES))
    return Problem(kind, path, f"{found} {_complaint(details)}; {allowed}")


def _complaint(details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    match details["type"]:
        case "greater_than_equal":
            return f"is below the minimum {context['ge']}"
        case "less_than_equal":
            return f"is above the maximum {context['le']}"
        case "string_too_long" | "too_long":
            return f"is longer than {context['max_length']}"
        case "too_short":
            return "has too few items"
        case _:
            return "is not allowed here"


def unknown_key(model: type[Settings], name: str) -> Problem:
    """Return the mistake of a key that `model` does not know, with the name that was probably meant."""
    if name in model.later_keys:
        return Problem(ProblemKind.UNSUPPORTED, (name,), model.later_keys[name])
    near = nearest_name(name, model.model_fields)
    known = f"did you mean {near}?" if near else f"known: {', '.join(model.model_fields)}"
    return Problem(ProblemKind.UNKNOWN_KEY, (name,), f"unknown key; {known}")


def missing_key(model: type[Settings], name: str) -> Problem:
    """Return the mistake of a key that must be given and is not, or is empty."""
    return Problem(ProblemKind.MISSING, (name,), f"is missing or empty; allowed: {allowed_text(model, name)}")
