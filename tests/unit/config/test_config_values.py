"""Every number of the configuration has limits, and every wrong value is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fraiseql_observers.config import Config, JobQueueConfig, load_config
from fraiseql_observers.config.sections import SECTIONS
from fraiseql_observers.errors import ConfigError
from fraiseql_observers.problems import ProblemKind

NUMBERS = [
    ("job_queue", "batch_size", 1, 1000),
    ("job_queue", "batch_timeout_secs", 1, 300),
    ("job_queue", "max_retries", 1, 100),
    ("job_queue", "worker_concurrency", 1, 100),
    ("job_queue", "poll_interval_ms", 100, 10_000),
    ("job_queue", "initial_delay_ms", 10, 10_000),
    ("job_queue", "max_delay_ms", 100, 300_000),
    ("worker", "lease_duration_secs", 5, 3600),
    ("worker", "job_timeout_secs", 1, 3600),
    ("worker", "shutdown_timeout_secs", 0, 3600),
    ("worker", "processes", 1, 64),
    ("worker", "max_crashes", 3, 100),
    ("worker", "max_jobs_per_process", 0, 1_000_000_000),
    ("worker", "max_memory_mb", 0, 1_048_576),
    ("storage", "shards", 1, 256),
    ("storage", "enqueue_timeout_secs", 1, 60),
    ("storage", "max_pending", 0, 1_000_000_000),
    ("storage", "dedupe_window_secs", 60, 604_800),
    ("storage", "completed_retention_secs", 0, 2_592_000),
    ("storage", "completed_retention_max", 0, 10_000_000),
    ("storage", "dead_letter_max", 1, 10_000_000),
    ("storage", "max_age_secs", 60, 2_592_000),
    ("storage", "max_payload_bytes", 1024, 16_777_216),
    ("metrics", "port", 0, 65_535),
]

DEFAULTS = {
    "job_queue": {
        "url": "redis://localhost:6379",
        "tls_ca_file": None,
        "tls_cert_file": None,
        "tls_key_file": None,
        "sentinel_username": None,
        "sentinel_password": None,
        "batch_size": 100,
        "batch_timeout_secs": 5,
        "max_retries": 3,
        "worker_concurrency": 10,
        "poll_interval_ms": 500,
        "initial_delay_ms": 100,
        "max_delay_ms": 5000,
    },
    "worker": {
        "queues": ("default",),
        "lease_duration_secs": 30,
        "job_timeout_secs": 60,
        "shutdown_timeout_secs": 25,
        "processes": 1,
        "max_crashes": 3,
        "max_jobs_per_process": 0,
        "max_memory_mb": 0,
    },
    "storage": {
        "key_prefix": "fraiseql",
        "shards": 1,
        "durability": "auto",
        "enqueue_timeout_secs": 5,
        "spool_dir": None,
        "spool_max_bytes": 268_435_456,
        "max_pending": 0,
        "dedupe_window_secs": 3600,
        "completed_retention_secs": 3600,
        "completed_retention_max": 10_000,
        "dead_letter_max": 100_000,
        "max_age_secs": 259_200,
        "max_payload_bytes": 1_048_576,
    },
    "metrics": {"enabled": True, "host": "127.0.0.1", "port": 9464},
    "security": {"allow_hosts": ()},
    "log": {"level": "info", "format": "auto"},
}


def load(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> Config:
    """Load `text` as a file, with nothing but `environment` in the environment."""
    path = tmp_path / "observers.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, environment=environment or {})


def mistakes(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> ConfigError:
    """Load `text`, which must be refused."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, environment)
    return caught.value


def test_defaults_are_those_of_the_documentation(tmp_path: Path) -> None:
    """A file that says nothing about a section gives its defaults."""
    config = load(tmp_path, "[log]\n")
    assert {name: dict(getattr(config, name)) for name in SECTIONS} == DEFAULTS


@pytest.mark.parametrize(("section", "name", "low", "high"), NUMBERS)
def test_number_is_accepted_at_both_limits(
    tmp_path: Path, section: str, name: str, low: int, high: int
) -> None:
    """The limits themselves are allowed."""
    others = "max_delay_ms = 300000\n" if name == "initial_delay_ms" else ""
    others += "initial_delay_ms = 10\n" if name == "max_delay_ms" else ""
    for value in (low, high):
        config = load(tmp_path, f"[{section}]\n{name} = {value}\n{others}")
        assert getattr(getattr(config, section), name) == value


@pytest.mark.parametrize(("section", "name", "low", "high"), NUMBERS)
@pytest.mark.parametrize("side", ["below", "above"])
def test_number_out_of_range_names_line_key_value_and_both_limits(
    tmp_path: Path, section: str, name: str, low: int, high: int, side: str
) -> None:
    """One step beyond a limit is refused with everything that is needed to fix it."""
    value = low - 1 if side == "below" else high + 1
    error = mistakes(tmp_path, f"[{section}]\n\n{name} = {value}\n")
    (problem,) = error.problems
    assert (problem.kind, problem.path, problem.line) == (ProblemKind.RANGE, (section, name), 3)
    assert str(value) in str(error)
    assert f"from {low} to {high}" in str(error)
    assert f"observers.toml:3: OB001 {section}.{name}" in str(error)


