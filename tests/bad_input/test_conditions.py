"""Rows 30–34: texts that are no condition, and events that cannot answer one; no exception leaves the matcher."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from fraiseql_observers import (
    Condition,
    ConditionEvalError,
    ConditionSyntaxError,
    Config,
    EntityEvent,
    EventMatcher,
)
from fraiseql_observers._core import MemoryQueue
from fraiseql_observers.assembly import queue_options
from fraiseql_observers.errors import ConfigError
from fraiseql_observers.executor import BlockingQueuedObserverExecutor
from fraiseql_observers.problems import ProblemKind
from tests.bad_input.refusals import checked, only, refused_text, toml, write
from tests.bad_input.ways_in import ENTITY_ID
from tests.support.configs import log_observer

#: Texts that are no condition, with the offset in characters at which the mistake is.
NO_CONDITIONS: dict[str, tuple[str, int]] = {
    "empty": ("", 0),
    "spaces": ("   ", 0),
    "a lone =": ("a = 1", 2),
    "a lone &": ("a == 1 & b == 2", 7),
    "a lone |": ("a == 1 | b == 2", 7),
    "two operators": ("a == == 1", 5),
    "an operator first": ("== 1", 0),
    "and last": ("a == 1 &&", 9),
    "or last": ("a == 1 or ", 10),
    "not last": ("!", 1),
    "and first": ("&& a == 1", 0),
    "open parenthesis": ("(a == 1", 7),
    "closed twice": ("a == 1)", 6),
    "only parentheses": ("()", 1),
    "open quote": ("a == 'x", 5),
    "open double quote": ('a == "x', 5),
    "bad escape": (r'a == "\x"', 5),
    "open call": ("has_field(a", 11),
    "unknown function": ("nonsense(a)", 0),
    "a function of Python": ("__import__('os')", 0),
    "a method": ("a.upper() == 'A'", 7),
    "no arguments": ("has_field()", 10),
    "too many arguments": ("has_field(a, b)", 11),
    "a trailing comma": ("contains(a, 'b',)", 15),
    "an open list": ("a in (1, 2", 10),
    "upper-case AND": ("a == 1 AND b == 2", 7),
    "a name alone": ("a", 1),
    "a right side that is a path": ("a == b[0]", 6),
    "a negative index": ("a[-1] == 1", 2),
    "an index of a name": ("a[b] == 1", 2),
    "an open index": ("a[0 == 1", 3),
    "two dots": ("a..b == 1", 2),
    "a dot last": ("a. == 1", 2),
    "an unknown @": ("@nobody == 1", 0),
    "a space after @": ("@ user_id == 1", 1),
    "arithmetic": ("a + 1 == 2", 2),
    "an assignment": ("a := 1", 2),
    "a semicolon": ("a == 1; b == 2", 6),
    "a comment": ("a == 1 # note", 7),
    "a template": ("{{ a }} == 1", 0),
    "SQL": ("a = 1 OR 1=1 --", 2),
    "NUL": ("a\x00 == 1", 1),
    "a zero-width space": ("a\u200b == 1", 1),
    "a full-width sign": ("a ＝＝ 1", 2),
    "typographic quotes": ("a == “x”", 5),
    "a bad date": ("time(a) > 'tomorrow'", 10),
    "a pattern that is none": ("matches(a, '(')", 11),
    "look-behind": ("matches(a, '(?<=x)y')", 11),
    "look-ahead": ("matches(a, 'x(?=y)')", 11),
    "a back reference": (r"matches(a, '(x)\1')", 11),
    "a pattern of 10 kB": ("matches(a, '" + "x" * 3_900 + "')", 11),
    "a pattern that is large when compiled": (r"matches(a, '(\w{100}){100}')", 11),
    "4,097 bytes": ("a == '" + "x" * 4_090 + "'", 4_096),
    "4,097 bytes of characters": ("a == '" + "é" * 2_046 + "'", 2_051),
    "depth 65": ("(" * 65 + "a == 1" + ")" * 65, 64),
    "depth 100,000": ("(" * 4_000, 64),
    "65 times !": ("!" * 65 + "a == 1", 64),
    "33 arguments": (f"contains(a{', 1' * 32})", 11),
    "1,001 items": (f"a in ({','.join(['1'] * 1_001)})", 2_006),
    "17 segments": ("a" + ".b" * 16 + " == 1", 31),
}


@pytest.mark.parametrize("name", NO_CONDITIONS)
def test_a_text_that_is_no_condition_is_refused_at_its_place(name: str) -> None:
    """With the offset, the line, and a caret under the place, within bounds."""
    text, offset = NO_CONDITIONS[name]
    with pytest.raises(ConditionSyntaxError) as caught:
        Condition.parse(text)
    error = caught.value
    assert (error.code, error.transient, error.source) == ("OB003", False, text)
    assert 0 <= error.offset <= len(text)
    # Where a limit is passed, the place is where it is passed or where what passes it begins.
    assert error.offset == offset or name[0].isdigit() or "depth" in name, error.offset
    assert f"at offset {error.offset}" in str(error)
    assert len(str(error)) < 1_000


@pytest.mark.parametrize("name", NO_CONDITIONS)
def test_a_file_with_such_a_condition_is_refused_at_its_line(name: str, tmp_path: Path) -> None:
    """When it is loaded, with the code of conditions; in code by the matcher, too."""
    text, _ = NO_CONDITIONS[name]
    head = '[observers.paid]\nevent_type = "*"\nentity = "*"\n'
    tail = '[[observers.paid.actions]]\ntype = "log"\n'
    problem = only(refused_text(tmp_path, f"{head}condition = {toml(text)}\n{tail}"))
    assert (problem.kind, problem.code) == (ProblemKind.CONDITION, "OB003")
    assert (problem.path, problem.line) == (("observers", "paid", "condition"), 4)
    with pytest.raises(ConfigError, match="OB003 condition"):
        log_observer(text)


def test_every_condition_that_is_none_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run of the check lists all of them, exit code 2."""
    text = "".join(
        f'[observers.o{number}]\nevent_type = "*"\nentity = "*"\ncondition = {toml(condition)}\n'
        f'[[observers.o{number}.actions]]\ntype = "log"\n'
        for number, (condition, _) in enumerate(NO_CONDITIONS.values())
    )
    mistakes = checked(write(tmp_path, text), monkeypatch)
    assert [mistake["key"] for mistake in mistakes] == [
        f"observers.o{n}.condition" for n in range(len(NO_CONDITIONS))
    ]


