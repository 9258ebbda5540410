"""Fields that may be missing, and fields that changed."""

from __future__ import annotations

from tests.contract.fine_print.both import REFUSED, Answer, event, hold, no_pre_image


def test_a_question_mark_may_follow_a_bare_path_wherever_a_value_is_read(answer: Answer) -> None:
    forms = [
        *(
            "p? == 1",
            "p? in (1)",
            "p? not in (1)",
            "is_null(p?)",
            "contains(p?, 'x')",
            "starts_with(p?, 'x')",
        ),
        *("ends_with(p?, 'x')", "matches(p?, 'x')", "like(p?, 'x')", "ieq(p?, 'x')", "size(p?) == 0"),
        *(
            "old(p?) == 1",
            "new(p?) != 1",
            "time(p?) != '2026-01-01T00:00:00Z'",
            "any(p?, a == 1)",
            "all(p?, a == 1)",
        ),
        *("p.q[0]? != 1", "p ? != 1"),
    ]
    hold(answer, event(), dict.fromkeys(forms, "false") | {f"!({form})": "true" for form in forms})
    hold(answer, event({"p": "text"}), {"p.q? == 1": "false", "p[0]? != 1": "false"})


def test_a_question_mark_follows_nothing_else(answer: Answer) -> None:
    cases = [
        "has_field(p?)",
        "field_changed(p?)",
        "size(p)? == 1",
        "contains('p'?, 'x')",
        "@user_id? == 1",
        "p?.q == 1",
    ]
    hold(answer, event({"p": 1}), dict.fromkeys(cases, REFUSED))


def test_a_present_null_is_not_missing(answer: Answer) -> None:
    hold(answer, event({"p": None}), {"p? == null": "true", "p? != 1": "true", "is_null(p?)": "true"})


def test_only_has_field_and_field_changed_accept_a_missing_field(answer: Answer) -> None:
    hold(
        answer,
        event(),
        {
            "has_field(p)": "false",
            "field_changed(p)": "false",
            "is_null(p)": "Field not found: p",
            "size(p) == 0": "Field not found: p",
            "any(p, a == 1)": "Field not found: p",
            "time(p) > '2026-01-01T00:00:00Z'": "Field not found: p",
        },
    )


def test_an_index_on_an_object_or_a_name_on_an_array_is_missing(answer: Answer) -> None:
    hold(
        answer,
        event({"o": {"0": 1}, "l": [1]}),
        {
            "o[0] == 1": "Field not found: o[0]",
            'o["0"] == 1': "true",
            "l.a == 1": "Field not found: l.a",
            "l[1] == 1": "Field not found: l[1]",
            "l[-1] == 1": REFUSED,
        },
    )


def test_a_quoted_key_is_taken_literally_and_a_bare_path_is_walked(answer: Answer) -> None:
    given = event({"a.b": 1, "a": {"c": None}})
    hold(
        answer,
        given,
        {
            "has_field('a.b')": "true",
            "has_field(a.b)": "false",
            "has_field(a.c)": "true",
            "has_field('a.c')": "false",
            "is_null('a.b')": "false",
        },
    )


def test_a_field_in_changes_has_changed_even_if_old_equals_new(answer: Answer) -> None:
    changes = {"a": {"old": 1, "new": 1}}
    hold(
        answer,
        event(kind="UPDATE", changes=changes),
        {"field_changed(a)": "true", "field_changed_to(a, 1)": "true", "field_changed('b')": "false"},
    )


def test_below_its_first_name_a_path_has_changed_if_old_and_new_differ(answer: Answer) -> None:
    changes = {"a": {"old": {"x": 1, "y": [1], "gone": 0}, "new": {"x": 1.0, "y": [2]}}}
    hold(
        answer,
        event(kind="UPDATE", changes=changes),
        {
            "field_changed(a.x)": "false",
            "field_changed_to(a.x, 1)": "false",
            "field_changed(a.y)": "true",
            "field_changed_to(a.y[0], 2)": "true",
            "field_changed(a.gone)": "true",
            "field_changed_from(a.gone, 0)": "true",
            "field_changed_to(a.gone, 0)": "false",
            "field_changed(a.never)": "false",
        },
    )


def test_old_and_new_are_the_entrys_else_the_datas(answer: Answer) -> None:
    changes = {"a": {"old": {"x": 1}, "new": None}}
    given = {"data": {"a": 5, "b": 6}, "changes": changes}
    cases = {"old(a.x) == 1": "true", "new(a) == null": "true", "new(a.x?) == 1": "false"}
    for kind in ("INSERT", "UPDATE", "DELETE", "CUSTOM"):
        hold(answer, event(kind=kind, **given), cases)
    hold(answer, event(kind="UPDATE", **given), {"old(b) == 6": "true", "new(b) == 6": "true"})
    hold(answer, event(kind="CUSTOM", data={"b": 6}), {"old(b) == 6": "true", "new(b) == 6": "true"})
    hold(
        answer,
        event(kind="INSERT", **given),
        {"old(b) == 6": "Field not found: b (in old(b))", "old(b?) != 6": "false", "new(b) == 6": "true"},
    )
    hold(
        answer,
        event(kind="DELETE", **given),
        {"new(b) == 6": "Field not found: b (in new(b))", "old(b) == 6": "true"},
    )


def test_old_and_new_of_an_untracked_update_are_the_pre_image_error(answer: Answer) -> None:
    hold(
        answer,
        event({"b": 6}, kind="UPDATE"),
        {"old(b) == 6": no_pre_image("old(b)"), "!(new(b?) == 6)": no_pre_image("new(b)")},
    )
