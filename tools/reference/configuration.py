"""The page about the configuration file, from the models that read it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping

from pydantic.fields import FieldInfo

from fraiseql_observers.actions.models import ACTION_MODELS
from fraiseql_observers.config.environment import variable_name
from fraiseql_observers.config.sections import SECTIONS
from fraiseql_observers.definition import ObserverDefinition
from fraiseql_observers.retry import RetryConfig
from fraiseql_observers.settings import Settings, allowed_text
from tools.reference.markdown import attributes, prose, summary, table

_INTRODUCTION = """\
# Configuration

One TOML file, read by `load_config`, by workers and by the command. Environment beats file beats default. Every
mistake of a file is reported at once, with file, line, key, what was found and what is allowed; an unknown key is a
mistake. No value is converted: `"10"` is not the integer 10.

A setting of a section is also read from the environment, as `FRAISEQL_`, the section, `_` and the setting, in
capitals: `FRAISEQL_JOB_QUEUE_BATCH_SIZE=50`. Lists are separated by commas there. Observers are not read from the
environment.
"""

_OBSERVERS = """\
Each observer is a table `[observers.NAME]`. The name travels with every job, log line and metric; it is part of the
ids of its jobs, so a renamed observer makes new ones.
"""

_LEFT_OUT = """\
## Not read by this version

These keys and tables have their place already and are refused until a version reads them: `[email]`, `[cache]`,
`[[alerts.actions]]`, `on_failure = "alert"`, and the action types
`slack`, `email` and `cache`. `sms`, `push` and `search` of FraiseQL are not supported: use `function`.
"""

#: What a message about these keys says is made where they are read, not from their declared type.
_ALLOWED = {"actions": "a list of 1 to 100 tables", "retry": "a table"}


def page() -> str:
    """Write the page."""
    parts = [_INTRODUCTION]
    for name, model in SECTIONS.items():
        parts.append(f"## `[{name}]`\n\n{_about(model)}\n{_section_table(name, model)}")
    parts.append(f"## Observers\n\n{_OBSERVERS}\n{_table(ObserverDefinition)}")
    parts.append(f"### `[observers.NAME.retry]`\n\n{_about(RetryConfig)}\n{_table(RetryConfig)}")
    for kind, action in ACTION_MODELS.items():
        parts.append(
            f'### `[[observers.NAME.actions]]` with `type = "{kind}"`\n\n{_about(action)}\n{_table(action)}'
        )
    parts.append(_LEFT_OUT)
    return "\n".join(parts)


def _about(model: type[Settings]) -> str:
    _, _, text = summary(model).rpartition("``: ")
    return prose(text[:1].upper() + text[1:]) + "\n"


def _section_table(section: str, model: type[Settings]) -> str:
    def variable(name: str) -> str:
        return f"`{variable_name(section, name)}`"

    return _table(model, {"environment": variable})


def _table(model: type[Settings], further: Mapping[str, Callable[[str], str]] | None = None) -> str:
    further = further or {}
    return table(["key", "default", "allowed", "meaning", *further], _rows(model, further.values()))


def _rows(model: type[Settings], further: Iterable[Callable[[str], str]]) -> Iterator[list[str]]:
    texts = attributes(model)
    columns = list(further)
    for name, field in model.model_fields.items():
        if name == "type":
            continue
        allowed = _ALLOWED.get(name) or allowed_text(model, name)
        meaning = texts.get(name) or _instead(name, texts)
        yield [
            f"`{name}`",
            _default(field),
            allowed,
            meaning,
            *(write(name) for write in columns),
        ]


def _instead(name: str, texts: Mapping[str, str]) -> str:
    """Tell what ``url_env`` and its like are, which the docstring describes with the key that they stand in for."""
    base, _, source = name.rpartition("_")
    if base not in texts:
        raise KeyError(f"{name} is not described")
    return f"instead of `{base}`, " + {"env": "from the environment", "file": "from files"}[source]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    default = field.get_default(call_default_factory=True, validated_data={})
    return "none" if default is None else f"`{json.dumps(default)}`"
