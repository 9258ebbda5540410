"""Limits."""

from __future__ import annotations

import pytest

from tests.contract.fine_print.both import REFUSED, Answer, core, event, hold


@pytest.mark.parametrize(
    ("fits", "exceeds"),
    [
        ("a == '" + "x" * 4_089 + "'", "a == '" + "x" * 4_090 + "'"),
        ("(" * 64 + "a == 1" + ")" * 64, "(" * 65 + "a == 1" + ")" * 65),
        ("!not " * 32 + "a == 1", "!not " * 32 + "!a == 1"),
        (f"all(a?, {'(' * 63}b == 1{')' * 63})", f"all(a?, {'(' * 64}b == 1{')' * 64})"),
        (f"a in ({','.join(['1'] * 1_000)})", f"a in ({','.join(['1'] * 1_001)})"),
        ("||".join(["a<"] * 1_024), "||".join(["!!a<"] * 683)),
        ("a? == 1 && a" + ".b" * 15 + "? == 1", "a? == 1 && a" + ".b" * 16 + "? == 1"),
    ],
    ids=["bytes", "parentheses", "negations", "all", "items", "nodes", "segments"],
)
def test_a_limit_is_exact_and_beyond_it_is_a_syntax_error(answer: Answer, fits: str, exceeds: str) -> None:
    hold(answer, event({"a": ""}), {exceeds: REFUSED})
    assert answer(fits, event({"a": ""})) != REFUSED


def test_depth_counts_what_is_open_and_not_what_was(answer: Answer) -> None:
    for group in ("(a<1)", "!a<1", "any(l, a<1)", "all(l, a<1)"):
        hold(
            answer,
            event({"a": 0, "l": [{"a": 0}]}),
            {" && ".join([group] * 65): answer(group, event({"a": 0, "l": [{"a": 0}]}))},
        )


def test_a_pattern_of_512_bytes_and_64_kib_when_compiled_is_taken_and_beyond_is_a_syntax_error() -> None:
    """Only the core compiles to its own form, so that the reference cannot tell."""
    assert core("matches(a, '" + "x" * 512 + "')", event({"a": "x" * 512})) == "true"
    assert core("matches(a, '" + "x" * 513 + "')", event({"a": "x"})) == REFUSED
    assert core("matches(a, '(?:abcdefgh){100}')", event({"a": "x"})) == "false"
    assert core(r"matches(a, '\w{50}')", event({"a": "x"})) == REFUSED


def test_a_function_takes_an_exact_number_of_arguments(answer: Answer) -> None:
    cases = [
        "has_field()",
        "has_field(a, b)",
        "contains(a)",
        "contains(a, 'b', 'c')",
        "contains(a, 'b',)",
        "any(a)",
    ]
    cases += [f"contains(a{', 1' * 32})", "field_changed_to(a, )"]
    hold(answer, event({"a": []}), dict.fromkeys(cases, REFUSED))
