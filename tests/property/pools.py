"""What names, literals and values are drawn from: few of each, chosen to collide."""

from __future__ import annotations

from typing import Any

#: Stands for a field that is not there.
MISSING = object()
#: Names of fields, words of the language among them; the last ones need quotes.
NAMES = (
    "a",
    "b",
    "total",
    "status",
    "not",
    "or",
    "in",
    "and",
    "any",
    "size",
    "old",
    "time",
    "_x1",
    "é",
    "日付",
)
KEYS = (*NAMES, "a b", "a.b", "", "😀", "it's", '"', "@user_id")

NUMBERS = (
    *(0, -0.0, 1, 1.0, 2, 2.5, -1, 100, 100.0, 0.1, 5e-324, 1e300, -(2**63), 2**63, 2**64 - 1, float(2**64)),
    *(2**53, 2**53 + 1, 2**53 - 1, float(2**53), -(2**53) - 1, float(2**63)),
)
STRINGS = (
    *(
        "",
        "1",
        "100",
        "1e2",
        "null",
        "true",
        "shipped",
        "Shipped",
        "a",
        "A",
        "ab",
        '"a"',
        "[1]",
        "a b",
        "it's",
    ),
    *(
        "é",
        "É",
        "e\u0301",
        "ß",
        "SS",
        "İ",
        "ΑΣ",
        "ας",
        "日本",
        "😀",
        "\n",
        "a\nb",
        "\\",
        "\0",
        "in",
        "or",
        "007",
    ),
)
SCALARS = (*NUMBERS, *STRINGS, None, True, False)
TIMES = (
    *("2024-01-01T00:00:00Z", "2024-01-01T01:00:00+01:00", "2024-01-01t00:00:00.000000000z"),
    *("2024-01-01T00:00:00.000000001Z", "2023-12-31T23:59:59.999999999Z", "2024-02-29T12:00:00-00:00"),
    *(
        "9999-12-31T23:59:59.9Z",
        "0001-01-01T00:00:00Z",
        "0000-12-31T23:59:59-00:01",
        "2023-12-31T19:00:00-05:00",
    ),
)
NO_TIMES = (
    *("2024-01-01", "2016-12-31T23:59:60Z", "2024-02-30T00:00:00Z", "2024-01-01 00:00:00Z", "", "now"),
    *("2024-01-01T00:00:00", "2024-01-01T00:00:00.0000000001Z", "2024-01-01T00:00:00+24:00"),
    *(
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "2024-01-01T00:00:00.Z",
        "2024-01-01T24:00:00Z",
    ),
)
ENVELOPE: dict[str, tuple[Any, ...]] = {
    "event_type": ("INSERT", "UPDATE", "DELETE", "CUSTOM"),
    "entity_type": ("Order", "User", "order"),
    "entity_id": ("00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-0000000000AB"),
    "user_id": (None, "u1", "U1", "", "1"),
    "tenant_id": (None, "t", "t1"),
    "actor_type": (None, "human", "system"),
}
CONTAINERS: tuple[Any, ...] = (
    [],
    [1],
    ["a", 1.0, None],
    {},
    {"a": 1},
    {"b": None, "a": "x"},
    [[1], {"a": 100}],
    [1, 2, 3],
)
COMPARISONS = ("==", "!=", ">", "<", ">=", "<=")


ATOMS: dict[str, tuple[str, ...]] = {
    "a": ("a", "b"),
    ".": ("a", "é", "\n"),
    "[a-c]": ("b", "d"),
    "[^a]": ("b", "\n", "a"),
    r"[.\s-]": (".", " ", "\u2003", "x"),
    r"\d": ("7", "٣", "x"),
    r"\.": (".", "a"),
    r"\s": (" ", "\x1c", "\u3000"),
    r"\w": ("a", "_", "é", "-"),
    "(?:a|bc)": ("a", "bc", "b"),
    "(b)": ("b", ""),
    r"\b": ("", " "),
    "é": ("é", "e"),
}
REPEATS: dict[str, tuple[int, ...]] = {
    "": (1,),
    "*": (0, 1, 2),
    "+": (1, 2, 0),
    "?": (0, 1),
    "{2}": (2, 1),
    "{1,2}": (1, 2),
    "{1,}": (1, 3),
    "+?": (1, 2),
}


def near(value: Any) -> tuple[Any, ...]:
    """Return values that are equal to a value, or collide with it."""
    if isinstance(value, bool) or value is None:
        return (value, value, not value, str(value).lower(), 0, 1, "", None)
    if isinstance(value, str):
        return (value, value, value, value + "x", value.upper(), value.lower(), "", 1, 100, None, [value])
    integer = int(value)
    return (value, value, integer, float(value), value + 1, value - 1, str(value), -value, 0, [value])


def numbers_near(value: Any) -> tuple[Any, ...]:
    value = value if isinstance(value, int | float) else 1
    return tuple(number for number in near(value) if isinstance(number, int | float) and abs(number) < 2**64)
