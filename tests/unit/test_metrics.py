"""The eight metrics: from counters to what Prometheus reads."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Iterator
from typing import Any
from uuid import uuid4

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from fraiseql_observers.config import Config
from fraiseql_observers.executor import QueuedObserverExecutor
from fraiseql_observers.job_queue import MemoryJobQueue
from fraiseql_observers.metrics import (
    METRICS,
    MetricsRegistry,
    add_counters,
    families,
    prometheus_metric,
    render_text,
)
from fraiseql_observers.observers import ObserverDefinition

BOUNDS = (0.1, 1.0)
COUNTERS: dict[str, Any] = {
    "events_processed": 8,
    "events_matched": 4,
    "condition_errors": 3,
    "queued": 5,
    "spool_jobs": 6,
    "spool_bytes": 600,
    "spool_unreadable": 1,
    "spool_foreign": 1,
    "executed": {"webhook": 3},
    "failed": {"webhook|permanent_error": 1, "log|crash_limit": 2},
    "attempts_failed": {"webhook|transient": 4},
    "retries": {"webhook": 4},
    "duration": {"webhook": {"buckets": [2, 1, 4], "sum": 12.5}},
    "reclaimed": 9,
}


def shown(gauges: dict[str, int]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = render_text(families(COUNTERS, gauges, BOUNDS)).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_metric_is_shown_under_the_name_of_the_specification() -> None:
    names = {
        "fraiseql_observer_events_processed_total",
        "fraiseql_observer_events_matched_total",
        "fraiseql_observer_condition_errors_total",
        "fraiseql_observer_job_queued_total",
        "fraiseql_observer_job_executed_total",
        "fraiseql_observer_job_failed_total",
        "fraiseql_observer_job_attempts_failed_total",
        "fraiseql_observer_job_duration_seconds",
        "fraiseql_observer_job_retry_attempts_total",
        "fraiseql_observer_audit_repaired_total",
        "fraiseql_observer_outcomes_refused_total",
        "fraiseql_observer_clock_jumps_total",
        "fraiseql_observer_job_queue_depth",
        "fraiseql_observer_job_dlq_items",
        "fraiseql_observer_queue_server_unfit",
        "fraiseql_observer_job_dlq_trimmed",
        "fraiseql_observer_job_spooled_total",
        "fraiseql_observer_spool_replayed_total",
        "fraiseql_observer_spool_damaged_total",
        "fraiseql_observer_spool_torn_total",
        "fraiseql_observer_spool_refused_total",
        "fraiseql_observer_spool_unreadable",
        "fraiseql_observer_spool_foreign",
        "fraiseql_observer_spool_jobs",
        "fraiseql_observer_spool_bytes",
    }
    gauges = {"pending": 1, "dead": 2, "server_unfit": 0, "trimmed": 3}
    text = render_text(families(COUNTERS, gauges, BOUNDS)).decode()
    assert {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")} == names
    assert len(METRICS) == len(names)


def test_a_prometheus_parser_reads_the_values() -> None:
    values = shown({"pending": 11, "dead": 12})
    assert values["fraiseql_observer_job_queued_total", ()] == 5
    assert values["fraiseql_observer_job_executed_total", (("action_type", "webhook"),)] == 3
    failed = (("action_type", "log"), ("error_type", "crash_limit"))
    assert values["fraiseql_observer_job_failed_total", failed] == 2
    assert values["fraiseql_observer_job_queue_depth", ()] == 11
    assert values["fraiseql_observer_job_dlq_items", ()] == 12


def test_buckets_are_cumulative_and_end_with_all() -> None:
    values = shown({})
    name, labels = "fraiseql_observer_job_duration_seconds", ("action_type", "webhook")
    assert [values[f"{name}_bucket", (labels, ("le", le))] for le in ("0.1", "1.0", "+Inf")] == [2, 3, 7]
    assert values[f"{name}_count", (labels,)] == 7
    assert values[f"{name}_sum", (labels,)] == 12.5


def test_a_sum_does_not_depend_on_the_order_of_the_children() -> None:
    """The children that have ended are added up before the others: one more of them must not make the sum smaller."""
    told: set[bytes] = set()
    for order in ((14.089829, 6.298811, 32.739507), (32.739507, 6.298811, 14.089829)):
        total: dict[str, Any] = {}
        for seconds in order:
            add_counters(total, {"duration": {"log": {"buckets": [0, 0, 1], "sum": seconds}}})
        told.add(render_text(families(total, {}, BOUNDS)))
    [text] = told
    assert b" 53.128147\n" in text


def test_an_unknown_gauge_is_left_out() -> None:
    assert not any("queue_depth" in name or "dlq_items" in name for name, _ in shown({}))


def test_a_process_that_has_done_nothing_shows_a_zero() -> None:
    text = render_text(families({}, {}, BOUNDS)).decode()
    assert "fraiseql_observer_job_queued_total 0\n" in text


def test_labels_are_escaped() -> None:
    counters = {"executed": {'a"b\\c\nd': 1}}
    text = render_text(families(counters, {}, BOUNDS)).decode()
    [family] = [f for f in text_string_to_metric_families(text) if f.name.endswith("executed")]
    assert family.samples[0].labels == {"action_type": 'a"b\\c\nd'}


def test_counters_add_up_at_every_depth() -> None:
    total: dict[str, Any] = {}
    add_counters(total, COUNTERS)
    add_counters(
        total,
        {"queued": 1, "executed": {"log": 7}, "duration": {"webhook": {"buckets": [1, 1, 1], "sum": 1.5}}},
    )
    assert total["queued"] == 6
    assert total["executed"] == {"webhook": 3, "log": 7}
    assert total["duration"]["webhook"] == {"buckets": [3, 2, 5], "sum": 14.0}
    assert COUNTERS["duration"]["webhook"]["buckets"] == [2, 1, 4], "a snapshot is never changed"
    assert not math.isnan(total["queued"])


def test_a_producer_shows_what_it_has_queued_in_its_own_registry() -> None:
    config = Config(observers={"paid": ObserverDefinition("INSERT", "Order", [{"type": "log"}])})
    event = {"event_type": "INSERT", "entity_type": "Order", "entity_id": str(uuid4()), "data": {}}
    registry = CollectorRegistry()
    registry.register(MetricsRegistry.collector())
    before = registry.get_sample_value("fraiseql_observer_job_queued_total")
    assert before is not None

    async def publish() -> None:
        await QueuedObserverExecutor(config, MemoryJobQueue(config).core).process_event(event)

    asyncio.run(publish())
    assert registry.get_sample_value("fraiseql_observer_job_queued_total") == before + 1
    assert "fraiseql_observer_job_queue_depth" not in generate_latest(registry).decode()


def test_a_condition_that_an_event_cannot_answer_is_counted() -> None:
    def observer(condition: str | None) -> ObserverDefinition:
        return ObserverDefinition("INSERT", "Order", [{"type": "log"}], condition)

    config = Config(
        observers={"a": observer("gone == 1"), "b": observer("gone > 1"), "c": observer("gone? == 1")}
    )
    event = {"event_type": "INSERT", "entity_type": "Order", "entity_id": str(uuid4()), "data": {}}
    registry = CollectorRegistry()
    registry.register(MetricsRegistry.collector())
    names = [
        f"fraiseql_observer_{name}_total"
        for name in ("events_processed", "events_matched", "condition_errors")
    ]

    def counted() -> list[float]:
        return [registry.get_sample_value(name) or 0 for name in names]

    async def publish() -> None:
        executor = QueuedObserverExecutor(config, MemoryJobQueue(config).core)
        summary = await executor.process_event(event)
        assert (summary.conditions_skipped, summary.errors) == (2, ["Field not found: gone"])
        executor.add_observer("d", observer(None))
        await executor.process_event(event)

    before = counted()
    asyncio.run(publish())
    assert [now - then for now, then in zip(counted(), before, strict=True)] == [2, 1, 4]


def test_the_text_of_a_worker_is_what_prometheus_client_would_write() -> None:
    class Snapshot:
        def collect(self) -> Iterator[Metric]:
            for family in families(COUNTERS, {"pending": 1, "dead": 2}, BOUNDS):
                yield prometheus_metric(family)

    registry = CollectorRegistry()
    registry.register(Snapshot())
    theirs = {line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")}
    ours = render_text(families(COUNTERS, {"pending": 1, "dead": 2}, BOUNDS)).decode()
    assert _values(theirs) == _values(line for line in ours.splitlines() if not line.startswith("#"))


def _values(lines: Iterable[str]) -> set[tuple[str, float]]:
    parts = (line.rsplit(" ", 1) for line in lines)
    return {(name, float(value)) for name, value in parts}
