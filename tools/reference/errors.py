"""The page about exceptions, from the classes themselves."""

from __future__ import annotations

import re

from fraiseql_observers import errors
from tools.reference.markdown import prose, summary, table

_INTRODUCTION = """\
# Errors

Every exception of the package is an `ObserversError` and lives in `fraiseql_observers.errors`. A class tells the
caller what to do. `code` is for programs, and is that of FraiseQL; `transient` says whether the same call may succeed
later without a change. No text holds a secret.
"""


def page() -> str:
    """Write the page."""
    tree = re.search(r"```text\n.*?```", errors.__doc__ or "", re.DOTALL)
    drawn = tree[0] if tree else ""
    rows = []
    for name in errors.__all__:
        kind: type[errors.ObserversError] = getattr(errors, name)
        transient = "yes" if kind.transient else "no"
        rows.append([f"`{name}`", kind.code, transient, prose(summary(kind))])
    rows.sort(key=lambda row: (row[1], row[0]))
    return f"{_INTRODUCTION}\n{drawn}\n\n{table(['class', 'code', 'transient', 'meaning'], rows)}"
