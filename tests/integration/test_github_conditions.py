"""The whole language of conditions on 238 real webhook events: answers as ordinary Python gives them, and explained."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import Any

import pytest

from fraiseql_observers import Condition, EntityEvent, EventMatcher, LogAction, ObserverDefinition
from fraiseql_observers.errors import ConditionEvalError
from tests.support.github_conditions import GITHUB_CONDITIONS, GithubRule, Unanswerable
from tests.support.github_events import GITHUB_EVENTS, Event, read_github_events

pytestmark = pytest.mark.skipif(
    not GITHUB_EVENTS.exists(), reason=f"the events are not beside the repository: {GITHUB_EVENTS}"
)

#: What the language has; each must stand in a rule.
FORMS = (
    *("==", "!=", "> ", "< ", ">=", "<=", " in (", " not in (", "&&", "||", " or ", "!(", "?", "(?i)"),
    *("has_field(", "is_null(", "field_changed(", "field_changed_to(", "field_changed_from(", "contains("),
    *(
        "starts_with(",
        "ends_with(",
        "matches(",
        "like(",
        "ieq(",
        "any(",
        "all(",
        "size(",
        "old(",
        "new(",
        "time(",
    ),
    *("@event_type", "@entity_type", "@entity_id", "@user_id", "@tenant_id", "@actor_type"),
    *("'opened'", '"Codertoc', "edited", "2.0", "true", "false", "null", "[0]", '["name"]', "has_field('"),
)
#: Text has no order, so that this one has no answer for any event.
NEVER_ANSWERED = {"order_of_text"}


@cache
def events() -> list[Event]:
    """Return every event, read once."""
    return read_github_events()


@cache
def forms_of_events() -> list[tuple[Event, bytes, EntityEvent]]:
    """Return every event as a dict, as the line it came in, and read."""
    lines = GITHUB_EVENTS.read_bytes().splitlines()
    return [(event, line, EntityEvent.from_json(line)) for event, line in zip(events(), lines, strict=True)]


def hears(rule: GithubRule, event: Event) -> bool:
    """Whether an event is of the rule's kind and entity."""
    return rule.event_type in ("*", event["event_type"]) and rule.entity in ("*", event["entity_type"])


def plain(rule: GithubRule, event: Event) -> str:
    """Answer in ordinary Python: `true`, `false` or the beginning of an error."""
    try:
        return str(rule.plain(event)).lower()
    except Unanswerable as error:
        return str(error)


def answer(condition: Condition, event: Any) -> str:
    """Answer as the package does: `true`, `false` or an error."""
    try:
        return str(condition.evaluate(event)).lower()
    except ConditionEvalError as error:
        return str(error)


def matcher() -> EventMatcher:
    """Return a matcher of all rules."""
    return EventMatcher.build(
        {
            name: ObserverDefinition(rule.event_type, rule.entity, [LogAction()], rule.condition)
            for name, rule in GITHUB_CONDITIONS.items()
        }
    )


def test_the_rules_use_the_whole_language() -> None:
    """Every operator, function, operand and form of a literal stands in one."""
    texts = [rule.condition for rule in GITHUB_CONDITIONS.values()]
    assert len(texts) >= 25
    assert [form for form in FORMS if not any(form in text for text in texts)] == []


@pytest.mark.parametrize("name", GITHUB_CONDITIONS)
def test_a_rule_answers_as_plain_python_does(name: str) -> None:
    """For each event, from each form of it; and the rule is true for some, false for others."""
    rule = GITHUB_CONDITIONS[name]
    condition = Condition.parse(rule.condition)
    seen = Counter[str]()
    for event, line, entity_event in forms_of_events():
        if not hears(rule, event):
            continue
        expected = plain(rule, event)
        # Reading takes longer than answering: the other forms are tried until the rule has answered both ways.
        forms = (
            (entity_event,) if seen["true"] and seen["false"] else (entity_event, line, line.decode(), event)
        )
        (found,) = {answer(condition, form) for form in forms}
        assert found.startswith(expected), (event["event_type"], event["entity_type"])
        seen[expected] += 1
    assert name in NEVER_ANSWERED or (seen["true"] and seen["false"])


def test_the_matcher_finds_what_plain_python_finds() -> None:
    """All rules at once, names in their order, errors grouped by text with the number of rules."""
    rules = matcher()
    erred = 0
    for event in events():
        found = rules.find_matches(event)
        answers = {name: plain(rule, event) for name, rule in GITHUB_CONDITIONS.items() if hears(rule, event)}
        assert [match.name for match in found] == [name for name, said in answers.items() if said == "true"]
        assert sum(count for _, count in found.errors) == sum(
            said not in ("true", "false") for said in answers.values()
        )
        assert len({text for text, _ in found.errors}) == len(found.errors)
        erred += len(found.errors)
    assert erred


def test_explanations_say_what_the_matcher_says() -> None:
    """For each event and rule: the verdict, the error, and leaves that lead to the outcome."""
    rules = matcher()
    for event in events():
        found = rules.find_matches(event)
        explained = rules.explain(event)
        assert [rule.name for rule in explained] == list(GITHUB_CONDITIONS)
        assert [rule.name for rule in explained if rule.matched] == [match.name for match in found]
        errors = Counter[str]()
        for rule in explained:
            assert (rule.condition is None) == (not hears(GITHUB_CONDITIONS[rule.name], event))
            if rule.condition is None:
                assert rule.verdict in ("other_kind", "other_entity")
                continue
            verdicts = {"true": "matched", "false": "condition_false", "error": "condition_error"}
            assert rule.verdict == verdicts[rule.condition.outcome]
            if rule.condition.error is not None:
                errors[rule.condition.error] += 1
            check_leaves(rule.condition.to_dict())
        assert errors == dict(found.errors)


def check_leaves(explanation: dict[str, Any]) -> None:
    """Compute the outcome once more from what the leaves came to, in Python's own logic."""
    leaves = explanation["leaves"]
    rest = explanation["condition"]
    skeleton = ""
    for number, seen in enumerate(leaves):
        before, rest = rest.split(seen["text"], 1)
        skeleton += f"{before}leaf({number})"
        assert (seen["outcome"] == "not_reached") <= bool(seen["reason"])
        assert (seen["outcome"] == "error") == (seen["error"] is not None)
    skeleton += rest
    for ours, pythons in (("&&", " and "), ("||", " or "), ("!", " not ")):
        skeleton = skeleton.replace(ours, pythons)
    assert re.fullmatch(r"(?: |and|or|not|[()]|leaf\(\d+\))+", skeleton)
    reached: list[int] = []

    def leaf(number: int) -> bool:
        reached.append(number)
        if leaves[number]["outcome"] == "error":
            raise Unanswerable(leaves[number]["error"])
        return bool(leaves[number]["outcome"] == "true")

    try:
        outcome, error = str(bool(eval(skeleton, {"leaf": leaf}))).lower(), None  # noqa: S307 - checked above
    except Unanswerable as cannot:
        outcome, error = "error", str(cannot)
    assert (outcome, error) == (explanation["outcome"], explanation["error"])
    assert reached == [at for at, seen in enumerate(leaves) if seen["outcome"] != "not_reached"]