def test_a_bare_literal_may_be_empty_and_is_warned_about() -> None:
    """An operator at the end compares with an empty text, as the language has it; nobody is left to guess."""
    for text in ("a ==", "a in ()"):
        assert Condition.parse(text).warnings


@pytest.mark.parametrize("value", [None, 5, b"a == 1", ["a == 1"], {}, True], ids=lambda v: type(v).__name__)
def test_a_condition_that_is_no_text_is_refused(value: Any) -> None:
    """In code as in a file."""
    with pytest.raises(TypeError):
        Condition.parse(value)
    if value is not None:
        with pytest.raises(ConfigError, match="condition"):
            log_observer(value)


#: Conditions with the data that they are asked about: the answer, or a part of the error.
ANSWERS: list[tuple[str, Any, bool | str]] = [
    ("a == 1", {}, "Field not found: a"),
    ("a? == 1", {}, False),
    ("!(a? == 1)", {}, True),
    ("a.b == 1", {"a": 5}, "Field not found: a.b"),
    ("a[0] == 1", {"a": {}}, "Field not found: a[0]"),
    ("a[5] == 1", {"a": [1]}, "Field not found: a[5]"),
    ("a[18446744073709551615] == 1", {"a": [1]}, "Field not found"),
    ("a == null", {"a": None}, True),
    ("a == 1", {"a": None}, False),
    ("a > 1", {"a": None}, "null"),
    ("is_null(a)", {}, "Field not found: a"),
    ("is_null(a)", {"a": None}, True),
    ("has_field(a)", {"a": None}, True),
    ("a == '1'", {"a": 1}, False),
    ("a == 1", {"a": "1"}, False),
    ("a > 1", {"a": "2"}, "string"),
    ("a > '1'", {"a": "2"}, "string"),
    ("a == 1", {"a": True}, False),
    ("a == true", {"a": 1}, False),
    ("a > 0", {"a": True}, "bool"),
    ("a == 0.3", {"a": 0.1 + 0.2}, False),
    ("a == 0.30000000000000004", {"a": 0.1 + 0.2}, True),
    ("a == 9007199254740993", {"a": 2**53 + 1}, True),
    ("a == 9007199254740993", {"a": 2**53}, False),
    ("a == 9007199254740993", {"a": float(2**53)}, False),
    ("a > 9007199254740992", {"a": 2**53 + 1}, True),
    ("a == 18446744073709551615", {"a": 2**64 - 1}, True),
    ("a == 100", {"a": 100.0}, True),
    ("a == 0", {"a": -0.0}, True),
    ("a > 1", {"a": []}, "array"),
    ("a > 1", {"a": {}}, "object"),
    ("a == 1", [], "Field not found: a"),
    ("a == 1", "text", "Field not found: a"),
    ("a == 1", 5, "Field not found: a"),
    ("a == 1", None, "Field not found: a"),
    ("contains(a, 1)", {"a": 1}, "contains"),
    ("starts_with(a, 'x')", {"a": 1}, "starts_with"),
    ("matches(a, 'x')", {"a": []}, "matches"),
    ("size(a) > 1", {"a": 5}, "size"),
    ("time(a) > '2025-01-01T00:00:00Z'", {"a": "yesterday"}, "time"),
    ("any(a, b == 1)", {"a": {}}, "any"),
    ("any(a, b == 1)", {"a": [1, None, "x"]}, "Field not found"),
    ("all(a, b? == 1)", {"a": [1, None, "x"]}, False),
    ("a == shipped", {"a": "shipped"}, True),
    ("a > shipped", {"a": "shipped"}, "string"),
    ("field_changed(a)", {"a": 1}, "pre-image"),
    ("!field_changed(a)", {"a": 1}, "pre-image"),
    ("field_changed_to(a, 1)", {"a": 1}, "pre-image"),
    ("field_changed_from(a, 1)", {"a": 1}, "pre-image"),
    ("old(a) == 1", {"a": 1}, "pre-image"),
    ("has_field(a) || field_changed(a)", {"a": 1}, True),
    ("a == 2 && field_changed(a)", {"a": 1}, False),
]


