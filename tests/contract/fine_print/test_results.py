"""What comes out: the table of results, and numbers."""

from __future__ import annotations

import pytest

from tests.contract.fine_print.both import REFUSED, Answer, event, hold, no_pre_image


def test_a_quoted_literal_in_a_comparison_is_a_string_always(answer: Answer) -> None:
    hold(answer, event({"total": 100, "code": "100"}), {"total == '100'": "false", 'code == "100"': "true"})


def test_a_bare_literal_is_json_if_it_is_a_scalar_else_the_string_itself(answer: Answer) -> None:
    given = event({"n": 100, "t": True, "z": None, "s": "shipped", "b": "b", "w": "007"})
    hold(
        answer,
        given,
        {
            "n == 100": "true",
            "n == 1e2": "true",
            "t == true": "true",
            "z == null": "true",
            "s == shipped": "true",
            "b == b": "true",
            "w == 007": "true",
            "n == +100": REFUSED,
        },
    )


def test_a_quoted_value_of_field_changed_to_holds_for_the_scalar_it_spells_too(answer: Answer) -> None:
    changes = {
        "s": {"old": None, "new": "100"},
        "n": {"old": True, "new": 100.0},
        "a": {"old": "a", "new": [1]},
    }
    hold(
        answer,
        event(kind="UPDATE", changes=changes),
        {
            "field_changed_to(s, '100')": "true",
            "field_changed_to(n, '100')": "true",
            "field_changed_to(n, 100)": "true",
            "field_changed_to(s, 100)": "false",
            "field_changed_from(s, 'null') && field_changed_from(n, 'true')": "true",
            "field_changed_from(a, '\"a\"')": "true",
            "field_changed_to(a, '[1]')": "false",
        },
    )


def test_a_missing_field_is_an_error_unless_a_question_mark_follows(answer: Answer) -> None:
    hold(
        answer,
        event({"o": {}}),
        {
            "f == 1": "Field not found: f",
            "o.f in (1)": "Field not found: o.f",
            "contains(f, 'x')": "Field not found: f",
            "f? == 1": "false",
        },
    )


def test_the_first_operand_that_decides_ends_it_and_the_first_error_wins(answer: Answer) -> None:
    hold(
        answer,
        event({"a": 1}),
        {
            "has_field('f') && f == 1": "false",
            "f == 1 && has_field('f')": "Field not found: f",
            "a == 1 || f == 1": "true",
            "a == 2 || f == 1 || a == 1": "Field not found: f",
            "f == 1 || g == 1": "Field not found: f",
            "!(f == 1)": "Field not found: f",
            "!!(f == 1) && a == 2": "Field not found: f",
        },
    )


def test_equality_is_semantic_case_sensitive_and_without_normalisation(answer: Answer) -> None:
    given = event(
        {"s": "É", "n": 2**53 + 1, "f": 0.1, "z": None, "o": -0.0, "big": 2**64 - 1, "low": -(2**63)}
    )
    hold(
        answer,
        given,
        {
            "s == 'é'": "false",
            "s == 'E\u0301'": "false",
            "n == 9007199254740992": "false",
            "n == 9007199254740993.0": "false",
            "n in (1, 9007199254740993)": "true",
            "f == 1e-1": "true",
            "z == null": "true",
            "o == 0": "true",
            "big == 18446744073709551615": "true",
            "big == 18446744073709551616": "false",
            "low != -9223372036854775808": "false",
        },
    )


def test_order_compares_two_numbers_exactly_and_nothing_else(answer: Answer) -> None:
    given = event({"n": 2**53 + 1, "s": "b", "t": True, "l": [1]})
    hold(
        answer,
        given,
        {
            "n > 9007199254740992": "true",
            "n > 9007199254740992.0": "true",
            "n <= 9007199254740993": "true",
            "n >= 9007199254740993 && n < 9007199254740994": "true",
            "s > 'a'": "Cannot compare s: string > string",
            "t > 0": "Cannot compare t: boolean > number",
            "l <= 1": "Cannot compare l: array <= number",
            "n < '1'": "Cannot compare n: number < string",
        },
    )


def test_has_field_holds_for_a_present_null(answer: Answer) -> None:
    hold(answer, event({"z": None}), {"has_field('z')": "true", "has_field(z.a)": "false"})


def test_field_changed_on_an_untracked_update_is_an_error_under_not_too(answer: Answer) -> None:
    hold(
        answer,
        event(kind="UPDATE"),
        {
            "field_changed('a')": no_pre_image("field_changed(a)"),
            "!field_changed_to(a.b, 1)": no_pre_image("field_changed_to(a.b)"),
            "not (field_changed_from(a, 1))": no_pre_image("field_changed_from(a)"),
        },
    )


@pytest.mark.parametrize("kind", ["INSERT", "DELETE", "CUSTOM"])
def test_field_changed_on_other_kinds_without_changes_is_false(answer: Answer, kind: str) -> None:
    hold(answer, event(kind=kind), {"field_changed('a')": "false", "!field_changed_to(a, 1)": "true"})


def test_an_unterminated_quote_or_call_is_a_syntax_error(answer: Answer) -> None:
    hold(
        answer,
        event(),
        dict.fromkeys(["a == 'x", 'a == "x', "has_field('a'", "contains(a, 'x'", "a in (1"], REFUSED),
    )


def test_a_bare_number_beyond_f64_is_a_string(answer: Answer) -> None:
    given = event({"s": "1e400", "n": 1})
    hold(
        answer,
        given,
        {"s == 1e400": "true", "n < 1e400": "Cannot compare n: number < string", "n < 1e308": "true"},
    )


def test_integers_beyond_64_bits_are_floats(answer: Answer) -> None:
    given = event({"n": 2**64, "f": float(2**64)})
    hold(answer, given, {"n == 18446744073709551617": "true", "f == 18446744073709551616": "true"})
