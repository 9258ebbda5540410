"""Every metric, declared here only, and two ways to show them: a Prometheus collector and the text format.

The core counts; nothing here is called per job. What arrives is a snapshot of its counters
(`counters_snapshot`) and, where a queue has been asked, the gauges. prometheus-client is imported only by who
collects with it: a supervisor writes the text format itself, which saves it 10 MB.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

__all__ = ["Counters", "Gauges", "MetricsRegistry", "add_counters", "families", "render_text"]

PREFIX: Final = "fraiseql_observer_"
#: Of the text that `render_text` writes.
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

#: A snapshot of the core's counters: numbers by name, or by name and label values joined with `|`.
Counters = dict[str, Any]  # decoded JSON whose shape `Declaration.source` and the core's stub describe
#: What the queue holds now; a gauge that is not known is left out, never guessed.
Gauges = Mapping[str, int]


class Declaration(NamedTuple):
    """One metric: how it is called and where its values come from."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    #: Its key in the counters or in the gauges.
    source: str
    help: str


METRICS: Final = (
    Declaration(
        "events_processed_total",
        "counter",
        (),
        "events_processed",
        "Events that this program has held against the rules; one that is tried again counts again.",
    ),
    Declaration(
        "events_matched_total", "counter", (), "events_matched", "Those of them that matched an observer."
    ),
    Declaration(
        "condition_errors_total",
        "counter",
        (),
        "condition_errors",
        "Conditions that an event could not answer, so that their observers were left out.",
    ),
    Declaration("job_queued_total", "counter", (), "queued", "Jobs stored in the queue by this program."),
    Declaration(
        "job_spooled_total",
        "counter",
        (),
        "spooled",
        "Jobs that this program has put on its own disk, since the queue was away.",
    ),
    Declaration(
        "spool_replayed_total",
        "counter",
        (),
        "spool_replayed",
        "Jobs that this program has moved from its disk to the queue.",
    ),
    Declaration(
        "spool_damaged_total",
        "counter",
        (),
        "spool_damaged",
        "Damaged parts of spool files that were put aside, into a file beside them.",
    ),
    Declaration(
        "spool_torn_total",
        "counter",
        (),
        "spool_torn",
        "Records of spool files that were never written to their end, nor confirmed, and were dropped.",
    ),
    Declaration(
        "spool_refused_total",
        "counter",
        (),
        "spool_refused",
        "Spooled jobs that the queue has refused for good, and that were put into a file beside the spool's.",
    ),
    Declaration(
        "spool_unreadable",
        "gauge",
        (),
        "spool_unreadable",
        "Spool files that this program cannot read or open, and leaves alone until it can.",
    ),
    Declaration(
        "spool_foreign",
        "gauge",
        (),
        "spool_foreign",
        "Spool files for another server or key prefix that no program has: this one leaves them alone.",
    ),
    Declaration(
        "spool_jobs", "gauge", (), "spool_jobs", "Jobs on this program's disk that wait for the queue."
    ),
    Declaration("spool_bytes", "gauge", (), "spool_bytes", "Bytes of them."),
    Declaration("job_executed_total", "counter", ("action_type",), "executed", "Jobs that have completed."),
    Declaration(
        "job_failed_total",
        "counter",
        ("action_type", "error_type"),
        "failed",
        "Jobs that have ended badly, counted once each.",
    ),
    Declaration(
        "job_attempts_failed_total",
        "counter",
        ("action_type", "error_type"),
        "attempts_failed",
        "Attempts that have failed, whatever became of their jobs.",
    ),
    Declaration(
        "job_duration_seconds",
        "histogram",
        ("action_type",),
        "duration",
        "How long attempts have run, in seconds.",
    ),
    Declaration(
        "job_retry_attempts_total",
        "counter",
        ("action_type",),
        "retries",
        "Retries that have been scheduled.",
    ),
    Declaration(
        "audit_repaired_total",
        "counter",
        (),
        "audit_repaired",
        "Jobs that were nowhere or in several places, and places without a job, that an audit has put right.",
    ),
    Declaration(
        "outcomes_refused_total",
        "counter",
        (),
        "outcomes_refused",
        "Results of jobs that the queue has refused; they are kept, hold their slots, and are tried again.",
    ),
    Declaration(
        "clock_jumps_total",
        "counter",
        (),
        "clock_jumps",
        "Jumps of the server's clock that workers have seen; each holds reclaiming back for one lease.",
    ),
    Declaration("job_queue_depth", "gauge", (), "pending", "Jobs that are pending, read from the queue now."),
    Declaration(
        "job_dlq_items", "gauge", (), "dead", "Jobs in the dead letter queue, read from the queue now."
    ),
    Declaration(
        "queue_server_unfit",
        "gauge",
        (),
        "server_unfit",
        "1 while the server keeps jobs less safely than it must, or than when the worker started; else 0.",
    ),
    Declaration(
        "job_dlq_trimmed",
        "gauge",
        (),
        "trimmed",
        "Dead letters that have left because there were too many or they were too old, since the queue began.",
    ),
)