@pytest.mark.parametrize(("section", "name", "low", "high"), NUMBERS)
@pytest.mark.parametrize("text", ["x", "", "1.5", "1e2", "0x10", "true", " 5", "nan", "٣"])
def test_variable_that_is_no_number_names_variable_value_and_range(
    tmp_path: Path, section: str, name: str, low: int, high: int, text: str
) -> None:
    """A bad variable is an error of its own and never falls back to the file or the default."""
    variable = f"FRAISEQL_{section}_{name}".upper()
    error = mistakes(tmp_path, "[log]\n", {variable: text})
    (problem,) = error.problems
    assert problem.source == variable
    assert f"from {low} to {high}" in str(error)
    assert ascii(text) in str(error)


@pytest.mark.parametrize(("section", "name", "low", "high"), NUMBERS)
def test_variable_out_of_range_is_an_error(
    tmp_path: Path, section: str, name: str, low: int, high: int
) -> None:
    """The environment keeps to the same limits as the file."""
    variable = f"FRAISEQL_{section}_{name}".upper()
    for value in (low - 1, high + 1):
        (problem,) = mistakes(tmp_path, "[log]\n", {variable: str(value)}).problems
        assert (problem.kind, problem.source) == (ProblemKind.RANGE, variable)


@pytest.mark.parametrize(
    ("literal", "kind"),
    [
        ('"10"', ProblemKind.TYPE),
        ("true", ProblemKind.TYPE),
        ("1.5", ProblemKind.TYPE),
        ("-0.0", ProblemKind.TYPE),
        ("[10]", ProblemKind.TYPE),
        ("{ value = 10 }", ProblemKind.TYPE),
        ("2026-01-01", ProblemKind.TYPE),
        ("nan", ProblemKind.RANGE),
        ("-inf", ProblemKind.RANGE),
        ("1e400", ProblemKind.RANGE),
        ("-0", ProblemKind.RANGE),
        (str(2**63), ProblemKind.RANGE),
        (str(10**30), ProblemKind.RANGE),
        (str(10**300), ProblemKind.RANGE),
    ],
)
def test_value_of_the_wrong_type_or_size_is_refused(tmp_path: Path, literal: str, kind: ProblemKind) -> None:
    """Values are never converted, and no size of number breaks the report."""
    error = mistakes(tmp_path, f"[job_queue]\nbatch_size = {literal}\n")
    (problem,) = error.problems
    assert (problem.kind, problem.path, problem.line) == (kind, ("job_queue", "batch_size"), 2)
    assert "from 1 to 1000" in str(error)


@pytest.mark.parametrize(
    ("text", "path", "hint"),
    [
        ("[job_queue]\nbatch_sise = 1", ("job_queue", "batch_sise"), "batch_size"),
        ("[job_queue]\nBatch_Size = 1", ("job_queue", "Batch_Size"), "batch_size"),
        ('[job_queue]\n"batch_size " = 1', ("job_queue", "batch_size "), "batch_size"),
        ("[job-queue]\nbatch_size = 1", ("job-queue",), "job_queue"),
        ("[jobqueue]\nbatch_size = 1", ("jobqueue",), "job_queue"),
        ("[metrics]\nbind = 1", ("metrics", "bind"), "port"),
        ("nothing_like_it = 1", ("nothing_like_it",), "job_queue"),
    ],
)
def test_unknown_key_is_refused_with_the_nearest_name(
    tmp_path: Path, text: str, path: tuple[str, ...], hint: str
) -> None:
    """A misspelt key is never ignored."""
    error = mistakes(tmp_path, text)
    (problem,) = error.problems
    assert (problem.kind, problem.path) == (ProblemKind.UNKNOWN_KEY, path)
    assert hint in problem.message


def test_environment_beats_file_beats_default(tmp_path: Path) -> None:
    """The order of sources is the documented one, in every section."""
    text = (
        "[job_queue]\nbatch_size = 7\nmax_retries = 8\n[worker]\nqueues = ['a']\n[metrics]\nenabled = true\n"
    )
    config = load(
        tmp_path,
        text,
        {
            "FRAISEQL_JOB_QUEUE_BATCH_SIZE": "9",
            "FRAISEQL_WORKER_QUEUES": "b, c",
            "FRAISEQL_METRICS_ENABLED": "false",
            "FRAISEQL_LOG_LEVEL": "debug",
        },
    )
    assert (config.job_queue.batch_size, config.job_queue.max_retries) == (9, 8)
    assert config.worker.queues == ("b", "c")
    assert (config.metrics.enabled, config.log.level) == (False, "debug")


def test_section_made_in_code_takes_the_environment_when_asked() -> None:
    """Who needs no file has the same variables, the same limits and the same errors."""
    base = JobQueueConfig(max_retries=8)
    changed = base.with_env_overrides(
        {"FRAISEQL_JOB_QUEUE_BATCH_SIZE": "9", "FRAISEQL_WORKER_PROCESSES": "2"}
    )
    assert (changed.batch_size, changed.max_retries) == (9, 8)
    assert base.with_env_overrides({}) == base
    for text in ("x", "0"):
        with pytest.raises(ConfigError, match=r"FRAISEQL_JOB_QUEUE_BATCH_SIZE: OB001 job_queue\.batch_size"):
            base.with_env_overrides({"FRAISEQL_JOB_QUEUE_BATCH_SIZE": text})


