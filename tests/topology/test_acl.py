"""The user of the documentation: everything works with exactly its rights, and each right that is taken is told.

The line is read from the reference page, so that the page cannot say anything else than what is tested.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from redis import Redis

from fraiseql_observers._core import RedisQueue
from fraiseql_observers.errors import QueueError, QueueRefused
from tests.support.command import run_here
from tests.support.documentation import REPOSITORY
from tests.support.lanes import options_for
from tests.support.server import ServerProcess
from tests.support.site import Site
from tests.support.wait import wait_until

pytestmark = pytest.mark.row(47)

PAGE = REPOSITORY / "docs" / "reference" / "redis-keys.md"
PASSWORD = "canary-of-the-user"
#: Rights without which a worker still works: what they serve is not asked for in these tests, or only says less.
SPARED = {"+wait", "+waitaof", "+client|id", "+cluster|slots", "+config|get", "+asking"}


def documented_rights() -> list[str]:
    """Return the words of the documented ``ACL SETUSER`` line after the user's name."""
    [line] = re.findall(r"^ACL SETUSER fraiseql (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return shlex.split(line)


def ask(client: Redis, *words: str) -> Any:
    """Ask a server anything."""
    return client.execute_command(*words)  # type: ignore[no-untyped-call]


def allow(admin: Redis, prefix: str, rights: list[str]) -> None:
    """Make the user anew with these rights; a command that an older server does not have is left out."""
    known = {name.decode().lower() for name in ask(admin, "COMMAND LIST")}
    words = [
        word.replace("PASSWORD", PASSWORD).replace("fraiseql", prefix)
        for word in rights
        if not word.startswith("+") or word[1:].partition("|")[0] in known
    ]
    ask(admin, "ACL", "SETUSER", "fraiseql", "reset", *words)


@pytest.fixture
def admin(fresh_server: ServerProcess, prefix: str) -> Iterator[Redis]:
    """A client that may do everything, on a server that lets in nobody else but the documented user."""
    with fresh_server.client() as client:
        allow(client, prefix, documented_rights())
        yield client


@pytest.fixture
def site(admin: Redis, fresh_server: ServerProcess, tmp_path: Path, prefix: str) -> Site:
    """A site whose programs are the documented user."""
    del admin
    url = f"redis://fraiseql:{PASSWORD}@127.0.0.1:{fresh_server.port}"
    return Site(tmp_path, url, prefix, handlers=("quick", "refusing", "once_failing", "slow"))


def test_everything_works_with_exactly_the_documented_rights(site: Site, admin: Redis) -> None:
    """A producer, a worker and an operator: publish, retry, dead letters, cancel, replay, remove, look."""
    ended = site.publish("Quick", 5) + site.publish("Once_Failing", 3)
    dead = site.publish("Refusing", 3)
    with site.worker() as worker:
        worker.ready()
        wait_until(lambda: site.stats().dead == len(dead) and site.stats().pending == 0)
        wait_until(lambda: site.stats().scheduled == 0 and site.stats().running == 0)
        assert worker.stop() == 0
    later = site.publish("Slow", 2, secs=0)
    config = ["--config", str(site.path)]
    for command in (
        ["status"],
        ["jobs", "list"],
        ["jobs", "show", str(ended[0])],
        ["jobs", "cancel", str(later[0])],
        ["dlq", "list"],
        ["dlq", "show", str(dead[0])],
        ["dlq", "replay", str(dead[0])],
        ["dlq", "remove", str(dead[1])],
        ["dlq", "clear", "--yes"],
    ):
        done = run_here([*command, *config])
        assert done.code == 0, (command, done)
    assert site.stats().dead == 0
    # A server writes down what it refuses. What the client library says of itself, and one setting that says what
    # the server keeps, are asked for and not needed.
    refused = {str(entry["object"]) for entry in admin.acl_log()}
    assert refused <= {"client|setinfo", "client|SETINFO", "config|get"}, refused


def test_the_user_reaches_nothing_of_others(admin: Redis, fresh_server: ServerProcess, prefix: str) -> None:
    """Neither keys beside the prefix nor commands that look at all of them."""
    admin.set("other", "1")
    with Redis(port=fresh_server.port, username="fraiseql", password=PASSWORD) as user:
        for command in (
            ("HGET", "other", "x"),
            ("HSET", f"{prefix}x:default:0", "a", "b"),
            ("KEYS", "*"),
            ("FLUSHALL",),
            ("CONFIG", "SET", "appendonly", "no"),
            ("ACL", "LIST"),
        ):
            with pytest.raises(Exception, match=r"(?i)no ?perm"):
                ask(user, *command)


def rights_of_a_turn() -> list[str]:
    """Return the rights that are taken away one by one."""
    return [word for word in documented_rights() if word.startswith("+") and word not in SPARED]


def steps_of(site: Site) -> Iterator[str]:
    """Do everything once more, step by step; give what each step has said where it was refused."""
    config = ["--config", str(site.path)]
    try:
        jobs: list[UUID] = site.publish("Refusing", 1)
    except QueueError as error:
        if not isinstance(error, QueueRefused):
            raise
        yield str(error)
        jobs = [uuid4()]
    for command in (["jobs", "list", "--state", state] for state in ("pending", "scheduled", "completed")):
        done = run_here([*command, *config])
        if done.code:
            yield done.err
    for command in (["status"], ["jobs", "show", str(jobs[0])], ["jobs", "cancel", str(jobs[0])]):
        done = run_here([*command, *config])
        if done.code == 3:
            yield done.err


@pytest.mark.long
def test_each_right_that_is_taken_is_told(site: Site, admin: Redis, prefix: str) -> None:
    """Taken while it works: an error of its own class with the server's word for it, never an endless wait."""
    site.publish("Quick", 1)
    told = {}
    for right in rights_of_a_turn():
        allow(admin, prefix, [*documented_rights(), f"-{right[1:]}"])
        for text in steps_of(site):
            assert "refused" in text, (right, text)
            assert PASSWORD not in text
            told[right] = text
    # The others are a worker's own: they are taken in the next test.
    assert {"+evalsha", "+info", "+hget", "+lpush", "+zrange"} <= told.keys()
    assert all("NOPERM" in text for text in told.values()), told


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (["-evalsha"], "NOPERM"),
        (["-hget"], "NOPERM"),
        (["resetkeys"], "NOPERM"),
        ([">another", f"<{PASSWORD}"], "the login is refused"),
        (["off"], "the login is refused"),
    ],
)
def test_a_running_worker_from_which_rights_are_taken_ends_with_the_cause(
    change: list[str], cause: str, site: Site, admin: Redis
) -> None:
    """Exit code 3, so that whoever runs it sees that nothing will happen until somebody changes something."""
    with site.worker() as worker:
        worker.ready()
        ask(admin, "ACL", "SETUSER", "fraiseql", *change)
        if "login" in cause:
            ask(admin, "CLIENT", "KILL", "USER", "fraiseql")
        assert worker.wait(30) == 3, worker.log
        assert cause in worker.log, worker.log
        assert PASSWORD not in worker.log


@pytest.mark.parametrize("password", ["wrong", None])
def test_a_worker_with_the_wrong_login_does_not_start(
    password: str | None, fresh_server: ServerProcess, tmp_path: Path, prefix: str
) -> None:
    """It does not wait, since waiting would not help."""
    with fresh_server.client() as client:
        client.execute_command("CONFIG", "SET", "requirepass", PASSWORD)
    login = f":{password}@" if password else ""
    site = Site(tmp_path, f"redis://{login}127.0.0.1:{fresh_server.port}", prefix)
    with site.worker() as worker:
        assert worker.wait(20) == 3, worker.log
        assert "WRONGPASS" in worker.log or "NOAUTH" in worker.log or "login is refused" in worker.log
        assert PASSWORD not in worker.log


def test_the_facts_are_read_without_the_right_to_read_settings(
    site: Site, admin: Redis, fresh_server: ServerProcess
) -> None:
    """What the server keeps is then shown as less, never as more."""
    del admin, site
    queue = RedisQueue(f"redis://fraiseql:{PASSWORD}@127.0.0.1:{fresh_server.port}", options_for("unused"))
    with pytest.raises(QueueRefused, match="NOPERM"):
        queue.open_blocking()
    assert json.dumps(PASSWORD) not in repr(queue)
