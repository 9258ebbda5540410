"""Rows 9, 10 and 19: settings that contradict each other, names that are given twice, names that cannot be keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraiseql_observers.config import load_config
from fraiseql_observers.observers import ObserverDefinition
from fraiseql_observers.problems import ProblemKind
from tests.bad_input.refusals import CANARY, checked, only, refused_text, toml, write

OBSERVER = '[observers.paid]\nevent_type = "UPDATE"\nentity = "Order"\n'
LOG = '[[observers.paid.actions]]\ntype = "log"\n'
WEBHOOK = '[[observers.paid.actions]]\ntype = "webhook"\nurl = "https://example.com/hook"\n'
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

#: Two settings of which either may be right, and the names of both.
CONFLICTS = {
    "delays of the queue": (
        "[job_queue]\ninitial_delay_ms = 10000\nmax_delay_ms = 100\n",
        ("job_queue", "initial_delay_ms"),
        ("initial_delay_ms (10000)", "max_delay_ms (100)"),
    ),
    "one above the other": (
        "[job_queue]\ninitial_delay_ms = 101\nmax_delay_ms = 100\n",
        ("job_queue", "initial_delay_ms"),
        ("initial_delay_ms (101)", "max_delay_ms (100)"),
    ),
    "a delay and the default": (
        "[job_queue]\ninitial_delay_ms = 5001\n",
        ("job_queue", "initial_delay_ms"),
        ("initial_delay_ms (5001)", "max_delay_ms (5000)"),
    ),
    "delays of an observer": (
        f"{OBSERVER}{LOG}[observers.paid.retry]\ninitial_delay_ms = 101\nmax_delay_ms = 100\n",
        ("observers", "paid", "retry", "initial_delay_ms"),
        ("initial_delay_ms (101)", "max_delay_ms (100)"),
    ),
    "an observer and the preset": (
        f'{OBSERVER}{LOG}[observers.paid.retry]\npreset = "webhook"\nmax_delay_ms = 1000\n',
        ("observers", "paid", "retry", "max_delay_ms"),
        ("initial_delay_ms (120000)", "max_delay_ms (1000)"),
    ),
    "an observer and the queue": (
        f"{OBSERVER}{LOG}[observers.paid.retry]\ninitial_delay_ms = 6000\n",
        ("observers", "paid", "retry", "initial_delay_ms"),
        ("initial_delay_ms (6000)", "max_delay_ms (5000)"),
    ),
    "a webhook as long as its job": (
        f"{OBSERVER}{WEBHOOK}timeout_secs = 60\n",
        ("observers", "paid", "actions", 0, "timeout_secs"),
        ("timeout_secs (60)", "worker.job_timeout_secs (60)"),
    ),
    "a job as short as a webhook": (
        f"[worker]\njob_timeout_secs = 30\n{OBSERVER}{WEBHOOK}",
        ("observers", "paid", "actions", 0, "timeout_secs"),
        ("timeout_secs (30)", "worker.job_timeout_secs (30)"),
    ),
    "two addresses": (
        f'{OBSERVER}{WEBHOOK}url_env = "URL"\n',
        ("observers", "paid", "actions", 0, "url"),
        ("url", "url_env"),
    ),
    "two sources of a secret": (
        f'{OBSERVER}{WEBHOOK}signing_secret_env = "A"\nsigning_secret_file = "/a"\n',
        ("observers", "paid", "actions", 0, "signing_secret_env"),
        ("signing_secret_env", "signing_secret_file"),
    ),
    "a secret that signs nothing": (
        f'{OBSERVER}{WEBHOOK}signing_secret = "{SECRET}"\nsignature = "none"\n',
        ("observers", "paid", "actions", 0, "signing_secret"),
        ('signature = "none"',),
    ),
}
#: What is given twice, which TOML itself refuses.
TWICE = {
    "an observer": f"{OBSERVER}{LOG}{OBSERVER}",
    "an observer in quotes": f'{OBSERVER}{LOG}[observers."paid"]\nentity = "x"\n',
    "a section": "[worker]\nprocesses = 1\n[worker]\nprocesses = 2\n",
    "a setting": "[worker]\nprocesses = 1\nprocesses = 1\n",
    "a setting in quotes": '[worker]\nprocesses = 1\n"processes" = 1\n',
    "a setting with dots": "worker.processes = 1\nworker.processes = 1\n",
    "a header": f"{OBSERVER}{WEBHOOK}headers = {{ A = '{CANARY}', A = '{CANARY}' }}\n",
    "a table over a value": "worker = 1\n[worker]\nprocesses = 1\n",
    "actions and their list": f"{OBSERVER}actions = []\n{LOG}",
}
BAD_NAMES = (
    *(
        "{",
        "}",
        "{a}",
        ":",
        "a:b",
        "*",
        "a*",
        " ",
        "a b",
        " a",
        "a ",
        "\r",
        "\n",
        "a\n",
        "\r\n",
        "\x00",
        "a\x00",
    ),
    *(
        "é",
        "ß",
        "ⅷ",
        "漢",
        "a\u200b",
        "\u202ea",
        "a.b",
        "a/b",
        "a\\b",
        "'",
        '"',
        "a,b",
        "a[0]",
        "a?",
        "x" * 65,
    ),
    *(
        "#",
        "%",
        "$",
        "a@b",
        "a=b",
        "a;b",
        "`a`",
        "<a>",
        "(a)",
        "a|b",
        "a&b",
        "a!b",
        "a~b",
        "a^b",
        "+",
        "x" * 10_000,
    ),
)
NAMES_IN = {
    "a worked queue": '[worker]\nqueues = ["default", NAME]\n',
    "the prefix": "[storage]\nkey_prefix = NAME\n",
    "an observer's queue": f"{OBSERVER}queue = NAME\n{LOG}",
}


@pytest.mark.parametrize("name", CONFLICTS)
def test_a_conflict_is_refused_naming_both(name: str, tmp_path: Path) -> None:
    """Where one of them stands, with both values."""
    text, path, words = CONFLICTS[name]
    problem = only(refused_text(tmp_path, text))
    assert (problem.kind, problem.path) == (ProblemKind.CONFLICT, path)
    for word in words:
        assert word in problem.message


@pytest.mark.parametrize("attempts", [0, -1, 102])
def test_no_attempts_are_none(attempts: int, tmp_path: Path) -> None:
    """A job that may not even be tried would be lost."""
    problem = only(
        refused_text(tmp_path, f"{OBSERVER}{LOG}[observers.paid.retry]\nmax_attempts = {attempts}\n")
    )
    assert problem.kind is ProblemKind.RANGE
    assert "from 1 to 101" in problem.message


@pytest.mark.parametrize("name", TWICE)
def test_what_is_given_twice_is_refused_at_the_second(name: str, tmp_path: Path) -> None:
    """Neither of the two silently wins."""
    problem = only(refused_text(tmp_path, TWICE[name]))
    assert problem.kind in {ProblemKind.DUPLICATE, ProblemKind.SYNTAX}
    assert problem.line is not None
    assert problem.line > 1 or "headers" in TWICE[name]


@pytest.mark.parametrize("queues", ['["a", "a"]', '["default", "b", "default"]'])
def test_a_queue_that_is_named_twice_is_refused(queues: str, tmp_path: Path) -> None:
    """It would be asked twice as often as the others."""
    problem = only(refused_text(tmp_path, f"[worker]\nqueues = {queues}\n"))
    assert (problem.kind, problem.path) == (ProblemKind.DUPLICATE, ("worker", "queues"))


@pytest.mark.parametrize("queues", ["[]", '"default"', "5", "[5]", "[[]]", "[true]", '{ a = "b" }'])
def test_a_list_of_queues_that_is_none_is_refused(queues: str, tmp_path: Path) -> None:
    """A worker without a queue would wait for ever."""
    problem = only(refused_text(tmp_path, f"[worker]\nqueues = {queues}\n"))
    assert problem.path[:2] == ("worker", "queues")
    assert problem.kind in {ProblemKind.EMPTY, ProblemKind.TYPE}


@pytest.mark.parametrize(
    "actions", ["", "actions = []\n", "actions = {}\n", 'actions = "log"\n', "actions = [1]\n"]
)
def test_a_rule_without_actions_is_refused(actions: str, tmp_path: Path) -> None:
    """It would do nothing, for ever."""
    problem = only(refused_text(tmp_path, OBSERVER + actions))
    assert problem.path[:3] == ("observers", "paid", "actions")
    assert problem.kind in {ProblemKind.EMPTY, ProblemKind.MISSING, ProblemKind.TYPE}


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: ascii(name[:70]))
def test_a_name_that_cannot_be_part_of_a_key_is_refused_with_the_pattern(name: str, tmp_path: Path) -> None:
    """It becomes part of Redis keys, inside their hash tag, and of no shell, file or page."""
    for text in NAMES_IN.values():
        problem = only(refused_text(tmp_path, text.replace("NAME", toml(name))))
        assert problem.kind in {ProblemKind.NAME, ProblemKind.MISSING}
        assert "^[A-Za-z0-9_-]{1,64}$" in problem.message


@pytest.mark.parametrize("where", NAMES_IN)
def test_a_name_at_the_limits_is_accepted(where: str, tmp_path: Path) -> None:
    """Else the refusals above would show nothing."""
    for name in ("a", "x" * 64, "A-Z_09"):
        load_config(write(tmp_path, NAMES_IN[where].replace("NAME", toml(name))), environment={})


@pytest.mark.parametrize("name", ["", " ", " a", "a ", "a\n", "\x00", "a\x1b[0m", "a\u202eb", "x" * 129])
def test_an_observer_of_a_bad_name_is_refused(name: str, tmp_path: Path) -> None:
    """It travels with jobs, logs and metrics, all of which are read on one line."""
    text = OBSERVER.replace("paid", toml(name)) + LOG.replace("paid", toml(name))
    assert only(refused_text(tmp_path, text)).kind is ProblemKind.NAME


@pytest.mark.parametrize("name", ["", "  ", " Order", "Order\n", "\x00", "a\x1bb", "x" * 129])
def test_an_entity_of_a_bad_name_is_refused(name: str, tmp_path: Path) -> None:
    """No event can ever be of it."""
    problem = only(refused_text(tmp_path, OBSERVER.replace('"Order"', toml(name)) + LOG))
    assert problem.path == ("observers", "paid", "entity")
    assert problem.kind in {ProblemKind.NAME, ProblemKind.MISSING}


def test_code_is_held_to_the_same_as_a_file() -> None:
    """Who declares an observer in a program meets the same names."""
    for name in BAD_NAMES:
        with pytest.raises(ValueError, match=r"A-Za-z0-9_-"):
            ObserverDefinition("*", "*", [{"type": "log"}], queue=name)


def test_all_of_it_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One run of the check: names, conflicts and duplicates of every section, exit code 2."""
    text = (
        "[job_queue]\ninitial_delay_ms = 6000\n[worker]\nqueues = ['a', 'a']\n[storage]\nkey_prefix = 'a b'\n"
        f"{OBSERVER}queue = 'a:b'\n{WEBHOOK}timeout_secs = 60\n{WEBHOOK}url_env = 'B'\n"
    )
    mistakes = checked(write(tmp_path, text), monkeypatch)
    assert [mistake["kind"] for mistake in mistakes] == [
        "conflict",
        "duplicate",
        "name",
        "name",
        "conflict",
        "conflict",
    ]
