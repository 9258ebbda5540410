"""What the property tests draw: values, events and texts that often, but not always, fit together."""

from __future__ import annotations

import uuid
from typing import Any

from hypothesis import strategies as st

from tests.reference.events import Event

ENTITIES = ("Order", "User", "*")
KINDS = ("INSERT", "UPDATE", "DELETE", "CUSTOM")
#: Few keys, so that paths often lead somewhere; some are words of the language, one needs quotes.
KEYS = ("a", "b", "total", "status", "not", "or", "in", "a b", "é")

numbers = st.one_of(
    st.sampled_from(
        [0, -0.0, 1, 1.0, 100, 100.0, 2.5, 2**53, 2**53 + 1, float(2**53), 2**64 - 1, float(2**64)]
    ),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    numbers,
    st.sampled_from(["", "100", "shipped", "a", '"a"', "null"]),
    st.text(max_size=5),
)
keys = st.sampled_from(KEYS)


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3)


#: Any JSON value that a text can hold, as Python has it.
values = st.recursive(scalars, _containers, max_leaves=6)
objects = st.dictionaries(keys, values, min_size=2, max_size=6)
changes = st.dictionaries(keys, st.fixed_dictionaries({"old": values, "new": values}), max_size=4)

events = st.builds(
    Event,
    event_type=st.sampled_from(KINDS),
    entity_type=st.sampled_from(ENTITIES),
    data=st.one_of(objects, objects, objects, values),
    changes=st.none() | changes | changes,
)


def wire_form(event: Event) -> dict[str, Any]:
    """Return the event as the dict that the package takes."""
    return {
        "event_type": event.event_type,
        "entity_type": event.entity_type,
        "entity_id": str(uuid.UUID(int=1)),
        "data": event.data,
        "changes": event.changes,
    }
