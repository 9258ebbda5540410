"""The page about mistakes in conditions: what the core says to usual slips, and what it warns of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from fraiseql_observers import Condition
from tools.reference.markdown import table
from tools.reference.slips import SLIPS, Slip

_INTRODUCTION: Final = """\
# Mistakes in conditions

A text that is no condition raises `ConditionSyntaxError`, and in a file it is one of the mistakes that `load_config`
and `fraiseql-observers config check` list. The text says what was expected and what was found, shows the line with a
caret under the place, and gives a hint where something else was probably meant. `offset` counts characters from 0.

Below stands for each usual slip what you are told, and what to write instead. The language itself is in
[Conditions](conditions.md).
"""

_WARNINGS: Final = """\
## Warnings

What parses but is probably not meant is a warning: in `Condition.warnings`, in the `warnings` of a loaded file, and
printed by `fraiseql-observers config check`. A rule knows its kind of event, so its condition is looked at for that
kind: `Condition.warnings_for("INSERT")` does the same.
"""

#: Conditions with warnings, and the kind of event they are for, where that is what the warning is about.
_WARNED: Final[Sequence[tuple[str, str]]] = (
    ("status == shipped", "*"),
    ("total == customer.limit", "*"),
    ("total == 007", "*"),
    ("note == NULL", "*"),
    ("paid == True", "*"),
    ("status ==", "*"),
    ("status in ()", "*"),
    ("total > '100'", "*"),
    ("@user_id > 5", "*"),
    ("@event_type == 'Update'", "*"),
    ("coupon == 'X' && has_field(coupon)", "*"),
    ("status == 'paid' && status == 'shipped'", "*"),
    ("status != 'paid' || status != 'shipped'", "*"),
    ("total > 100 && total < 50", "*"),
    ("size(items) >= 0", "*"),
    ("starts_with(sku, '')", "*"),
    ("field_changed('status')", "INSERT"),
    ("@event_type == 'DELETE'", "INSERT"),
)


def page() -> str:
    """Write the page."""
    parts = [_INTRODUCTION]
    for theme, slips in SLIPS.items():
        parts.append(f"## {theme}\n")
        parts += [_section(slip) for slip in slips]
    parts.append(f"{_WARNINGS}\n{table(['condition', 'for', 'warning'], _warnings())}")
    return "\n".join(parts)


def _section(slip: Slip) -> str:
    instead = " or ".join(f"`{condition}`" for condition in slip.instead)
    advice = " ".join(part for part in (f"Write {instead}." if instead else "", slip.note) if part)
    return f"### {slip.title}\n\n```text\n{slip.answer()}\n```\n" + (f"\n{advice}\n" if advice else "")


def _warnings() -> Iterator[list[str]]:
    for text, kind in _WARNED:
        warnings = Condition.parse(text).warnings_for(kind)
        if not warnings:
            raise ValueError(f"{text!r} has no warning")
        yield [f"`{text}`", "any kind" if kind == "*" else f"`{kind}`", "<br>".join(warnings)]
