"""What a job that brings its own action may refer to: what the worker's configuration refers to, and no more."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fraiseql_observers.actions.registry import ActionRegistry, build_actions
from fraiseql_observers.config import Config, SecurityConfig
from fraiseql_observers.errors import ConfigError
from fraiseql_observers.observers import ObserverDefinition
from fraiseql_observers.problems import ProblemKind

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
URL = "https://example.com/"


@pytest.fixture
def registry(tmp_path: Path) -> ActionRegistry:
    """The actions of a configuration that names one of each."""
    (tmp_path / "secret").write_text(SECRET)
    config = Config(
        security=SecurityConfig(allow_hosts=("10.0.0.1", "127.0.0.1:9000")),
        observers={
            "a": ObserverDefinition(
                "*",
                "*",
                [
                    {"type": "function", "handler": "tests.support.handlers:act"},
                    {"type": "webhook", "url_env": "HOOK", "signing_secret_file": str(tmp_path / "secret")},
                    {"type": "webhook", "url": URL, "signing_secret_env": ["NEW", "OLD"]},
                ],
            ),
            "off": ObserverDefinition("*", "*", [{"type": "webhook", "url_env": "OFF"}], enabled=False),
        },
    )
    environment = {"HOOK": URL, "OFF": URL, "NEW": SECRET, "OLD": SECRET, "OTHER": SECRET, "OTHER_URL": URL}
    return build_actions(config, environment=environment)


@pytest.mark.parametrize(
    "action",
    [
        {"type": "function", "handler": "tests.support.handlers:act"},
        {"type": "webhook", "url_env": "HOOK"},
        {"type": "webhook", "url_env": "OFF"},
        {"type": "webhook", "url": URL, "signing_secret_env": "OLD"},
        {"type": "webhook", "url": "http://10.0.0.1/", "allow_private": True},
        {"type": "webhook", "url": "http://127.0.0.1:9000/"},
        {"type": "log"},
    ],
    ids=str,
)
def test_what_the_configuration_names_may_be_used(
    registry: ActionRegistry, action: dict[str, object]
) -> None:
    """Also what only a rule names that is switched off: that is how a file allows it to jobs alone."""
    registry.build_inline(action)


@pytest.mark.parametrize(
    ("action", "key", "kind"),
    [
        ({"type": "function", "handler": "os:system"}, "handler", ProblemKind.HANDLER),
        ({"type": "function", "handler": "tests.support.handlers:other"}, "handler", ProblemKind.HANDLER),
        ({"type": "function", "handler": "antigravity:fly"}, "handler", ProblemKind.HANDLER),
        ({"type": "webhook", "url_env": "OTHER_URL"}, "url_env", ProblemKind.ENVIRONMENT),
        (
            {"type": "webhook", "url": URL, "signing_secret_env": ["NEW", "OTHER"]},
            "signing_secret_env",
            ProblemKind.ENVIRONMENT,
        ),
        (
            {"type": "webhook", "url": URL, "signing_secret_file": "/etc/passwd"},
            "signing_secret_file",
            ProblemKind.ENVIRONMENT,
        ),
        (
            {"type": "webhook", "url": "http://10.0.0.2/", "allow_private": True},
            "allow_private",
            ProblemKind.URL,
        ),
        ({"type": "webhook", "url": URL, "allow_private": True}, "allow_private", ProblemKind.URL),
        ({"type": "webhook", "url_env": "HOOK", "allow_private": True}, "allow_private", ProblemKind.URL),
        ({"type": "webhook", "url": "http://127.0.0.1:9001/"}, "url", ProblemKind.URL),
    ],
    ids=str,
)
def test_what_it_does_not_name_is_refused_before_it_is_touched(
    registry: ActionRegistry, action: dict[str, object], key: str, kind: ProblemKind
) -> None:
    """No module is imported, no variable and no file is read, no address is opened."""
    modules = set(sys.modules)
    with pytest.raises(ConfigError) as caught:
        registry.build_inline(action)
    (problem,) = caught.value.problems
    assert (problem.kind, problem.path, problem.code) == (kind, (key,), "OB005")
    assert SECRET not in str(caught.value)
    assert set(sys.modules) == modules
