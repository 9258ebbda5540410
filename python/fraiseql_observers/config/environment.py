"""Settings from the environment: ``FRAISEQL_<SECTION>_<NAME>`` beats the file, which beats the default."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fraiseql_observers.problems import Problem, ProblemKind, nearest_name
from fraiseql_observers.settings import Settings, allowed_text, found_text, schemas_of

__all__ = ["environment_values", "from_environment", "stray_variables", "variable_name"]

_TRUTH = {"true": True, "1": True, "false": False, "0": False}


def variable_name(section: str, name: str) -> str:
    """Return the variable of a setting: ``FRAISEQL_JOB_QUEUE_BATCH_SIZE``."""
    return f"FRAISEQL_{section}_{name}".upper()


def environment_values(
    section: str, model: type[Settings], environment: Mapping[str, str]
) -> tuple[dict[str, Any], list[Problem]]:
    """Read the settings of one section that the environment gives.

    Returns:
        The values by setting, and the mistakes of texts that are no such value.
    """
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    schema = schemas_of(model)
    for name in model.model_fields:
        variable = variable_name(section, name)
        if variable not in environment:
            continue
        text = environment[variable]
        value = _parsed(schema[name].get("type", "string"), text)
        if value is None:
            message = f"{found_text(text)} is not allowed here; allowed: {allowed_text(model, name)}"
            problems.append(Problem(ProblemKind.TYPE, (section, name), message, variable))
        else:
            values[name] = value
    return values, problems


def from_environment(problem: Problem, section: str, given: Mapping[str, Any]) -> Problem:
    """Return a mistake in a section's settings with its variable as the source, if the value came from there."""
    key = str(problem.path[0])
    source = variable_name(section, key) if key in given else ""
    return Problem(problem.kind, (section, *problem.path), problem.message, source)


def stray_variables(environment: Mapping[str, str], section: str, model: type[Settings]) -> list[str]:
    """Return a warning for each variable of a section that names no setting of it."""
    known = {variable_name(section, name) for name in model.model_fields}
    prefix = variable_name(section, "")
    warnings = []
    for variable in sorted(environment):
        if variable.startswith(prefix) and variable not in known:
            near = nearest_name(variable.removeprefix(prefix).lower(), model.model_fields)
            hint = f"; did you mean {variable_name(section, near)}?" if near else ""
            warnings.append(f"the environment variable {variable} is no setting{hint}")
    return warnings


def _parsed(kind: str, text: str) -> object | None:
    match kind:
        case "integer":
            return int(text) if re.fullmatch(r"[+-]?[0-9]{1,40}", text) else None
        case "boolean":
            return _TRUTH.get(text.lower())
        case "array":
            return [item.strip() for item in text.split(",") if item.strip()]
        case _:
            return text
