"""``fraiseql-observers config check``: is a file right, and what does it say?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fraiseql_observers.cli.failure import ExitCode
from fraiseql_observers.cli.options import (
    CONFIG_VARIABLE,
    DEFAULT_CONFIG,
    AsJson,
    chosen_config,
)
from fraiseql_observers.cli.output import Output
from fraiseql_observers.config import Config, MetricsConfig
from fraiseql_observers.config_check import ConfigCheck, check_config
from fraiseql_observers.definition import ObserverDefinition
from fraiseql_observers.problems import Problem, dotted
from fraiseql_observers.retry import RetryConfig

app = typer.Typer(no_args_is_help=True, help="Look at a configuration.")

COLUMNS = (
    "observer",
    "events",
    "condition",
    "actions",
    "attempts",
    "queue",
    "on failure",
)


@app.callback()
def _group() -> None:
    """Look at a configuration."""


@app.command("check")
def check(
    file: Annotated[
        Path,
        typer.Argument(metavar="[FILE]", envvar=CONFIG_VARIABLE, help="The configuration."),
    ] = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Print every mistake of a file, or what it says. Secrets are looked up, and never shown.

    Example: fraiseql-observers config check observers.toml
    """
    output = Output()
    checked = check_config(chosen_config(file))
    if as_json:
        output.json(_document(checked, file))
    elif checked.config is None or checked.problems:
        for problem in checked.problems:
            output.text(str(problem))
        mistakes = "1 mistake" if len(checked.problems) == 1 else f"{len(checked.problems)} mistakes"
        output.error(f"{file}: {mistakes}")
    else:
        _print_summary(output, checked.config)
        for warning in checked.warnings:
            output.warning(warning)
    if checked.problems:
        raise typer.Exit(ExitCode.USAGE)


def _print_summary(output: Output, config: Config) -> None:
    queue, worker, storage = config.job_queue, config.worker, config.storage
    processes = _counted(worker.processes, "process", "processes")
    slots = _counted(queue.worker_concurrency, "slot", "slots")
    output.pairs(
        [
            ("file", config.path),
            ("jobs at", f"{queue.shown_url}, prefix {storage.key_prefix}, durability {storage.durability}"),
            ("worker", f"{processes} of {slots}, {_queues(worker.queues)}"),
            ("times", f"a lease of {worker.lease_duration_secs} s, {worker.job_timeout_secs} s for a job"),
            ("metrics", _metrics(config.metrics)),
        ]
    )
    if config.observers:
        output.table(COLUMNS, [_row(name, rule, config) for name, rule in config.observers.items()])


def _row(name: str, rule: ObserverDefinition, config: Config) -> tuple[object, ...]:
    retry = (rule.retry or RetryConfig()).resolve(config.job_queue)
    return (
        name if rule.enabled else f"{name} (off)",
        f"{rule.event_type} {rule.entity}",
        rule.condition,
        ", ".join(action.type for action in rule.actions),
        retry.max_attempts,
        rule.queue if rule.priority == "default" else f"{rule.queue} ({rule.priority})",
        rule.on_failure,
    )


def _document(checked: ConfigCheck, file: Path) -> dict[str, Any]:
    return {
        "file": str(file),
        "valid": not checked.problems,
        "mistakes": [_mistake(problem) for problem in checked.problems],
        "warnings": list(checked.warnings),
        "observers": list(checked.config.observers) if checked.config is not None else [],
    }


def _mistake(problem: Problem) -> dict[str, Any]:
    return {
        "code": problem.code,
        "kind": problem.kind,
        "source": problem.source,
        "line": problem.line,
        "key": dotted(problem.path),
        "message": problem.message,
    }


def _metrics(metrics: MetricsConfig) -> str:
    if not metrics.enabled:
        return "none"
    return (
        f"http://{metrics.host}:{metrics.port}/metrics" if metrics.port else f"a free port of {metrics.host}"
    )


def _queues(names: tuple[str, ...]) -> str:
    return f"queue {names[0]}" if len(names) == 1 else f"queues {', '.join(names)}"


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
