"""Row 60: jobs that a foreign hand has written make a worker do nothing that its configuration does not say."""

from __future__ import annotations

import os
import pickle
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bad_input import handlers
from tests.bad_input.forged import ForgedQueue
from tests.support.server import ServerProcess

GOOD = 10
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
URL = "https://example.com/hook"
#: What the worker's own configuration names besides.
RULES = """
[observers.hook]
event_type = "*"
entity = "Nobody"
[[observers.hook.actions]]
type = "webhook"
url = "https://example.com/hook"
signing_secret_env = "TESTS_HOOK_SECRET"
"""
#: A module beside the configuration that would leave a trace if it were imported.
TRAP = (
    "from pathlib import Path\nPath(__file__).with_name('trapped').touch()\ndef run(event, context): pass\n"
)

#: Actions that a forged job brings along, with a part of the error that its dead letter tells.
ACTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "a function of the system": ({"type": "function", "handler": "os:system"}, "is unknown"),
    "a module of the worker's folder": ({"type": "function", "handler": "trap:run"}, "is unknown"),
    "a function of the package": (
        {"type": "function", "handler": "fraiseql_observers.logs:setup"},
        "is unknown",
    ),
    "another function of a known module": (
        {"type": "function", "handler": "tests.bad_input.handlers:other"},
        "is unknown",
    ),
    "a path that is none": ({"type": "function", "handler": "os.system"}, "handler"),
    "a relative path": ({"type": "function", "handler": "..trap:run"}, "handler"),
    "a handler of a list": ({"type": "function", "handler": ["os", "system"]}, "handler"),
    "a variable with an address": ({"type": "webhook", "url_env": "TESTS_ADDRESS"}, "not the job's to read"),
    "a variable with a secret": (
        {"type": "webhook", "url": URL, "signing_secret_env": "TESTS_OTHER_SECRET"},
        "not the job's to read",
    ),
    "a file": (
        {"type": "webhook", "url": URL, "signing_secret_file": "/etc/passwd"},
        "not the job's to read",
    ),
    "a secret of its own": ({"type": "webhook", "url": URL, "signing_secret": SECRET}, "stored with the job"),
    "a header": (
        {"type": "webhook", "url": URL, "headers": {"Authorization": SECRET}},
        "stored with the job",
    ),
    "a query": ({"type": "webhook", "url": f"{URL}?token={SECRET}"}, "stored with the job"),
    "a private address": ({"type": "webhook", "url": "http://127.0.0.1:PORT/"}, "loopback"),
    "a private address, excepted": (
        {"type": "webhook", "url": "http://127.0.0.1:PORT/", "allow_private": True},
        "is not a job's to give",
    ),
    "a name of this machine, excepted": (
        {"type": "webhook", "url": "http://localhost:PORT/", "allow_private": True},
        "is not a job's to give",
    ),
    "a metadata service": (
        {"type": "webhook", "url": "http://169.254.169.254/latest/", "allow_private": True},
        "is not a job's to give",
    ),
    "a file as address": ({"type": "webhook", "url": "file:///etc/passwd"}, "scheme"),
    "an address from the data": ({"type": "webhook", "url": "https://{{ label }}/"}, "placeholder"),
    "certificates unchecked": ({"type": "webhook", "url": URL, "verify": False}, "unknown key"),
    "a timeout beyond the job's": ({"type": "webhook", "url": URL, "timeout_secs": 3600}, "job_timeout_secs"),
    "a template that computes": ({"type": "log", "message_template": "{{ 7*7 }}"}, "message_template"),
    "a template that walks": (
        {"type": "log", "message_template": "{{ job.__class__.__init__ }}"},
        "message_template",
    ),
    "a template that formats": ({"type": "log", "message_template": "{% for x in y %}"}, "message_template"),
    "a level that is none": ({"type": "log", "level": "loud"}, "level"),
    "a key that is none": ({"type": "log", "exec": "os.system('true')"}, "unknown key"),
}


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A port of this machine that nobody may connect to."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        made.listen()
        made.setblocking(False)
        yield made


