"""All actions of a configuration: resolved at once, found by observer and index, shared by a worker's jobs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from fraiseql_observers.actions.base import ActionContext
from fraiseql_observers.actions.registry import build_actions
from fraiseql_observers.config import Config, WorkerConfig, load_config
from fraiseql_observers.errors import ConfigError, UnsupportedAction
from fraiseql_observers.observers import ObserverDefinition

CANARY = "hunter2canary"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def config_of(*actions: dict[str, object], enabled: bool = True) -> Config:
    """Return a configuration of one observer."""
    return Config(observers={"paid": ObserverDefinition("UPDATE", "Order", list(actions), enabled=enabled)})


def test_action_is_found_by_observer_and_index(context: ActionContext) -> None:
    """A job carries the reference only; a rule that is gone has no action."""
    registry = build_actions(config_of({"type": "log"}, {"type": "webhook", "url": "https://example.com/"}))
    action = registry.get("paid", 0)
    assert action is not None
    asyncio.run(action.run(context))
    assert registry.get("paid", 1) is not None
    assert registry.get("paid", 2) is None
    assert registry.get("gone", 0) is None
    asyncio.run(registry.aclose())


def test_every_reference_that_leads_nowhere_is_reported_at_once() -> None:
    """A worker that cannot do its work says all the reasons before it starts."""
    config = config_of(
        {"type": "webhook", "url_env": "NO_URL", "signing_secret_file": "/no/such/file"},
        {"type": "function", "handler": "no_such_module:f"},
        {"type": "log"},
    )
    with pytest.raises(ConfigError) as caught:
        build_actions(config, environment={})
    assert [problem.path for problem in caught.value.problems] == [
        ("observers", "paid", "actions", 0, "url_env"),
        ("observers", "paid", "actions", 0, "signing_secret_file"),
        ("observers", "paid", "actions", 1, "handler"),
    ]
    assert {problem.code for problem in caught.value.problems} == {"OB005"}


def test_rule_that_is_switched_off_keeps_no_worker_from_starting() -> None:
    """Its jobs wait until it is whole again."""
    config = config_of({"type": "webhook", "url_env": "NO_URL"}, {"type": "log"}, enabled=False)
    registry = build_actions(config, environment={})
    assert registry.get("paid", 0) is None
    assert registry.get("paid", 1) is not None


def test_handlers_are_imported_from_the_folder_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, context: ActionContext
) -> None:
    """A file and its handlers can be moved together."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "handlers_beside_the_file.py").write_text(
        "seen = []\ndef f(event, context): seen.append(event)\n"
    )
    (tmp_path / "secret").write_text(SECRET)
    path = tmp_path / "observers.toml"
    path.write_text(
        '[observers.a]\nevent_type = "*"\nentity = "*"\n'
        '[[observers.a.actions]]\ntype = "function"\nhandler = "handlers_beside_the_file:f"\n'
        '[[observers.a.actions]]\ntype = "webhook"\nurl = "https://e.com/"\nsigning_secret_file = "secret"\n'
    )

    async def run() -> None:
        registry = build_actions(load_config(path, environment={}))
        action = registry.get("a", 0)
        assert action is not None
        await action.run(context)
        await registry.aclose()

    asyncio.run(run())
    assert sys.modules.pop("handlers_beside_the_file").seen == [context.event]


def test_inline_action_of_a_job_is_built_with_secrets_by_reference() -> None:
    """A job that was enqueued by hand may carry its action, and refer to what the configuration refers to."""
    named: dict[str, object] = {"type": "webhook", "url_env": "HOOK", "signing_secret_env": "HOOK_SECRET"}
    registry = build_actions(config_of(named, enabled=False), environment={"HOOK_SECRET": SECRET})
    action = {"type": "webhook", "url": "https://example.com/", "signing_secret_env": "HOOK_SECRET"}
    assert registry.build_inline(action) is not registry.build_inline(action)
    registry.build_inline({"type": "log"})


@pytest.mark.parametrize(
    "fields",
    [
        {"signing_secret": SECRET},
        {"url": f"https://example.com/?token={CANARY}"},
        {"headers": {"Authorization": CANARY}},
        {"headers": {"X-Anything": CANARY}},
    ],
)
def test_inline_action_that_holds_a_secret_is_refused(fields: dict[str, object]) -> None:
    """A job is stored where secrets must not be."""
    registry = build_actions(Config(), environment={})
    with pytest.raises(ConfigError, match="stored with the job") as caught:
        registry.build_inline({"type": "webhook", "url": "https://example.com/", **fields})
    assert CANARY not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_inline_action_must_end_before_its_job_does() -> None:
    """The webhook's own timeout says what happened; the job's only that it was too long."""
    config = Config(worker=WorkerConfig(job_timeout_secs=30))
    with pytest.raises(ConfigError, match="job_timeout_secs"):
        build_actions(config).build_inline({"type": "webhook", "url": "https://example.com/"})


@pytest.mark.parametrize("action", [{}, {"type": "wat"}, {"type": "log", "wat": 1}, {"type": 5}])
def test_inline_action_that_is_wrong_is_refused(action: dict[str, object]) -> None:
    """What a job carries is checked like what a file says."""
    with pytest.raises(ConfigError):
        build_actions(Config()).build_inline(action)
    with pytest.raises(UnsupportedAction):
        build_actions(Config()).build_inline({"type": "sms"})


def test_loading_a_configuration_imports_no_http_client_and_no_redis() -> None:
    """A producer pays for what it uses."""
    code = (
        "import sys\nimport fraiseql_observers.config, fraiseql_observers.observers, fraiseql_observers.actions\n"
        "print([name for name in ('httpx', 'httpcore', 'anyio', 'redis', 'jinja2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