class Sample(NamedTuple):
    """One line of the text format; its family gives the start of the name."""

    suffix: str
    labels: dict[str, str]
    value: float


class Family(NamedTuple):
    """One metric with all its values."""

    declaration: Declaration
    samples: list[Sample]


def add_counters(total: Counters, more: Counters) -> None:
    """Add every number of ``more`` to the one at the same place in ``total``."""
    for key, value in more.items():
        if isinstance(value, dict):
            add_counters(total.setdefault(key, {}), value)
        elif isinstance(value, list):
            there = total.setdefault(key, [0] * len(value))
            total[key] = [a + b for a, b in zip(there, value, strict=True)]
        else:
            total[key] = total.get(key, 0) + value


def families(counters: Counters, gauges: Gauges, bounds: Sequence[float]) -> Iterator[Family]:
    """Turn counters and gauges into metrics, in the order of their declaration.

    Args:
        counters: A snapshot of one process, or a sum of several.
        gauges: What the queue said; a metric whose gauge is missing is left out.
        bounds: The upper bounds of the histogram's buckets, without infinity.
    """
    for declaration in METRICS:
        if declaration.kind == "gauge":
            # The core itself counts what this program holds; the queue is asked for what it holds.
            value = gauges.get(declaration.source, counters.get(declaration.source))
            if value is not None:
                yield Family(declaration, [Sample("", {}, value)])
        elif declaration.kind == "histogram":
            yield Family(declaration, list(_histogram_samples(declaration, counters, bounds)))
        else:
            yield Family(declaration, list(_counter_samples(declaration, counters)))


def _counter_samples(declaration: Declaration, counters: Counters) -> Iterator[Sample]:
    if not declaration.labels:
        yield Sample("", {}, counters.get(declaration.source, 0))
        return
    for joined, value in sorted(counters.get(declaration.source, {}).items()):
        values = joined.split("|", len(declaration.labels) - 1)
        yield Sample("", dict(zip(declaration.labels, values, strict=True)), value)


def _histogram_samples(
    declaration: Declaration, counters: Counters, bounds: Sequence[float]
) -> Iterator[Sample]:
    for value, histogram in sorted(counters.get(declaration.source, {}).items()):
        labels = {declaration.labels[0]: value}
        so_far = 0
        for bound, count in zip((*bounds, math.inf), histogram["buckets"], strict=True):
            so_far += count
            yield Sample("_bucket", {**labels, "le": _number(bound)}, so_far)
        yield Sample("_count", labels, so_far)
        # The core counts microseconds. What floating point adds to them depends on the order of the children, and a sum
        # that goes back by it would be read as a restart.
        yield Sample("_sum", labels, round(histogram["sum"], 6))


def render_text(shown: Iterable[Family]) -> bytes:
    """Write metrics in Prometheus' text format, version 0.0.4."""
    lines = []
    for declaration, samples in shown:
        name = PREFIX + declaration.name
        lines.append(f"# HELP {name} {declaration.help}")
        lines.append(f"# TYPE {name} {declaration.kind}")
        for suffix, labels, value in samples:
            pairs = ",".join(f'{label}="{_escape(text)}"' for label, text in labels.items())
            lines.append(
                f"{name}{suffix}{{{pairs}}} {_number(value)}" if pairs else f"{name}{suffix} {_number(value)}"
            )
    return "\n".join([*lines, ""]).encode()


def _number(value: float) -> str:
    return "+Inf" if value == math.inf else repr(value)


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


class MetricsRegistry:
    """The core's counters of this process, for a Prometheus registry of the application's own."""

    @staticmethod
    def collector() -> CoreCollector:
        """Make a collector to register: ``REGISTRY.register(MetricsRegistry.collector())``.

        It shows what this process has counted, for instance the jobs that a web application has queued. The
        gauges of the queue are not among it: they are the same for every process, and each worker shows them.
        """
        return CoreCollector()


class CoreCollector:
    """One collector over the core's counters of this process; a snapshot is taken at each scrape."""

    def collect(self) -> Iterator[Metric]:
        """Give every metric that this process counts."""
        from fraiseql_observers import _core

        counters: Counters = json.loads(_core.counters_snapshot())
        for family in families(counters, {}, _core.DURATION_BUCKETS):
            yield prometheus_metric(family)


def prometheus_metric(family: Family) -> Metric:
    """Turn a metric into what prometheus-client collects."""
    from prometheus_client.metrics_core import Metric

    declaration, samples = family
    # A counter's family has no `_total` in this library; its samples have.
    name = PREFIX + declaration.name
    metric = Metric(name.removesuffix("_total"), declaration.help, declaration.kind)
    for suffix, labels, value in samples:
        metric.add_sample(name + suffix, labels, value)
    return metric
