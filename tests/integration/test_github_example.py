"""`examples/github.toml` on 238 real webhook events: matched as plain Python matches, delivered once, signed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from uuid import UUID, uuid5

import pytest
from standardwebhooks import Webhook

from fraiseql_observers.config import load_config
from fraiseql_observers.events import EntityEvent
from fraiseql_observers.observers import EventMatcher
from tests.support.command import run_command
from tests.support.evidence import Delivery
from tests.support.github_events import (
    GITHUB_EVENTS,
    GITHUB_RULES,
    PLAIN_RULES,
    plain_matches,
    read_github_events,
)
from tests.support.running_receiver import ReceiverThread
from tests.support.running_worker import WorkerProcess
from tests.support.server import ServerProcess
from tests.support.wait import wait_until

_SECRET = "whsec_bm90IGEgc2VjcmV0LCBhbmQgbm90IHVzZWQgYW55d2hlcmU="

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


def _expected_jobs() -> dict[str, str]:
    """Calculate by hand the type of action of each job that the events make, by the job's id."""
    observers = load_config(GITHUB_RULES).observers
    return {
        str(uuid5(UUID(event_id), f"{index}:{name}")): action.type
        for event_id, name in plain_matches(read_github_events())
        for index, action in enumerate(observers[name].actions)
    }


def _assert_signed(delivery: Delivery) -> None:
    """Raise what the library of Standard Webhooks says against a request."""
    assert delivery.body is not None
    Webhook(_SECRET).verify(delivery.body, delivery.headers)


@needs_the_events
def test_every_match_is_delivered_once_and_signed_and_publishing_again_adds_nothing(
    tmp_path: Path, server: ServerProcess, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = _expected_jobs()
    webhooks = [job_id for job_id, action_type in jobs.items() if action_type == "webhook"]
    publish = ["publish", str(GITHUB_EVENTS), "--config", str(GITHUB_RULES), "--json"]
    with ReceiverThread(tmp_path / "evidence.ndjson", rules=()) as receiver:
        for name, value in {
            "FRAISEQL_JOB_QUEUE_URL": server.url,
            "FRAISEQL_STORAGE_KEY_PREFIX": prefix,
            "FRAISEQL_METRICS_PORT": "0",
            "FRAISEQL_SECURITY_ALLOW_HOSTS": "127.0.0.1",
            "GITHUB_HOOK_URL": f"{receiver.url}/hooks",
            "GITHUB_HOOK_SECRET": _SECRET,
        }.items():
            monkeypatch.setenv(name, value)

        with WorkerProcess(GITHUB_RULES, tmp_path / "worker.log") as worker:
            published = run_command(publish)
            assert published.code == 0, published.err
            assert published.document["events"] == 238
            assert published.document["queued"] == len(jobs)

            def is_drained() -> bool:
                worker.check()
                status = run_command(["status", "--config", str(GITHUB_RULES), "--json"]).document
                return bool(status["counters"].get("completed") == len(jobs))

            wait_until(is_drained, what="all jobs completed")
            again = run_command(publish)
            assert (again.code, again.document["queued"], again.document["duplicates"]) == (0, 0, len(jobs))
            assert worker.stop() == 0, worker.log

        deliveries = receiver.deliveries()
    assert Counter(delivery.id for delivery in deliveries) == Counter(webhooks)
    for delivery in deliveries:
        _assert_signed(delivery)
