"""The whole language of conditions on 238 real webhook events: answered as plain Python answers, and explained."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import pytest

from fraiseql_observers import Condition, EntityEvent, EventMatcher, LogAction, ObserverDefinition
from fraiseql_observers.errors import ConditionEvalError
from tests.support.explained import check_explanation
from tests.support.github_change_rules import CHANGE_RULES
from tests.support.github_events import GITHUB_EVENTS, Event, read_github_events
from tests.support.github_function_rules import FUNCTION_RULES
from tests.support.github_value_rules import VALUE_RULES
from tests.support.plain_conditions import Missing, NoPreImage, Rule, Unanswerable, WrongType

RULES = {**VALUE_RULES.rules, **FUNCTION_RULES.rules, **CHANGE_RULES.rules}

#: What the language has, by its specification, as it looks in a text whose quotes are emptied.
LANGUAGE = {
    **{f"comparison {op}": rf"[\w\]?)] {op} " for op in ("==", "!=", ">", "<", ">=", "<=")},
    **{
        f"time {op}": rf"time\([\w.]+\??\) {op} " for op in ("==", "!=", ">", "<", ">=", "<=", "in", "not in")
    },
    **{f"operator {op}": rf"[\w)\"'] {re.escape(op)} " for op in ("&&", "||", "and", "or")},
    **{f"{name} of a path": rf"\b{name}\([a-z_.]+\)" for name in ("size", "old", "new", "time")},
    **{f"{name} of a path?": rf"\b{name}\([a-z_.]+\?\)" for name in ("size", "old", "new", "time")},
    **{
        f"{name} of a {what}": rf"\b{name}\({form}[,)]"
        for name in ("has_field", "field_changed", "field_changed_to", "field_changed_from")
        for what, form in (("key", "''"), ("path", r"[a-z_]+"), ("nested path", r"[a-z_]+\.[a-z_.]+"))
        if (name, what) != ("field_changed_to", "nested path")
    },
    **{
        f"{name} of {what}": rf"\b{name}\({form}[,)]"
        for name, what, form in (
            ("is_null", "a key", "''"),
            ("is_null", "a path", r"[a-z_.]+"),
            ("is_null", "a path?", r"[a-z_.]+\?"),
            ("is_null", "a field of the envelope", "@[a-z_]+"),
            ("contains", "a path", r"[a-z_.]+"),
            ("contains", "a path?", r"[a-z_.]+\?"),
            ("contains", "a field of the envelope", "@[a-z_]+"),
            ("starts_with", "a key", "''"),
            ("ends_with", "a path?", r"[a-z_.]+\?"),
            ("ends_with", "a field of the envelope", "@[a-z_]+"),
            ("matches", "a path?", r"[a-z_.]+\?"),
            ("matches", "a field of the envelope", "@[a-z_]+"),
            ("like", "a path", r"[a-z_.]+"),
            ("like", "a path?", r"[a-z_.]+\?"),
            ("like", "a field of the envelope", "@[a-z_]+"),
            ("ieq", "a path", r"[a-z_.]+"),
            ("any", "a path", r"[a-z_.]+"),
            ("any", "a path?", r"[a-z_.]+\?"),
            ("all", "a path?", r"[a-z_.]+\?"),
        )
    },
    **{
        f"envelope {name}": f"@{name}"
        for name in ("event_type", "entity_type", "entity_id", "user_id", "tenant_id", "actor_type")
    },
    "negation !": r"!\(|! ?[a-z]",
    "negation not": r"(^|and )not [a-z]",
    "in": r"[a-z_?] in \(",
    "not in": r"[a-z_?] not in \(",
    "?": r"[a-z_]\? [=!<>]=? ",
    "? in": r"\? in \(",
    "? not in": r"\? not in \(",
    "nested path": r"[a-z_]\.[a-z_]",
    "index": r"\[\d+\]",
    "quoted key of a path": r'\[""\]',
    "path after a quoted key or an index": r"\]\.|\]\[",
    "parentheses": r"(^|[!(] ?|(&&|\|\|) )\([a-z]",
    "single quotes": "== ''",
    "double quotes": '== ""',
    "bare word": r"== (?!true|false|null)[a-z]+",
    "bare nothing": "== (&&|$)",
    "bare nothing in a list": r"\(,",
    "integer": r"== \d+( |$)",
    "negative number": r"-\d",
    "fraction": r"\d\.\d",
    "exponent": r"\de\d",
    "true": "== true",
    "false": "== false",
    "null": "== null",
    "list of mixed literals": r"in \('', [a-z]+, \"\", \d, null\)",
}

needs_the_events = pytest.mark.skipif(
    not GITHUB_EVENTS.exists(), reason=f"the events are not beside the repository: {GITHUB_EVENTS}"
)


@cache
def events() -> list[tuple[Event, EntityEvent]]:
    """Return every event, as read by the standard library alone and as the package reads it."""
    lines = GITHUB_EVENTS.read_bytes().splitlines()
    return list(zip(read_github_events(), map(EntityEvent.from_json, lines), strict=True))


def plain(rule: Rule, event: Event) -> str:
    """Answer in ordinary Python: `true`, `false`, or the text of the error."""
    try:
        return str(rule.plain(event)).lower()
    except Unanswerable as error:
        return str(error)


def answer(condition: Condition, event: EntityEvent | bytes | str | Event) -> str:
    """Answer as the package does, in the same words."""
    try:
        return str(condition.evaluate(event)).lower()
    except ConditionEvalError as error:
        return str(error)


@cache
def matcher() -> EventMatcher:
    """Return a matcher that has all rules."""
    return EventMatcher.build(
        {
            name: ObserverDefinition(rule.event_type, rule.entity, [LogAction()], rule.condition)
            for name, rule in RULES.items()
        }
    )


def test_the_rules_use_all_that_the_language_has() -> None:
    books = (VALUE_RULES, FUNCTION_RULES, CHANGE_RULES)
    assert len(RULES) == sum(len(book.rules) for book in books) >= 30, "no name stands in two books"
    texts = [
        re.sub(r"'[^']*'", "''", re.sub(r'"(\\.|[^"\\])*"', '""', rule.condition)) for rule in RULES.values()
    ]
    unused = [form for form, look in LANGUAGE.items() if not any(re.search(look, text) for text in texts)]
    assert unused == []


@needs_the_events
@pytest.mark.parametrize("name", RULES)
def test_a_rule_answers_as_plain_python_does(name: str) -> None:
    """For each event, to the last letter of an error; it is true for some and false for others."""
    rule = RULES[name]
    condition = Condition.parse(rule.condition)
    seen = Counter[str]()
    for raw, event in events():
        if rule.hears(raw):
            expected = plain(rule, raw)
            assert answer(condition, event) == expected, raw["id"]
            seen[expected] += 1
    assert seen["true"]
    assert seen["false"]


@needs_the_events
def test_some_rules_cannot_be_answered_for_each_of_the_reasons_there_are() -> None:
    reasons = Counter[type[Unanswerable]]()
    for rule in RULES.values():
        raised = set[type[Unanswerable]]()
        for raw, _ in events():
            if rule.hears(raw):
                try:
                    rule.plain(raw)
                except Unanswerable as error:
                    raised.add(type(error))
        reasons.update(raised)
    assert set(reasons) == {Missing, WrongType, NoPreImage}
    assert min(reasons.values()) >= 5


@needs_the_events
def test_the_matcher_finds_what_plain_python_finds() -> None:
    """All rules at once: names in order of definition, and errors by their text with the number of rules."""
    for raw, event in events():
        answers = {name: plain(rule, raw) for name, rule in RULES.items() if rule.hears(raw)}
        errors = Counter(said for said in answers.values() if said not in ("true", "false"))
        found = matcher().find_matches(event)
        assert [match.name for match in found] == [name for name, said in answers.items() if said == "true"]
        assert [match.definition.condition for match in found] == [
            RULES[match.name].condition for match in found
        ]
        assert len(found.errors) == len(errors)
        assert dict(found.errors) == errors


@needs_the_events
def test_an_explanation_says_what_the_matcher_says() -> None:
    """For each event and rule: the verdict, the outcome, and the error."""
    for raw, event in events():
        found = matcher().find_matches(event)
        explained = matcher().explain(event)
        assert [rule.name for rule in explained] == list(RULES)
        assert [rule.name for rule in explained if rule.matched] == [match.name for match in found]
        errors = Counter[str]()
        for rule in explained:
            if not RULES[rule.name].hears(raw):
                assert (rule.condition, rule.matched) == (None, False)
                kind = RULES[rule.name].event_type.upper()
                assert rule.verdict == ("other_entity" if kind in ("*", raw["event_type"]) else "other_kind")
                continue
            assert rule.condition is not None
            assert rule.condition.condition == RULES[rule.name].condition
            outcome = {"matched": "true", "condition_false": "false", "condition_error": "error"}[
                rule.verdict
            ]
            assert rule.condition.outcome == outcome
            errors.update([rule.condition.error] if rule.condition.error is not None else [])
        assert errors == dict(found.errors)


@needs_the_events
def test_the_leaves_of_an_explanation_lead_to_its_outcome() -> None:
    """The first leaf that decides or errs ends a chain; later ones say why they were not reached."""
    outcomes = Counter[str]()
    for raw, event in events():
        for rule in matcher().explain(event):
            if rule.condition is not None:
                explanation = rule.condition.to_dict()
                check_explanation(explanation, raw)
                outcomes.update(leaf["outcome"] for leaf in explanation["leaves"])
    assert set(outcomes) == {"true", "false", "error", "not_reached"}


@needs_the_events
def test_a_condition_explains_alone_what_the_matcher_explains() -> None:
    conditions = {name: Condition.parse(rule.condition) for name, rule in RULES.items()}
    for _, event in events()[::5]:
        for rule in matcher().explain(event):
            if rule.condition is not None:
                assert conditions[rule.name].explain(event) == rule.condition


@needs_the_events
def test_all_rules_find_the_same_in_an_event_as_bytes_text_dict_or_object() -> None:
    """For every third event: reading one in four forms takes longer than all that is asked of it."""
    lines = GITHUB_EVENTS.read_bytes().splitlines()
    for line, (raw, event) in list(zip(lines, events(), strict=True))[::3]:
        found = matcher().find_matches(event)
        for form in (line, line.decode(), raw):
            matches = matcher().find_matches(form)
            assert (list(matches), matches.errors) == (list(found), found.errors)


@needs_the_events
def test_all_rules_answer_and_explain_an_event_as_bytes_text_dict_or_object_alike() -> None:
    """For some events of several entities, conditions alone too."""
    conditions = [Condition.parse(rule.condition) for rule in list(RULES.values())[::3]]
    lines = GITHUB_EVENTS.read_bytes().splitlines()
    for line, (raw, event) in list(zip(lines, events(), strict=True))[::40]:
        explained = matcher().explain(event)
        answers = [answer(condition, event) for condition in conditions]
        explanations = [condition.explain(event) for condition in conditions]
        for form in (line, line.decode(), raw):
            assert matcher().explain(form) == explained
            assert [answer(condition, form) for condition in conditions] == answers
            assert [condition.explain(form) for condition in conditions] == explanations
