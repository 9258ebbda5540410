"""Observers in a file: everything is checked when it is loaded, and everything is reported at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraiseql_observers.actions import LogAction, WebhookAction
from fraiseql_observers.config import Config, JobQueueConfig, load_config
from fraiseql_observers.errors import ConfigError, UnsupportedAction
from fraiseql_observers.observers import ObserverDefinition, RetryConfig
from fraiseql_observers.problems import ProblemKind

CANARY = "hunter2canary"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

HEAD = """[observers.paid]
event_type = "UPDATE"
entity = "Order"
"""
LOG = (
    HEAD
    + """[[observers.paid.actions]]
type = "log"
"""
)
WEBHOOK = (
    HEAD
    + """[[observers.paid.actions]]
type = "webhook"
url = "https://example.com/hook"
"""
)


def load(tmp_path: Path, text: str) -> Config:
    """Load `text` as a file, with an empty environment."""
    path = tmp_path / "observers.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, environment={})


def mistakes(tmp_path: Path, text: str) -> ConfigError:
    """Load `text`, which must be refused without showing the canary."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(caught.value)
    return caught.value


def test_observer_of_a_file_has_the_documented_defaults(tmp_path: Path) -> None:
    """What is not given is as the documentation says."""
    definition = load(tmp_path, LOG).observers["paid"]
    assert definition == ObserverDefinition("update", "Order", [{"type": "log"}])
    assert (definition.on_failure, definition.enabled, definition.priority) == ("dlq", True, "default")
    assert (definition.queue, definition.delay_secs, definition.condition) == ("default", 0, None)


def test_observers_keep_the_order_of_the_file(tmp_path: Path) -> None:
    """Matches come in order of definition, so the file's order is kept."""
    names = ["zebra", "apple", "mango"]
    text = "".join(LOG.replace("paid", name) for name in names)
    assert list(load(tmp_path, text).observers) == names


@pytest.mark.parametrize("word", ["INSERT", "update", "Delete", "custom", "*"])
def test_kind_of_event_is_read_in_any_case(word: str) -> None:
    """Configuration files are written by people."""
    assert ObserverDefinition(word, "*", [LogAction()]).event_type == word.upper()


@pytest.mark.parametrize(
    ("change", "path", "kind", "line"),
    [
        (("UPDATE", "created"), ("event_type",), ProblemKind.ENUM, 2),
        (('"UPDATE"', "5"), ("event_type",), ProblemKind.ENUM, 2),
        (('event_type = "UPDATE"\n', ""), ("event_type",), ProblemKind.MISSING, 1),
        (('"Order"', '""'), ("entity",), ProblemKind.MISSING, 3),
        (('"Order"', '"  "'), ("entity",), ProblemKind.MISSING, 3),
        (('"Order"', '"a\\nb"'), ("entity",), ProblemKind.NAME, 3),
        (('entity = "Order"\n', ""), ("entity",), ProblemKind.MISSING, 1),
        (('"Order"\n', '"Order"\nentitty = 1\n'), ("entitty",), ProblemKind.UNKNOWN_KEY, 4),
        (('"Order"\n', '"Order"\npriority = "high!"\n'), ("priority",), ProblemKind.ENUM, 4),
        (('"Order"\n', '"Order"\non_failure = "drop"\n'), ("on_failure",), ProblemKind.ENUM, 4),
        (('"Order"\n', '"Order"\non_failure = "alert"\n'), ("on_failure",), ProblemKind.UNSUPPORTED, 4),
        (('"Order"\n', '"Order"\nenabled = 1\n'), ("enabled",), ProblemKind.TYPE, 4),
        (('"Order"\n', '"Order"\ndelay_secs = -1\n'), ("delay_secs",), ProblemKind.RANGE, 4),
        (('"Order"\n', '"Order"\ncondition = "a = = 1"\n'), ("condition",), ProblemKind.CONDITION, 4),
        (('"Order"\n', '"Order"\ncondition = " "\n'), ("condition",), ProblemKind.CONDITION, 4),
        (('type = "log"', ""), ("actions", 0, "type"), ProblemKind.MISSING, 4),
        (('"log"', '"webhok"'), ("actions", 0, "type"), ProblemKind.ENUM, 5),
        (('"log"', "5"), ("actions", 0, "type"), ProblemKind.TYPE, 5),
        (('"log"', '"log"\nlevel = "loud"'), ("actions", 0, "level"), ProblemKind.ENUM, 6),
        (('"log"', '"log"\nurl = "x"'), ("actions", 0, "url"), ProblemKind.UNKNOWN_KEY, 6),
        (
            ('"log"', '"log"\nmessage_template = "{{ 7*7 }}"'),
            ("actions", 0, "message_template"),
            ProblemKind.TEMPLATE,
            6,
        ),
        (('"log"', '"function"\nhandler = "os.system"'), ("actions", 0, "handler"), ProblemKind.NAME, 6),
        (('"log"', '"function"\nhandler = "..a:b"'), ("actions", 0, "handler"), ProblemKind.NAME, 6),
        (('"log"', '"function"'), ("actions", 0, "handler"), ProblemKind.MISSING, 4),
    ],
)
def test_mistake_in_an_observer_is_reported_at_its_line(
    tmp_path: Path, change: tuple[str, str], path: tuple[str | int, ...], kind: ProblemKind, line: int
) -> None:
    """One wrong thing gives one mistake, at the line where it stands."""
    assert change[0] in LOG
    (problem,) = mistakes(tmp_path, LOG.replace(*change)).problems
    assert (problem.path, problem.kind, problem.line) == (("observers", "paid", *path), kind, line)


