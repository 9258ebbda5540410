"""Whether a server keeps as much as a configuration asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fraiseql_observers.errors import ServerUnsuitable

if TYPE_CHECKING:
    from fraiseql_observers._core import ServerFacts


def require_durability(wanted: str, facts: ServerFacts | None) -> None:
    """Refuse a server that cannot give an explicit level; ``auto`` takes what it gives by itself.

    Raises:
        ServerUnsuitable: If it cannot; the text says what was found and what is needed.
    """
    if facts is not None:
        facts.require(wanted)
    elif wanted not in {"auto", "memory"}:
        raise ServerUnsuitable(f"durability is {wanted}, but a queue in memory gives only memory")


def durability_in_force(wanted: str, facts: ServerFacts) -> str:
    """Return the level at which jobs are accepted: the one that was asked for, or what the server gives by itself."""
    return facts.durability if wanted == "auto" else wanted
