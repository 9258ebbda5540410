"""Functions, the types they take, arrays, the envelope and time."""

from __future__ import annotations

import pytest

from tests.contract.fine_print.both import ENTITY_ID, REFUSED, Answer, event, hold


def test_contains_takes_a_string_or_an_array(answer: Answer) -> None:
    given = event({"s": "a1", "l": [1.0, "x", None, [2]], "n": 1, "z": None})
    hold(
        answer,
        given,
        {
            "contains(s, '1')": "true",
            "contains(s, 1)": "contains(s) needs an array, found string",
            "contains(l, 1)": "true",
            "contains(l, '1')": "false",
            "contains(l, null)": "true",
            "contains(n, '1')": "contains(n) needs a string or an array, found number",
            "contains(z, 1)": "contains(z) needs a string or an array, found null",
        },
    )


@pytest.mark.parametrize("function", ["starts_with", "ends_with", "matches", "like", "ieq"])
def test_functions_of_text_take_a_string_and_nothing_else(answer: Answer, function: str) -> None:
    given = event({"s": "v", "n": 1, "z": None, "o": {}})
    hold(
        answer,
        given,
        {
            f"{function}(s, 'v')": "true",
            f"{function}(s, v)": "true",
            f"{function}(n, 'v')": f"{function}(n) needs a string, found number",
            f"{function}(z, 'v')": f"{function}(z) needs a string, found null",
            f"{function}(o, 'v')": f"{function}(o) needs a string, found object",
            f"{function}(s, 1)": REFUSED,
            f"{function}(s, null)": REFUSED,
        },
    )


def test_size_counts_code_points_items_and_entries(answer: Answer) -> None:
    given = event({"s": "é👍", "l": [1, [2, 3]], "o": {"a": 1}, "n": 1})
    hold(
        answer,
        given,
        {
            "size(s) == 2": "true",
            "size(l) == 2": "true",
            "size(o) == 1": "true",
            "size(n) == 1": "size(n) needs a string, an array or an object, found number",
        },
    )


def test_what_does_not_fit_in_the_text_itself_is_a_syntax_error(answer: Answer) -> None:
    hold(
        answer,
        event({"a": 1}),
        {
            "time(a) > '2026-02-30T00:00:00Z'": REFUSED,
            "time(a) > 5": REFUSED,
            "matches(a, '(')": REFUSED,
            "a > shipped": "Cannot compare a: number > string",
        },
    )


def test_matches_searches_unanchored(answer: Answer) -> None:
    hold(
        answer,
        event({"s": "a-b\n"}),
        {"matches(s, '-')": "true", "matches(s, '^-')": "false", "matches(s, 'b$')": "false"},
    )


def test_like_matches_the_whole_and_its_star_crosses_lines(answer: Answer) -> None:
    given = event({"s": "a.b\nc"})
    hold(
        answer,
        given,
        {
            "like(s, 'a*c')": "true",
            "like(s, 'a*b')": "false",
            "like(s, 'a?b*')": "false",
            "like(s, '*')": "true",
            "like(s, 'A*')": "false",
        },
    )


def test_ieq_compares_lower_cased_text(answer: Answer) -> None:
    given = event({"s": "ÀÉ", "ss": "ß", "i": "İ"})
    hold(
        answer,
        given,
        {
            "ieq(s, 'àÉ')": "true",
            "ieq(ss, 'SS')": "false",
            "ieq(i, 'i\u0307')": "true",
            "ieq(i, 'i')": "false",
        },
    )


def test_any_and_all_go_in_order_and_the_first_that_decides_or_errs_ends_them(answer: Answer) -> None:
    given = event({"l": [{"q": 1}, {"q": 2}, {}], "none": [], "o": {}})
    hold(
        answer,
        given,
        {
            "any(l, q == 2)": "true",
            "any(l, q == 3)": "Field not found: q (in l[2])",
            "all(l, q == 2)": "false",
            "all(l, q > 0)": "Field not found: q (in l[2])",
            "any(none, q == 1)": "false",
            "all(none, q == 1)": "true",
            "any(o, q == 1)": "any(o) needs an array, found object",
        },
    )


