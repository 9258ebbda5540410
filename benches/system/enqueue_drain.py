"""How fast do events become stored jobs, and how fast does one worker process drain them?

A server of its own (`embedded://`, append-only file, `everysec`), one rule, a handler that does nothing. N events are
made, matched and enqueued by the blocking executor; then one worker process with 100 slots is started and drains them,
leases, acks and metrics on. Each run checks that every job was stored once and handled exactly once.

    python benches/system/enqueue_drain.py             three runs of 50,000 jobs
    python benches/system/enqueue_drain.py --quick     one run of 2,000, to see that it works; no figures to keep
    python benches/system/enqueue_drain.py --save      also writes benches/results/enqueue_drain.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID, uuid5

import redis

from fraiseql_observers import _core, build_with_queue_sync, load_config
from fraiseql_observers.embedded import open_embedded

RESULTS = Path(__file__).resolve().parents[1] / "results" / "enqueue_drain.json"
#: Events handed over in one call; the executor makes one round trip per `batch_size` jobs of it.
CALL_SIZE = 1_000
#: Seconds within which a run has to drain, start of the worker included.
DEADLINE_SECS = 300.0

CONFIGURATION = """\
[job_queue]
url = "{url}"
worker_concurrency = 100
[metrics]
port = 0
[observers.bench]
event_type = "INSERT"
entity = "Order"
condition = "total >= 0 && customer.tier == 'gold'"
[[observers.bench.actions]]
type = "function"
handler = "bench_handler:handle"
"""
#: It notes each job in memory, and a task writes the notes down now and then.
HANDLER = """\
import asyncio, pathlib
seen, writers = [], []
async def handle(event, context):
    seen.append(context.job_id)
    if not writers:
        writers.append(asyncio.ensure_future(write()))
async def write():
    with pathlib.Path(__file__).with_name("handled").open("w") as notes:
        while True:
            notes.writelines(f"{job_id}\\n" for job_id in seen)
            notes.flush()
            seen.clear()
            await asyncio.sleep(0.05)
"""


@dataclass(frozen=True, slots=True)
class Run:
    """The figures of one run: jobs per second, and the server's CPU per job over its whole life."""

    jobs: int
    enqueued_per_sec: float
    drained_per_sec: float
    server_us_per_job: float


def events(run: int, count: int) -> list[dict[str, Any]]:
    """Make events of about 400 bytes."""
    space = UUID(int=run)
    return [
        {
            "id": str(uuid5(space, f"event {number}")),
            "event_type": "INSERT",
            "entity_type": "Order",
            "entity_id": str(uuid5(space, f"order {number}")),
            "data": {
                "number": number,
                "total": number % 500,
                "customer": {
                    "tier": "gold",
                    "name": "A customer with a name of some length",
                    "country": "CH",
                },
                "items": [{"sku": f"SKU-{number % 97:05}", "quantity": 1 + number % 3, "price": 19.95}],
                "note": "please leave it at the door; the bell has been broken since the spring",
            },
        }
        for number in range(count)
    ]


