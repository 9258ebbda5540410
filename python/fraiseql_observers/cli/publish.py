"""``fraiseql-observers publish``: events from a file or a pipe, through the rules, into the queue."""

from __future__ import annotations

import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, BinaryIO

import typer

from fraiseql_observers.assembly import connect
from fraiseql_observers.cli.failure import ExitCode, exit_code
from fraiseql_observers.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigFile,
    chosen_config,
)
from fraiseql_observers.cli.output import Output
from fraiseql_observers.cli.progress import PublishProgress
from fraiseql_observers.config import Config, load_config
from fraiseql_observers.durability import require_durability
from fraiseql_observers.errors import DurabilityNotConfirmed, ObserversError, QueueUnavailable
from fraiseql_observers.executor import BlockingQueuedObserverExecutor
from fraiseql_observers.inspector import queue_names
from fraiseql_observers.lines import LineReader
from fraiseql_observers.publish import Publisher, PublishReport

STDIN = Path("-")


def _readable(file: Path) -> Path:
    if file == STDIN:
        return file
    if file.is_dir():
        raise typer.BadParameter(f"{file} is a directory")
    try:
        file.open("rb").close()
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}") from None
    return file


def publish(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            callback=_readable,
            help="Events, one JSON object a line; - reads standard input.",
            show_default=False,
        ),
    ],
    config: ConfigFile = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Publish events. Doing it again adds nothing, so what was interrupted may simply be repeated.

    An event without an id gets one from the bytes of its line. A line that is no event is reported, and the
    others go on.

    Example: fraiseql-observers publish events.ndjson --config observers.toml
    """
    output = Output()
    settings = load_config(chosen_config(config))
    limit = settings.storage.max_payload_bytes
    with (
        _connected(settings) as executor,
        _opened(file) as stream,
        LineReader(stream.fileno(), max_line_bytes=limit) as reader,
        PublishProgress(output, stream, reader) as progress,
    ):
        publisher = Publisher(
            executor,
            batch_size=settings.job_queue.batch_size,
            hold_secs=settings.job_queue.batch_timeout_secs,
            max_event_bytes=limit,
            on_bad_line=progress.tell_bad_line,
            on_batch=progress.update,
        )
        with _stopped_by_ctrl_c(publisher):
            report = publisher.run(reader)
    _print(output, report, as_json=as_json)
    if code := _code(report):
        raise typer.Exit(code)


def _code(report: PublishReport) -> ExitCode:
    if isinstance(report.failure, ObserversError):
        return exit_code(report.failure)
    return ExitCode.DONE if report.is_complete else ExitCode.PARTLY


@contextmanager
def _connected(config: Config) -> Generator[BlockingQueuedObserverExecutor]:
    """Give an executor whose queues have answered: what was taken from a pipe cannot be put back."""
    queue, close = connect(config)
    with BlockingQueuedObserverExecutor(config, queue, on_close=close) as executor:
        try:
            for name in queue_names(config):
                require_durability(config.storage.durability, queue.open_blocking(name))
        except (QueueUnavailable, DurabilityNotConfirmed):
            # The spool takes what the queue does not answer for.
            if config.storage.spool_dir is None:
                raise
        yield executor


@contextmanager
def _opened(file: Path) -> Generator[BinaryIO]:
    if file == STDIN:
        yield sys.stdin.buffer
    else:
        with file.open("rb") as stream:
            yield stream


@contextmanager
def _stopped_by_ctrl_c(publisher: Publisher) -> Generator[None]:
    """Let Ctrl-C end the run between two batches, so that the report counts exactly what was stored."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        publisher.stop()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _print(output: Output, report: PublishReport, *, as_json: bool) -> None:
    if as_json:
        output.json(report.to_dict())
    else:
        output.pairs(list(report.to_dict().items()))
    if report.spooled:
        output.warning(
            f"{report.spooled} of these jobs wait in the spool: the queue is away, and gets them when a program that "
            "uses the same spool_dir finds it again"
        )
    if report.derived_ids:
        output.note(f"{_events(report.derived_ids)} had no id and got one from the bytes of the line")
    for text, count in report.condition_errors.items():
        output.warning(f"{text} ({count} times)" if count > 1 else text)
    if report.failure is not None:
        output.error(str(report.failure))
    if report.interrupted:
        output.warning("interrupted: the counts are of what was read until then")
    if report.failure is not None or report.interrupted or report.not_queued:
        output.note("publish the same again to add the rest; what is stored is not stored twice")


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count} events"