@pytest.fixture
def queue(
    tmp_path: Path, server: ServerProcess, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ForgedQueue]:
    """Give a queue, with variables that only its worker should read, and a module that must not be imported."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("TESTS_HOOK_SECRET", SECRET)
    monkeypatch.setenv("TESTS_OTHER_SECRET", SECRET[::-1])
    monkeypatch.setenv("TESTS_ADDRESS", URL)
    (tmp_path / "trap.py").write_text(TRAP)
    handlers.ran.clear()
    yield ForgedQueue(tmp_path, server, prefix, RULES)
    assert not (tmp_path / "trapped").exists(), "a forged job has had a module imported"
    assert "trap" not in sys.modules


def test_a_job_does_nothing_that_the_configuration_does_not_name(
    queue: ForgedQueue, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is a dead letter with the reason, at the first attempt; its neighbours run, and no secret is told."""
    called: list[object] = []
    monkeypatch.setattr(os, "system", called.append)
    port = str(listener.getsockname()[1])
    good = queue.good(GOOD)
    forged = {}
    for name, (action, _) in ACTIONS.items():
        whole = {key: value.replace("PORT", port) if key == "url" else value for key, value in action.items()}
        forged[name] = queue.forge_job(action=whole, max_attempts=5)
    more = queue.good(GOOD)
    queue.work(lambda: queue.stats().dead == len(ACTIONS) and len(queue.ids("completed")) == 2 * GOOD)
    for name, (_, text) in ACTIONS.items():
        view = queue.view(forged[name])
        assert (view.state, view.attempt, view.reason) == ("dead_lettered", 1, "permanent_error"), name
        assert text in (view.last_error or ""), (name, view.last_error)
        assert SECRET not in (view.last_error or "")
        assert SECRET[::-1] not in (view.last_error or "")
    assert called == []
    assert len(handlers.ran) == 2 * GOOD
    with pytest.raises(BlockingIOError):
        listener.accept()
    assert [queue.view(job).state for job in (*good, *more)] == ["completed"] * 2 * GOOD


def test_a_job_of_an_observer_runs_what_the_configuration_says_whatever_it_brings(queue: ForgedQueue) -> None:
    """The action in its bytes counts for nothing but its type; an action that is not there waits for one that is."""
    known = {"observer": "act", "action_index": 0}
    evil = {"type": "function", "handler": "trap:run", "url": "http://127.0.0.1/", "verify": False}
    runs = [queue.forge_job(**known, action=evil), queue.forge_job(**known, action={"type": "function"})]
    gone = [
        queue.forge_job(observer="act", action_index=99),
        queue.forge_job(observer="nobody"),
        queue.forge_job(observer=""),
        queue.forge_job(observer="act\r\n"),
        queue.forge_job(**known, action={"type": "teleport"}),
    ]
    good = queue.good(GOOD)
    queue.work(lambda: queue.stats().parked == len(gone) and len(queue.ids("completed")) == GOOD + len(runs))
    assert handlers.ran.count("forged") == len(runs)
    assert [queue.view(job).state for job in (*runs, *good)] == ["completed"] * (GOOD + len(runs))
    assert all(queue.view(job).parked for job in gone)


class _Bomb:
    """A pickle that would end this process."""

    def __reduce__(self) -> tuple[Any, tuple[int]]:
        return os._exit, (99,)


def test_a_pickle_is_bytes_that_are_no_job(queue: ForgedQueue) -> None:
    """It is never loaded, in whatever protocol, alone, compressed or inside of an event."""
    bombs = [pickle.dumps(_Bomb(), protocol=protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    corrupt = [queue.forge(bomb) for bomb in bombs]
    inside = queue.forge_job(event={"id": "x", "data": bombs[0].decode("latin-1")})
    good = queue.good(GOOD)
    queue.work(lambda: queue.stats().dead == len(corrupt) + 1 and len(queue.ids("completed")) == GOOD)
    assert {queue.view(job).reason for job in corrupt} == {"corrupt"}
    assert [queue.view(job).raw for job in corrupt] == bombs
    assert queue.view(inside).state == "dead_lettered"
    assert [queue.view(job).state for job in good] == ["completed"] * GOOD