def test_mistake_in_the_file_shows_also_where_a_variable_hides_it(tmp_path: Path) -> None:
    """A value that is overridden today is used again tomorrow."""
    error = mistakes(tmp_path, "[job_queue]\nbatch_size = 0\n", {"FRAISEQL_JOB_QUEUE_BATCH_SIZE": "5"})
    assert [problem.line for problem in error.problems] == [2]


def test_delays_are_compared_after_all_sources_are_read(tmp_path: Path) -> None:
    """A conflict counts for what is used, wherever each half of it comes from."""
    text = "[job_queue]\ninitial_delay_ms = 6000\n"
    assert load(tmp_path, text, {"FRAISEQL_JOB_QUEUE_MAX_DELAY_MS": "9000"}).job_queue.max_delay_ms == 9000
    (problem,) = mistakes(tmp_path, text).problems
    assert (problem.kind, problem.line) == (ProblemKind.CONFLICT, 2)
    assert "6000" in problem.message
    assert "5000" in problem.message


def test_variable_that_names_no_setting_is_warned_about(tmp_path: Path) -> None:
    """A misspelt variable cannot be an error, since others may own it, and is not passed over either."""
    config = load(tmp_path, "[log]\n", {"FRAISEQL_JOB_QUEUE_BATCHSIZE": "5"})
    (warning,) = config.warnings
    assert "FRAISEQL_JOB_QUEUE_BATCH_SIZE" in warning


@pytest.mark.parametrize("name", ["a{b}", "a:b", "a*", "a b", "a\\rb", "a\\u0000", "é", "x" * 65, "", " "])
@pytest.mark.parametrize(
    "text",
    [
        '[worker]\nqueues = ["{}"]',
        '[storage]\nkey_prefix = "{}"',
        '[observers.a]\nevent_type = "*"\nentity = "*"\nactions = [{{ type = "log" }}]\nqueue = "{}"',
    ],
)
def test_name_that_cannot_be_part_of_a_key_is_refused_with_the_pattern(
    tmp_path: Path, text: str, name: str
) -> None:
    """Queue and prefix become part of Redis keys, inside the hash tag."""
    (problem,) = mistakes(tmp_path, text.replace("{}", name).replace("{{", "{").replace("}}", "}")).problems
    assert problem.kind in {ProblemKind.NAME, ProblemKind.MISSING}
    assert "A-Za-z0-9_-" in problem.message


@pytest.mark.parametrize(
    ("section", "setting", "choices"),
    [
        ("log", 'level = "loud"', "debug, info, warning, error, critical"),
        ("log", 'format = "xml"', "auto, text, json"),
        ("storage", 'durability = "paper"', "auto, memory, process, disk, replica:1 to replica:16"),
    ],
)
def test_unknown_choice_lists_the_choices(tmp_path: Path, section: str, setting: str, choices: str) -> None:
    """A choice is refused with all that could have been chosen."""
    (problem,) = mistakes(tmp_path, f"[{section}]\n{setting}\n").problems
    assert problem.kind is ProblemKind.ENUM
    assert choices in problem.message


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('[email]\nhost = "mail"', ("email",)),
        ('[cache]\nurl = "redis://c"', ("cache",)),
        ('[[alerts.actions]]\ntype = "log"', ("alerts",)),
    ],
)
def test_what_a_later_version_reads_is_refused_as_such(
    tmp_path: Path, text: str, path: tuple[str, ...]
) -> None:
    """What is known and not built yet says so, instead of being called unknown or being ignored."""
    (problem,) = mistakes(tmp_path, text).problems
    assert (problem.kind, problem.path) == (ProblemKind.UNSUPPORTED, path)
    assert "not supported by this version" in problem.message


@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_section_that_is_no_table_is_refused(tmp_path: Path, section: str) -> None:
    """A value where a table belongs is a mistake of type."""
    (problem,) = mistakes(tmp_path, f"{section} = 5\n").problems
    assert (problem.kind, problem.path, problem.line) == (ProblemKind.TYPE, (section,), 1)


@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_section_built_in_code_raises_a_config_error_that_is_a_value_error(section: str) -> None:
    """Who builds a section in code meets the same checks and the same error."""
    values: dict[str, Any] = {"no_such_setting": 1}
    with pytest.raises(ConfigError, match="unknown key") as caught:
        SECTIONS[section](**values)
    assert isinstance(caught.value, ValueError)
    assert (caught.value.code, caught.value.transient) == ("OB001", False)


def test_section_cannot_be_changed() -> None:
    """Settings are shared between parts, so none may change them."""
    config = Config()
    with pytest.raises(ValueError, match="frozen"):
        setattr(config.job_queue, "batch_size", 3)  # noqa: B010 - a type checker refuses the plain form