@pytest.mark.parametrize("kind", ["sms", "push", "search"])
def test_action_that_is_not_supported_points_to_functions(tmp_path: Path, kind: str) -> None:
    """FraiseQL's unsupported types keep their code and say what to do instead."""
    error = mistakes(tmp_path, LOG.replace('"log"', f'"{kind}"'))
    assert isinstance(error, UnsupportedAction)
    assert error.code == "OB014"
    assert "function" in str(error)


@pytest.mark.parametrize("kind", ["slack", "email", "cache"])
def test_action_of_a_later_version_is_refused_as_such(tmp_path: Path, kind: str) -> None:
    """What is not built yet is refused when the file is loaded, not when the first job runs."""
    error = mistakes(tmp_path, LOG.replace('"log"', f'"{kind}"'))
    assert isinstance(error, UnsupportedAction)
    assert "not supported by this version" in str(error)


@pytest.mark.parametrize(
    "actions", ["", "actions = []\n", "actions = {}\n", 'actions = "log"\n', "actions = [1]\n"]
)
def test_observer_without_actions_is_refused(tmp_path: Path, actions: str) -> None:
    """A rule that does nothing is a mistake."""
    (problem,) = mistakes(tmp_path, HEAD + actions).problems
    assert problem.path[:3] == ("observers", "paid", "actions")


@pytest.mark.parametrize(
    "table", ["observers = 5", "[observers]\npaid = 5", "[[observers.paid]]\nentity = 'x'"]
)
def test_observer_that_is_no_table_is_refused(tmp_path: Path, table: str) -> None:
    """A value of the wrong shape is named, and nothing breaks."""
    (problem,) = mistakes(tmp_path, table).problems
    assert problem.kind is ProblemKind.TYPE


@pytest.mark.parametrize("name", ['""', '" a"', '"a\\nb"', '"' + "x" * 129 + '"'])
def test_observer_with_an_unfit_name_is_refused(tmp_path: Path, name: str) -> None:
    """The name travels with every job, log line and metric."""
    (problem,) = mistakes(tmp_path, LOG.replace("paid", name)).problems
    assert problem.kind is ProblemKind.NAME