def test_inside_any_and_all_names_are_fields_of_the_element(answer: Answer) -> None:
    given = event({"q": 1, "l": [{"q": 2, "a.b": 1}, "text", [1]]}, user_id="u")
    hold(
        answer,
        given,
        {
            "any(l, q == 1)": "Field not found: q (in l[1])",
            "all(l, q? == 2)": "false",
            "any(l, has_field('a.b') && @user_id == 'u')": "true",
            "any(l, (not q == 1) or size(q) == 1)": "true",
            "all(l, !has_field(q) || q == 2)": "true",
        },
    )


@pytest.mark.parametrize(
    "inner",
    [
        "any(m, a == 1)",
        "all(m, a == 1)",
        "old(a) == 1",
        "new(a) == 1",
        "field_changed(a)",
        "field_changed_to(a, 1)",
    ],
)
def test_any_and_all_go_one_level_and_know_no_changes(answer: Answer, inner: str) -> None:
    hold(answer, event({"l": []}), {f"any(l, {inner})": REFUSED, f"all(l, !({inner}))": REFUSED})


def test_a_null_field_of_the_envelope_is_null(answer: Answer) -> None:
    hold(
        answer,
        event(kind="DELETE", tenant_id="t"),
        {
            "@user_id == null": "true",
            "is_null(@actor_type)": "true",
            "@tenant_id in ('t')": "true",
            "starts_with(@user_id, 'x')": "starts_with(@user_id) needs a string, found null",
            "@event_type == 'DELETE' and @entity_type == 'Order'": "true",
            f"@entity_id == '{ENTITY_ID}'": "true",
            "@user_id > 1": "Cannot compare @user_id: null > number",
        },
    )


def test_the_envelope_stands_where_a_value_functions_field_stands(answer: Answer) -> None:
    refused = [
        "@seq == 1",
        "has_field(@user_id)",
        "field_changed(@user_id)",
        "size(@user_id) == 1",
        "any(@user_id, a == 1)",
    ]
    hold(answer, event(user_id="abc"), {"like(@user_id, 'a*')": "true"} | dict.fromkeys(refused, REFUSED))


def test_time_compares_by_instant_with_all_operators_and_in(answer: Answer) -> None:
    given = event({"d": "2026-01-01T01:00:00.000000001+01:00", "leap": "2016-12-31T23:59:60Z", "n": 5})
    noon = "'2026-01-01T00:00:00.000000001Z'"
    hold(
        answer,
        given,
        {
            f"time(d) == {noon}": "true",
            f"time(d) != {noon}": "false",
            f"time(d) <= {noon} && time(d) >= {noon}": "true",
            "time(d) > '2026-01-01t00:00:00z'": "true",
            "time(d) < '2026-01-01T00:00:00Z'": "false",
            f"time(d) in ('2025-01-01T00:00:00Z', {noon})": "true",
            f"time(d) not in ({noon})": "false",
            f"time(leap) > {noon}": "time(leap) needs an RFC 3339 string, found another string",
            f"time(n) > {noon}": "time(n) needs an RFC 3339 string, found number",
            "time(d) > '2016-12-31T23:59:60Z'": REFUSED,
            "time(d) > '2026-01-01T00:00:00.0000000001Z'": REFUSED,
        },
    )


def test_time_knows_leap_years(answer: Answer) -> None:
    given = event({"d": "2000-02-29T00:00:00Z", "none": "1900-02-29T00:00:00Z"})
    hold(
        answer,
        given,
        {
            "time(d) == '2000-02-29T00:00:00Z'": "true",
            "time(d) < '2100-03-01T00:00:00Z'": "true",
            "time(d) < '2100-02-29T00:00:00Z'": REFUSED,
            "time(d) > '1900-02-29T00:00:00Z'": REFUSED,
            "time(none) < '2000-02-29T00:00:00Z'": "time(none) needs an RFC 3339 string, found another string",
        },
    )
