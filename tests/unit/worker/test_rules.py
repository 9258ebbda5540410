"""What runs a job: the action of its observer, the one it brings along, or none."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

from fraiseql_observers._core import EntityEvent, LeasedJob
from fraiseql_observers.actions.registry import build_actions
from fraiseql_observers.config import load_config
from fraiseql_observers.errors import PermanentError
from fraiseql_observers.worker.contract import Rule
from fraiseql_observers.worker.known_secrets import known_secrets
from fraiseql_observers.worker.rules import ConfiguredRules
from tests.unit.worker.fake_feed import FakeJob

FILE = """
[observers.paid]
event_type = "UPDATE"
entity = "Order"
on_failure = "log"
[[observers.paid.actions]]
type = "log"
[[observers.paid.actions]]
type = "function"
handler = "{module}:wait"
[observers.shipped]
event_type = "UPDATE"
entity = "Order"
[[observers.shipped.actions]]
type = "function"
handler = "{module}:note"
"""
HANDLERS = """
import threading
seen = []
may_end = threading.Event()
started = threading.Event()
def wait(event, context):
    started.set()
    may_end.wait(60)
async def note(event, context):
    seen.append((event, context))
"""


@pytest.fixture
def module_name(tmp_path: Path) -> str:
    """A name that no other test uses for its handlers."""
    return f"handlers_{tmp_path.name}"


@pytest.fixture
def rules(tmp_path: Path, module_name: str) -> ConfiguredRules:
    """The rules of `FILE`."""
    (tmp_path / f"{module_name}.py").write_text(HANDLERS)
    (tmp_path / "observers.toml").write_text(FILE.format(module=module_name))
    config = load_config(tmp_path / "observers.toml", environment={})
    return ConfiguredRules(config, build_actions(config))


@pytest.fixture
def module(rules: ConfiguredRules, module_name: str) -> ModuleType:
    """The handlers."""
    assert rules.names
    return __import__(module_name)


@pytest.fixture
def event() -> EntityEvent:
    """Any event."""
    return EntityEvent("UPDATE", "Order", "6b1f3c4e-5a2d-4a59-8f6a-6d6f6c1c2b3a", {"total": 1})


def test_a_job_runs_the_action_of_its_observer(
    rules: ConfiguredRules, module: ModuleType, event: EntityEvent
) -> None:
    job = FakeJob(observer="shipped", attempt=2, event=event)
    rule = find(rules, job)
    assert rule is not None
    asyncio.run(_awaited(rule.run, job))
    [(seen, context)] = module.seen
    assert seen == event
    assert (context.job_id, context.attempt, context.observer) == (job.id, 2, "shipped")


def test_every_rule_is_named(rules: ConfiguredRules) -> None:
    assert rules.names == {("paid", 0), ("paid", 1), ("shipped", 0)}


@pytest.mark.parametrize(("observer", "index"), [("paid", 2), ("gone", 0)])
def test_a_rule_that_is_gone_is_none(rules: ConfiguredRules, observer: str, index: int) -> None:
    assert find(rules, FakeJob(observer=observer, action_index=index)) is None


def test_on_failure_is_the_observers(rules: ConfiguredRules) -> None:
    found = [find(rules, FakeJob(observer=name)) for name in ("paid", "shipped")]
    assert [rule and rule.keeps_failures for rule in found] == [False, True]


def test_only_sync_functions_are_threaded(rules: ConfiguredRules) -> None:
    found = [
        find(rules, FakeJob(observer=o, action_index=i))
        for o, i in (("paid", 0), ("paid", 1), ("shipped", 0))
    ]
    assert [rule and rule.threaded for rule in found] == [False, True, False]


def test_a_job_by_hand_brings_its_action(rules: ConfiguredRules, event: EntityEvent) -> None:
    job = FakeJob(observer=None, action=b'{"type": "log", "level": "debug"}', event=event)
    rule = find(rules, job)
    assert rule is not None
    assert asyncio.run(_awaited(rule.run, job)) is None


@pytest.mark.parametrize(
    "action",
    [
        b"{",
        b"[" * 200_000,
        b'"log"',
        b'{"type": "what"}',
        json.dumps({"type": "webhook", "url": "https://example.com/?token=abcdef"}).encode(),
    ],
)
def test_an_action_brought_along_that_is_wrong_fails_for_good(rules: ConfiguredRules, action: bytes) -> None:
    job = FakeJob(observer=None, action=action)
    rule = find(rules, job)
    assert rule is not None
    with pytest.raises(PermanentError) as failed:
        asyncio.run(_awaited(rule.run, job))
    assert "abcdef" not in str(failed.value)


def test_a_thread_that_goes_on_holds_its_cancelled_task(
    rules: ConfiguredRules, module: ModuleType, event: EntityEvent
) -> None:
    """Else its slot would be given to another job, and threads would pile up."""

    async def run() -> None:
        job = FakeJob(observer="paid", action_index=1, event=event)
        rule = find(rules, job)
        assert rule is not None
        task = asyncio.ensure_future(_awaited(rule.run, job))
        await asyncio.to_thread(module.started.wait, 10)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=0.05)
        assert not done
        module.may_end.set()
        assert await task is None, "what it came to counts"

    asyncio.run(run())
    assert threading.active_count() >= 1


def test_every_secret_of_a_configuration_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNING", "whsec_canary-in-environment")
    monkeypatch.setenv("HOOK_URL", "https://example.com/hook?key=canary-in-variable")
    (tmp_path / "secret").write_text("whsec_canary-in-file\n")
    (tmp_path / "observers.toml").write_text(
        """
        job_queue.url = "redis://user:canary%2Fpassword@127.0.0.1:6379"
        [observers.a]
        event_type = "*"
        entity = "*"
        [[observers.a.actions]]
        type = "webhook"
        url_env = "HOOK_URL"
        signing_secret_env = ["SIGNING"]
        headers = { Authorization = "Bearer canary-in-header", Accept = "application/json" }
        [[observers.a.actions]]
        type = "webhook"
        url = "https://example.com/hook?key=canary-in-url"
        signing_secret_file = ["secret"]
        """
    )
    found = known_secrets(load_config(tmp_path / "observers.toml"))
    assert found >= {
        "canary%2Fpassword",
        "canary/password",
        "whsec_canary-in-environment",
        "canary-in-variable",
        "whsec_canary-in-file",
        "canary-in-header",
        "canary-in-url",
    }
    assert "application/json" not in found


def find(rules: ConfiguredRules, job: FakeJob) -> Rule | None:
    return rules.find(cast("LeasedJob", job))


async def _awaited(run: Callable[[Any], Any], job: FakeJob) -> int | None:
    status: int | None = await run(job)
    return status