@pytest.mark.parametrize(
    ("extra", "key", "kind"),
    [
        ('url_env = "URL"\n', "url", ProblemKind.CONFLICT),
        ("timeout_secs = 60\n", "timeout_secs", ProblemKind.CONFLICT),
        ("timeout_secs = 0\n", "timeout_secs", ProblemKind.RANGE),
        ("follow_redirects = 11\n", "follow_redirects", ProblemKind.RANGE),
        ("allow_private = 'yes'\n", "allow_private", ProblemKind.TYPE),
        ("verify = false\n", "verify", ProblemKind.UNKNOWN_KEY),
        (f'signing_secret = "{SECRET}"\nsignature = "none"\n', "signing_secret", ProblemKind.CONFLICT),
        (f'signing_secret = "{SECRET}"\nsigning_secret_env = "A"\n', "signing_secret", ProblemKind.CONFLICT),
        ('signing_secret_env = ""\n', "signing_secret_env", ProblemKind.NAME),
        (f'signing_secret_env = "{SECRET}"\n', "signing_secret_env", ProblemKind.NAME),
        (f'signing_secret_env = "{CANARY}="\n', "signing_secret_env", ProblemKind.NAME),
        ('signing_secret_file = " "\n', "signing_secret_file", ProblemKind.NAME),
        ("signing_secret = []\n", "signing_secret", ProblemKind.EMPTY),
        ("signing_secret = 5\n", "signing_secret", ProblemKind.TYPE),
        ('signing_secret = "changeme"\n', "signing_secret", ProblemKind.SECRET),
        (f'signing_secret = "{CANARY}{CANARY}{CANARY}"\n', "signing_secret", ProblemKind.SECRET),
        ('signing_secret = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"\n', "signing_secret", ProblemKind.SECRET),
        ('signing_secret = "whsec_c2hvcnQ="\n', "signing_secret", ProblemKind.SECRET),
        ('signing_secret = "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"\n', "signing_secret", ProblemKind.SECRET),
        (f'signature = "fraiseql"\nsigning_secret = "{CANARY}"\n', "signing_secret", ProblemKind.SECRET),
        (f"headers = {{ X = 5, Y = '{CANARY}' }}\n", "headers", ProblemKind.TYPE),
        ("body_template = '{\"a\": }'\n", "body_template", ProblemKind.TEMPLATE),
        ('method = "TRACE"\n', "method", ProblemKind.ENUM),
    ],
)
def test_mistake_in_a_webhook_is_reported_without_its_secrets(
    tmp_path: Path, extra: str, key: str, kind: ProblemKind
) -> None:
    """Each field of a webhook is checked at load."""
    (problem,) = mistakes(tmp_path, WEBHOOK + extra).problems
    assert (problem.path[4], problem.kind) == (key, kind)
    assert problem.code == ("OB008" if kind is ProblemKind.TEMPLATE else "OB005")
    assert SECRET not in problem.message


def test_webhook_without_any_url_is_refused(tmp_path: Path) -> None:
    """Exactly one of url and url_env is needed."""
    (problem,) = mistakes(tmp_path, WEBHOOK.replace('url = "https://example.com/hook"\n', "")).problems
    assert problem.kind is ProblemKind.MISSING
    assert "exactly one" in problem.message


def test_webhook_to_an_address_that_is_not_public_is_refused_unless_excepted(tmp_path: Path) -> None:
    """A destination that can never be reached is a mistake of the file."""
    text = WEBHOOK.replace("https://example.com", "http://127.0.0.1:9000")
    (problem,) = mistakes(tmp_path, text).problems
    assert problem.kind is ProblemKind.URL
    assert "allow_private" in problem.message
    load(tmp_path, text + "allow_private = true\n")
    load(tmp_path, text + '[security]\nallow_hosts = ["127.0.0.1:9000"]\n')


def test_all_mistakes_of_a_file_are_reported_at_once_in_order_of_lines(tmp_path: Path) -> None:
    """Fixing a file takes one round, not one per mistake; what is right beside a mistake is judged too."""
    text = f"""[job_queue]
url = "redis://:{CANARY}@host:0"
batch_size = 0
wat = 1
[worker]
processes = "4"
[observers.a]
event_type = "created"
condition = "a = = 1"
[[observers.a.actions]]
type = "webhook"
url = "https://user:{CANARY}@example.com/"
url_env = "X"
timeout_secs = 61
headers = {{ Authorization = "{CANARY}", Host = "{CANARY}" }}
[[observers.a.actions]]
type = "sms"
[observers.a.retry]
max_attempts = 102
initial_delay_ms = 1000
max_delay_ms = 100
[observers.b]
event_type = "INSERT"
entity = "Order"
[email]
"""
    error = mistakes(tmp_path, text)
    assert [problem.line for problem in error.problems] == [
        *(2, 3, 4, 6, 7, 8, 9, 12, 14, 15, 17, 19, 20, 22, 25),
    ]
    assert str(error).startswith("15 mistakes in ")


