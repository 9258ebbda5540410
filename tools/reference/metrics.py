"""The page about metrics, from their declarations."""

from __future__ import annotations

from fraiseql_observers._core import DURATION_BUCKETS
from fraiseql_observers.metrics import METRICS, PREFIX
from tools.reference.markdown import table

_INTRODUCTION = """\
# Metrics

A worker shows them on `/metrics`, see [Running a worker](../guides/running-a-worker.md#health-and-metrics). An
application that only stores jobs exports what it has counted from its own registry:

```python
from prometheus_client import REGISTRY

from fraiseql_observers import MetricsRegistry

REGISTRY.register(MetricsRegistry.collector())
```

Counters are of one worker with all its processes, or of one application, since its start: add them up. Gauges are read
from the queue when they are asked for, so every worker shows the same: take the maximum. No label holds an id, a URL or
anything else without bound.
"""


def page() -> str:
    """Write the page."""
    rows = [
        [
            f"`{PREFIX}{metric.name}`",
            metric.kind,
            ", ".join(f"`{label}`" for label in metric.labels) or "none",
            metric.help,
        ]
        for metric in METRICS
    ]
    buckets = ", ".join(f"{bound:g}" for bound in DURATION_BUCKETS)
    notes = (
        f"The buckets of the histogram are {buckets} seconds. `error_type` of an attempt is `transient`, `timeout` or "
        "`permanent`; of a job it is `permanent_error`, `retries_exhausted`, `crash_limit`, `corrupt` or `expired`.\n"
    )
    return f"{_INTRODUCTION}\n{table(['metric', 'kind', 'labels', 'meaning'], rows)}\n{notes}"
