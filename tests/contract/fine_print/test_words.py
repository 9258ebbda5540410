"""What the text is made of: tokens, words, literals."""

from __future__ import annotations

from tests.contract.fine_print.both import REFUSED, Answer, event, hold


def test_the_longest_match_wins(answer: Answer) -> None:
    hold(
        answer,
        event({"a": 1}),
        {"a != 2": "true", "a!=2": "true", "!a==2": "true", "a >= 1": "true", "a ! = 2": REFUSED},
    )


def test_white_space_may_stand_between_tokens_but_not_in_a_path_or_after_at(answer: Answer) -> None:
    given = event({"a": {"b": 1}, "l": [1]})
    hold(
        answer,
        given,
        {
            "\u2003a.b\u00a0==\n1\t": "true",
            "size \u3000( l ) == 1": "true",
            "has_field\n('a')": "true",
            "a .b == 1": REFUSED,
            "a. b == 1": REFUSED,
            "l [0] == 1": REFUSED,
            "l[ 0] == 1": REFUSED,
            "@ user_id == null": REFUSED,
        },
    )


def test_a_word_operator_touches_no_letter_digit_or_underscore(answer: Answer) -> None:
    given = event({"a": 1, "s": "x"})
    hold(
        answer,
        given,
        {
            "s == 'x'or a == 2": "true",
            "(a == 1)and(s == 'x')": "true",
            "1or b": REFUSED,
            "a == 1or b == 2": REFUSED,
            "s == 'x' or_ a == 2": REFUSED,
            "nota == 1": "Field not found: nota",
        },
    )


def test_not_is_a_field_where_only_a_field_can_stand(answer: Answer) -> None:
    given = event({"not": {"k": 1}, "n": [1]})
    hold(
        answer,
        given,
        {
            "not.k == 1": "true",
            'not["k"] == 1': "true",
            "not? != 1": "true",
            "not == 1": "false",
            "not != 1": "true",
            "not in (1)": "false",
            "not not in (1)": "true",
            "not n == 1": "true",
            "not (n[0] == 1)": "false",
            "not not.k == 1": "false",
        },
    )


def test_a_name_before_a_parenthesis_is_a_call_save_in_and_not(answer: Answer) -> None:
    given = event({"in": 1, "size": 2, "any": 3, "or": 4, "l": []})
    hold(
        answer,
        given,
        {
            "in == 1 && in in (1)": "true",
            "size == 2 and any == 3 and or == 4": "true",
            "in (1)": REFUSED,
            "size (l) == 0": "true",
            "all (l, x == 1)": "true",
            "total (1)": REFUSED,
        },
    )


def test_a_bare_literal_swallows_words(answer: Answer) -> None:
    given = event({"a": "or", "b": 1, "e": ""})
    hold(
        answer,
        given,
        {
            "a == or": "true",
            "a == or c == d": REFUSED,
            "a == in_progress": REFUSED,
            "e == && b == 1": "true",
            "e ==": "true",
            "e in ()": "true",
            "b in (1,)": "true",
        },
    )


def test_upper_case_operators_are_errors(answer: Answer) -> None:
    cases = ["a == 1 AND b == 2", "a == 1 OR b == 2", "NOT a == 1", "a IN (1)", "has_field(a) AND b == 2"]
    hold(answer, event({"a": 1}), dict.fromkeys(cases, REFUSED))


def test_a_right_side_is_always_a_literal(answer: Answer) -> None:
    cases = ["a == b[0]", "a == size(b)", "a == @user_id", "a == b?", "old(a) == new(a)", "a in (b[0])"]
    hold(answer, event({"a": 1}), dict.fromkeys(cases, REFUSED))