def measure(run: int, count: int) -> Run:
    """Enqueue and drain once, and check that each job was handled exactly once."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with (
            open_embedded(f"embedded://{folder / 'server'}") as server,
            redis.Redis.from_url(server.url) as client,
        ):
            config = folder / "observers.toml"
            config.write_text(CONFIGURATION.format(url=server.url))
            (folder / "bench_handler.py").write_text(HANDLER)
            made = events(run, count)
            before = _cpu_secs(client)
            enqueue_secs, job_ids = _enqueue(config, made)
            drain_secs, drained, handled = _drain(config, count)
            cpu_secs = _cpu_secs(client) - before
    assert len(set(job_ids)) == count, "each event makes one job"
    assert sorted(handled) == sorted(str(job_id) for job_id in job_ids), "each job is handled exactly once"
    return Run(count, count / enqueue_secs, drained / drain_secs, 1e6 * cpu_secs / count)


def _enqueue(config: Path, made: list[dict[str, Any]]) -> tuple[float, list[UUID]]:
    job_ids: list[UUID] = []
    with build_with_queue_sync(load_config(config)) as executor:
        executor.queue.open_blocking()
        started = time.perf_counter()
        for first in range(0, len(made), CALL_SIZE):
            for summary in executor.process_events(made[first : first + CALL_SIZE]):
                job_ids += summary.job_ids
        return time.perf_counter() - started, job_ids


def _drain(config: Path, count: int) -> tuple[float, int, list[str]]:
    """Return the seconds between the first look that saw progress and the last, the jobs between, and all handled."""
    with build_with_queue_sync(load_config(config)) as executor, _worker(config) as worker:
        started = time.perf_counter()
        looks: list[tuple[float, int]] = []
        while not looks or looks[-1][1] < count:
            completed = executor.queue.stats_blocking("default")[0].counters.get("completed", 0)
            if completed:
                looks.append((time.perf_counter(), completed))
            if worker.poll() is not None or time.perf_counter() - started > DEADLINE_SECS:
                raise SystemExit(f"the worker drained {completed} of {count} jobs; exit code {worker.poll()}")
            time.sleep(0.005)
        handled = _handled(config.with_name("handled"), count)
    # Where one look saw it all, the start of the worker is counted too.
    (first_at, first), (last_at, _) = (looks[0], looks[-1]) if len(looks) > 1 else ((started, 0), looks[0])
    return last_at - first_at, count - first, handled


def _handled(notes: Path, count: int) -> list[str]:
    """Read what the handler has noted, which may be late by a twentieth of a second."""
    deadline = time.perf_counter() + 10.0
    while True:
        handled = notes.read_text().split()
        if len(handled) >= count or time.perf_counter() > deadline:
            return handled
        time.sleep(0.05)


@contextmanager
def _worker(config: Path) -> Generator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "fraiseql_observers.worker", "--config", str(config)]
    with (config.parent / "worker.log").open("wb") as log:
        worker = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield worker
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(30)


def _cpu_secs(client: redis.Redis) -> float:
    facts = client.info("cpu")
    assert isinstance(facts, dict)
    return float(facts["used_cpu_user"]) + float(facts["used_cpu_sys"])


def report(runs: list[Run]) -> dict[str, Any]:
    """Put the figures together with what they were measured on."""
    return {
        "bench": "enqueue_drain",
        "date": datetime.now(UTC).date().isoformat(),
        "version": _core.__version__,
        "core": "dev" if _is_of_this_tree() else "release",
        "machine": {"system": platform.platform(), "processor": _processor(), "cores": os.cpu_count()},
        "python": platform.python_version(),
        "runs": [{key: round(value, 1) for key, value in asdict(run).items()} for run in runs],
    }


def _is_of_this_tree() -> bool:
    """Tell whether the core is that of `make build`, which is built for quick builds and not for speed."""
    return (Path(_core.__file__).parents[2] / "Cargo.toml").exists()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor()
    )


def main() -> int:
    """Run, print a table and the same as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one run of 2,000 jobs")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    count, repeats = (2_000, 1) if options.quick else (50_000, 3)
    print(f"{'run':>6} {'jobs':>8} {'enqueued/s':>12} {'drained/s':>12} {'server µs/job':>14}")
    runs = []
    for number in range(1, repeats + 1):
        runs.append(measure(number, count))
        print(_line(str(number), runs[-1]))
    middle = [median(getattr(run, name) for run in runs) for name in Run.__slots__]
    print(_line("median", Run(*middle)))
    result = report(runs)
    print(json.dumps(result))
    if options.save:
        RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    return 0


def _line(name: str, run: Run) -> str:
    figures = f"{run.enqueued_per_sec:>12,.0f} {run.drained_per_sec:>12,.0f} {run.server_us_per_job:>14.1f}"
    return f"{name:>6} {run.jobs:>8,} {figures}"


if __name__ == "__main__":
    sys.exit(main())
