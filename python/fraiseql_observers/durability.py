"""Whether a server keeps as much as a configuration asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fraiseql_observers.errors import ServerUnsuitable

if TYPE_CHECKING:
    from fraiseql_observers._core import ServerFacts

#: What a server can prove, the weakest first, and how to get there.
_LEVELS: Final = {
    "memory": "",
    "process": "set appendonly yes on the server",
    "disk": "set appendonly yes and appendfsync always on the server",
}


def require_durability(wanted: str, facts: ServerFacts | None) -> None:
    """Refuse a server that proves less than an explicit level; ``auto`` takes what it proves.

    Raises:
        ServerUnsuitable: If it proves less; the text says what to set.
    """
    levels = list(_LEVELS)
    # A queue in memory has no server, and keeps nothing.
    found = facts.durability if facts is not None else "memory"
    if wanted != "auto" and levels.index(found) < levels.index(wanted):
        raise ServerUnsuitable(
            f"[storage] durability is {wanted}, but the server proves only {found}; {_LEVELS[wanted]}"
        )