@pytest.mark.parametrize(
    ("condition", "data", "expected"), ANSWERS, ids=[f"{c} of {d!r}" for c, d, _ in ANSWERS]
)
def test_every_event_has_a_defined_answer(condition: str, data: Any, expected: bool | str) -> None:  # noqa: FBT001
    """A truth value, or an error of ours; out of the matcher and the executor never an exception."""
    event = EntityEvent("UPDATE", "Order", ENTITY_ID, data)
    parsed = Condition.parse(condition)
    matcher = EventMatcher.build(
        {"good": log_observer(), "odd": log_observer(condition), "last": log_observer()}
    )
    config = Config(observers=dict(matcher.definitions))
    queue = MemoryQueue(queue_options(config))
    summary = BlockingQueuedObserverExecutor(config, queue).process_event(event)
    matches = matcher.find_matches(event)
    parsed.explain(event)
    matcher.explain(event)
    if isinstance(expected, bool):
        assert parsed.evaluate(event) is expected
        assert [match.name for match in matches] == (
            ["good", "odd", "last"] if expected else ["good", "last"]
        )
        assert (summary.conditions_skipped, summary.errors) == (0, [])
        return
    with pytest.raises(ConditionEvalError) as caught:
        parsed.evaluate(event)
    assert expected in str(caught.value)
    assert (caught.value.code, caught.value.transient) == ("OB003", False)
    # The observer that cannot be asked is left out, counted and told; its neighbours run.
    assert [match.name for match in matches] == ["good", "last"]
    ((text, count),) = matches.errors
    assert expected in text
    assert count == 1
    assert (summary.jobs_queued, summary.conditions_skipped) == (2, 1)
    assert any(expected in error for error in summary.errors)
    assert len(text) < 500


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a|aa)+$",
        "(a|a?)+$",
        "(.*a){20}",
        "^(([a-z])+.)+[A-Z]([a-z])+$",
        "(x+x+)+y",
        "([a-zA-Z]+)*$",
        ".*.*.*=.*",
    ],
)
def test_a_pattern_that_other_engines_take_for_ever_over_takes_no_time(pattern: str) -> None:
    """The engine is linear: what is backtracking elsewhere is refused or answered at once."""
    event = EntityEvent("UPDATE", "Order", ENTITY_ID, {"a": "a" * 50_000 + "!"})
    try:
        condition = Condition.parse(f"matches(a, '{pattern}')")
    except ConditionSyntaxError:
        return
    began = time.process_time()
    condition.evaluate(event)
    assert time.process_time() - began < 2.0


def test_a_hundred_observers_that_cannot_be_asked_keep_no_other_from_running() -> None:
    """All are counted; the texts in a summary are bounded."""
    observers = {f"o{n}": log_observer(f"missing_{n} == 1") for n in range(150)}
    config = Config(observers={**observers, "good": log_observer()})
    queue = MemoryQueue(queue_options(config))
    summary = BlockingQueuedObserverExecutor(config, queue).process_event(
        EntityEvent("UPDATE", "Order", ENTITY_ID, {})
    )
    assert (summary.jobs_queued, summary.conditions_skipped) == (1, 150)
    assert len(summary.errors) == 100