def test_retry_takes_what_is_absent_from_the_preset_and_then_from_the_queue(tmp_path: Path) -> None:
    """A field given beside a preset wins."""
    queue = JobQueueConfig(max_retries=7, initial_delay_ms=200, max_delay_ms=400)
    plain = RetryConfig(jitter="none").resolve(queue)
    assert (plain.max_attempts, plain.initial_delay_ms, plain.max_delay_ms) == (8, 200, 400)
    assert (plain.backoff_strategy, plain.jitter) == ("exponential", "none")
    preset = RetryConfig(preset="webhook", max_attempts=3).resolve(queue)
    assert (preset.max_attempts, preset.initial_delay_ms, preset.max_delay_ms) == (3, 120_000, 86_400_000)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("max_attempts", 1, 101), ("initial_delay_ms", 10, 86_400_000), ("max_delay_ms", 100, 86_400_000)],
)
def test_retry_numbers_keep_to_their_ranges(tmp_path: Path, name: str, low: int, high: int) -> None:
    """The ranges of an observer's retry are wider than those of the queue."""
    for value in (low - 1, high + 1):
        (problem,) = mistakes(tmp_path, f"{LOG}[observers.paid.retry]\n{name} = {value}\n").problems
        assert problem.kind is ProblemKind.RANGE
        assert f"from {low} to {high}" in problem.message


def test_retry_conflict_with_the_queues_default_is_reported(tmp_path: Path) -> None:
    """Half of a conflict may come from another section."""
    (problem,) = mistakes(tmp_path, f"{LOG}[observers.paid.retry]\ninitial_delay_ms = 6000\n").problems
    assert (problem.kind, problem.line) == (ProblemKind.CONFLICT, 7)
    assert "[job_queue]" in problem.message


def test_what_is_allowed_and_probably_not_meant_is_a_warning(tmp_path: Path) -> None:
    """Warnings name the place and hold no secret."""
    text = f"""
[[observers.paid.actions]]
type = "webhook"
url = "http://example.com/a?token={CANARY}"
[[observers.paid.actions]]
type = "webhook"
url = "https://example.com/b"
signing_secret = "{SECRET}"
[[observers.paid.actions]]
type = "webhook"
url_env = "OTHER"
signing_secret = "{SECRET}"
"""
    warnings = "\n".join(load(tmp_path, HEAD + text).warnings)
    assert "actions[0]: no signing secret" in warnings
    assert "plain http" in warnings
    assert "one secret signs for 2 destinations" in warnings
    assert CANARY not in warnings
    assert SECRET not in warnings


def test_loading_reads_no_secret_that_is_given_by_reference(tmp_path: Path) -> None:
    """A producer loads the file without having any of the worker's secrets."""
    text = (
        HEAD
        + '[[observers.paid.actions]]\ntype = "webhook"\nurl_env = "NO_SUCH"\nsigning_secret_file = "/none"\n'
    )
    (action,) = load(tmp_path, text).observers["paid"].actions
    assert isinstance(action, WebhookAction)


def test_models_are_shown_without_their_secrets(tmp_path: Path) -> None:
    """A configuration may be logged by anyone at any time."""
    text = WEBHOOK.replace("/hook", f"/hook?token={CANARY}")
    text += f'headers = {{ Authorization = "{CANARY}" }}\nsigning_secret = "{SECRET}"\n'
    config = load(tmp_path, text)
    for shown in (repr(config), str(config), repr(config.observers["paid"].actions[0])):
        assert CANARY not in shown
        assert SECRET not in shown
        assert "https://example.com/hook" in shown
