"""Slips that people make in conditions, by theme. What the core says to them is asked when the page is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fraiseql_observers import Condition
from fraiseql_observers.errors import ConditionSyntaxError


@dataclass(frozen=True, slots=True)
class Slip:
    """A text that is no condition, and what its author should write.

    Attributes:
        title: The slip in a few words, as Markdown.
        text: What was written.
        instead: Conditions that say what was meant; each parses without a warning.
        note: What else there is to know, as Markdown.
    """

    title: str
    text: str
    instead: Sequence[str] = ()
    note: str = ""

    def answer(self) -> str:
        """Return what the core says.

        Raises:
            ValueError: If the text is a condition after all, or what should be written is none.
        """
        for condition in self.instead:
            if Condition.parse(condition).warnings:
                raise ValueError(f"{condition!r} has warnings")
        try:
            Condition.parse(self.text)
        except ConditionSyntaxError as error:
            return str(error)
        raise ValueError(f"{self.text!r} is a condition")


SLIPS: Final[Mapping[str, Sequence[Slip]]] = {
    "Operators": (
        Slip("One `=`", "total = 100", ["total == 100"]),
        Slip("`<>`", "status <> 'paid'", ["status != 'paid'"]),
        Slip(
            "`===` and `!==`",
            "total === 100",
            ["total == 100"],
            "Nothing is converted: `==` is strict already.",
        ),
        Slip("`=>` and `=<`", "total => 100", ["total >= 100"]),
        Slip("`AND`, `OR`, `IN`", "paid == true AND total > 100", ["paid == true and total > 100"]),
        Slip("`NOT`", "NOT (paid == true)", ["not (paid == true)"]),
        Slip("One `&` or `|`", "paid == true | total > 100", ["paid == true || total > 100"]),
        Slip("No operator between two", "paid == true total > 100", ["paid == true && total > 100"]),
        Slip("Nothing after an operator", "paid == true &&", ["paid == true"]),
        Slip(
            "One field, two values",
            "status == 'paid' or 'shipped'",
            ["status in ('paid', 'shipped')"],
        ),
        Slip("The value on the left", "100 < total", ["total > 100"]),
        Slip("A field by itself", "paid && total > 100", ["paid == true && total > 100"]),
        Slip("A function compared with `true`", "has_field(coupon) == true", ["has_field(coupon)"]),
        Slip(
            "Arithmetic",
            "price * qty > 100",
            note="The language computes nothing. Put the product into the event's data.",
        ),
    ),
    "Values": (
        Slip("A missing quote", "status == 'shipped", ["status == 'shipped'"]),
        Slip("A `'` in single quotes", "name == 'O'Neil'", ['''name == "O'Neil"''']),
        Slip("A bad escape", r'''name == "O\'Neil"''', ['''name == "O'Neil"''']),
        Slip("A word with `_`", "status == in_progress", ["status == 'in_progress'"]),
        Slip("Two words", "status == on hold", ["status == 'on hold'"]),
        Slip("An operator for a value", "state == or region == 'x'", ["state == 'or' && region == 'x'"]),
        Slip("Typographic quotes", "status == “shipped”", ["status == 'shipped'"]),
        Slip("A comma in a number", "total > 99,50", ["total > 99.50"]),
        Slip("A field on the right", "total == items[0].price", note="A right side is a literal, always."),
        Slip("A function on the right", "size(items) == size(parcels)"),
        Slip("`@` on the right", "owner == @user_id"),
        Slip(
            "`old` against `new`",
            "old(status) == new(status)",
            ["!field_changed('status')"],
        ),
        Slip("An array for a value", "tags == ['vip']", ["contains(tags, 'vip') && size(tags) == 1"]),
    ),
    "Lists and null": (
        Slip("A list in brackets", "status in ['paid', 'shipped']", ["status in ('paid', 'shipped')"]),
        Slip("A list without parentheses", "total in 1, 2", ["total in (1, 2)"]),
        Slip("An open list", "total in (1, 2", ["total in (1, 2)"]),
        Slip("`is null`", "note is null", ["is_null(note)", "note == null"]),
        Slip("`is not null`", "note is not null", ["note != null"]),
        Slip("Infix `like`", "file like '*.pdf'", ["like(file, '*.pdf')"]),
        Slip("Infix `contains`", "tags contains 'vip'", ["contains(tags, 'vip')"]),
        Slip("`between`", "total between 1 and 9", ["total >= 1 && total <= 9"]),
    ),
    "Paths": (
        Slip("An index after a dot", "items.0.qty > 1", ["items[0].qty > 1"]),
        Slip("An index from the end", "items[-1].qty > 1", note="Indexes count from the start only."),
        Slip("A key in single quotes", "prices['per-unit'] > 1", ['prices["per-unit"] > 1']),
        Slip(
            "A hyphen in a name",
            "order.unit-price > 1",
            ['order["unit-price"] > 1'],
            "At the top of `data` such a key has no bare path; functions take it in quotes: "
            "`has_field('unit-price')`.",
        ),
        Slip("All items by `*`", "items[*].qty > 1", ["any(items, qty > 1)", "all(items, qty > 1)"]),
        Slip("An unknown `@` field", "@user == 'u-17'", ["@user_id == 'u-17'"]),
        Slip(
            "`?` after an `@` field",
            "@user_id? == 'u-17'",
            ["@user_id == 'u-17'"],
            "`@` fields are never missing: one that is not set is `null`.",
        ),
    ),
    "Calls": (
        Slip("A misspelt function", "has_feild(coupon)", ["has_field(coupon)"]),
        Slip("Another language's function", "len(items) > 3", ["size(items) > 3"]),
        Slip("A function that there is not", "sum(items) > 3", note="The hint names all that there are."),
        Slip("Too many arguments", "has_field('a', 'b')", ["has_field('a') && has_field('b')"]),
        Slip("Too few arguments", "field_changed_to('status')", ["field_changed('status')"]),
        Slip("A comma at the end", "contains(tags, )", ["contains(tags, 'vip')"]),
        Slip("A number for a text", "starts_with(sku, 1)", ["starts_with(sku, '1')"]),
        Slip("A field for a text", "contains(tags, @user_id)"),
        Slip("`?` in `has_field`", "has_field(coupon?)", ["has_field(coupon)"]),
        Slip(
            "`@` in `field_changed`", "field_changed(@user_id)", note="`changes` holds fields of `data` only."
        ),
        Slip("A quoted key in `size`", "size('items') > 3", ["size(items) > 3"]),
        Slip("`?` after a call", "size(items)? > 3", ["size(items?) > 3"]),
        Slip("A missing `)`", "(paid == true && total > 100", ["(paid == true && total > 100)"]),
        Slip("A `)` too many", "paid == true)", ["paid == true"]),
    ),
    "Items of an array": (
        Slip(
            "`any` in `any`",
            "any(items, any(parts, broken == true))",
            ["any(items[0].parts, broken == true)"],
        ),
        Slip("`old` in `all`", "all(items, old(qty) == 1)"),
        Slip("No condition", "any(items)", ["size(items) > 0"]),
        Slip("A value for a condition", "any(tags, 'vip')", ["contains(tags, 'vip')"]),
    ),
    "Patterns and times": (
        Slip("Looking ahead or behind", "matches(sku, '(?!A)-[0-9]+')"),
        Slip("A back reference", r"matches(code, '(.)\1')"),
        Slip("A broken pattern", "matches(sku, '[A-Z')", ["matches(sku, '[A-Z]')"]),
        Slip(
            "A date without a time",
            "time(due) < '2026-03-01'",
            ["time(due) < '2026-03-01T00:00:00Z'"],
        ),
        Slip(
            "A time without quotes",
            "time(due) < 2026-03-01T00:00:00Z",
            ["time(due) < '2026-03-01T00:00:00Z'"],
        ),
        Slip(
            "The present",
            "time(due) < now()",
            note="A condition depends on its event only, never on a clock.",
        ),
        Slip("A leap second", "time(due) < '2016-12-31T23:59:60Z'", ["time(due) < '2017-01-01T00:00:00Z'"]),
    ),
}
