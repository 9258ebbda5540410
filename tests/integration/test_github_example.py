"""`examples/github.toml` on 238 real webhook events: what it matches is what plain Python matches."""

from __future__ import annotations

from collections import Counter

import pytest

from fraiseql_observers.config import load_config
from fraiseql_observers.events import EntityEvent
from fraiseql_observers.observers import EventMatcher
from tests.support.github_events import (
    GITHUB_EVENTS,
    GITHUB_RULES,
    PLAIN_RULES,
    plain_matches,
    read_github_events,
)

needs_the_events = pytest.mark.skipif(
    not GITHUB_EVENTS.exists(), reason=f"the events are not beside the repository: {GITHUB_EVENTS}"
)


def test_every_observer_of_the_example_is_told_in_plain_python_too() -> None:
    config = load_config(GITHUB_RULES)
    assert list(config.observers) == list(PLAIN_RULES)
    assert len(config.observers) >= 10


def test_the_example_loads_without_a_warning() -> None:
    assert load_config(GITHUB_RULES).warnings == ()


@needs_the_events
def test_each_rule_matches_what_plain_python_matches() -> None:
    matcher = EventMatcher.build(load_config(GITHUB_RULES).observers)
    events = read_github_events()
    assert len(events) == 238
    found = [
        (event["id"], match.name)
        for event, line in zip(events, GITHUB_EVENTS.read_bytes().splitlines(), strict=True)
        for match in matcher.find_matches(EntityEvent.from_json(line))
    ]
    assert found == plain_matches(events)


@needs_the_events
def test_each_enabled_rule_matches_something_and_not_everything() -> None:
    counts = Counter(name for _, name in plain_matches(read_github_events()))
    enabled = {name for name, observer in load_config(GITHUB_RULES).observers.items() if observer.enabled}
    assert set(counts) == enabled
    assert max(counts.values()) < 238


@needs_the_events
def test_no_condition_of_the_example_errs_on_a_real_event() -> None:
    matcher = EventMatcher.build(load_config(GITHUB_RULES).observers)
    errors = [
        text
        for line in GITHUB_EVENTS.read_bytes().splitlines()
        for text, _ in matcher.find_matches(EntityEvent.from_json(line)).errors
    ]
    assert errors == []
