"""The types of an action's fields: each checks its text when the model is built, and never repeats a secret."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from fraiseql_observers.actions.headers import header_name_complaint, header_value_complaint, repeated_name
from fraiseql_observers.actions.templates import Placeholder, Template, compile_json, compile_text
from fraiseql_observers.actions.urls import UrlError, parse_url
from fraiseql_observers.errors import TemplateError
from fraiseql_observers.problems import ProblemKind
from fraiseql_observers.settings import refusal

__all__ = [
    "EnvironmentName",
    "EnvironmentNames",
    "Headers",
    "JsonTemplate",
    "SecretPaths",
    "Secrets",
    "TextTemplate",
    "Url",
]

_ENVIRONMENT_NAME = re.compile(r"(?!whs)[A-Za-z_][A-Za-z0-9_]{0,127}")


def _check_url(url: str) -> str:
    try:
        parse_url(url)
    except UrlError as error:
        raise refusal(ProblemKind.URL, str(error)) from None
    return url


def _check_environment_name(name: str) -> str:
    if not _ENVIRONMENT_NAME.fullmatch(name):
        # Not repeated: who writes the secret itself here by mistake must not find it in a log.
        raise refusal(
            ProblemKind.NAME,
            "is no name of an environment variable (not shown); allowed: letters, digits and _, no digit first",
        )
    return name


def _check_path(path: str) -> str:
    if not path.strip() or "\x00" in path or "\n" in path:
        raise refusal(ProblemKind.NAME, "is no path of a file (not shown); allowed: a non-empty path")
    return path


def _check_text_template(source: str) -> str:
    if not source.strip():
        raise refusal(ProblemKind.MISSING, "is empty; allowed: a text, with or without placeholders")
    try:
        compile_text(source)
    except TemplateError as error:
        raise refusal(ProblemKind.TEMPLATE, str(error)) from None
    return source


def _check_json_template(source: str) -> str:
    try:
        compile_json(source)
    except TemplateError as error:
        raise refusal(ProblemKind.TEMPLATE, str(error)) from None
    return source


def _check_headers(headers: dict[str, str]) -> dict[str, str]:
    twice = repeated_name(headers)
    if twice is not None:
        raise refusal(
            ProblemKind.HEADER, f"the header {twice!a} is given twice; names differ in more than case"
        )
    for name, value in headers.items():
        complaint = header_name_complaint(name) or _header_template_complaint(value)
        if complaint:
            raise refusal(ProblemKind.HEADER, f"the header {name[:80]!a} {complaint}")
    return headers


def _header_template_complaint(value: str) -> str | None:
    try:
        template: Template = compile_text(value)
    except TemplateError as error:
        return f"has a value that is no template: {error}"
    # What a placeholder becomes is checked when it is known; a visible character keeps its place here.
    literal = "".join("x" if isinstance(part, Placeholder) else part for part in template.parts)
    return header_value_complaint(literal)


def _one_or_several(value: object) -> object:
    """Let one text stand for a list of one; the type of anything else is judged by the field."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


#: Several secrets are active at once while one is being replaced; ten is far beyond any rotation.
_SEVERAL = Field(min_length=1, max_length=10)

Url = Annotated[str, AfterValidator(_check_url)]
EnvironmentName = Annotated[str, AfterValidator(_check_environment_name)]
EnvironmentNames = Annotated[tuple[EnvironmentName, ...], BeforeValidator(_one_or_several), _SEVERAL]
SecretPaths = Annotated[
    tuple[Annotated[str, AfterValidator(_check_path)], ...], BeforeValidator(_one_or_several), _SEVERAL
]
Secrets = Annotated[tuple[str, ...], BeforeValidator(_one_or_several), _SEVERAL]
Headers = Annotated[dict[str, str], AfterValidator(_check_headers)]
TextTemplate = Annotated[str, AfterValidator(_check_text_template)]
JsonTemplate = Annotated[str, AfterValidator(_check_json_template)]
