"""How soon does a handler start: after an enqueue to an idle queue, and after a delayed job is due?

A server of its own (`embedded://`, append-only file, `everysec`) and one worker process with all settings at their
defaults. Its handler sends the time at which it was called to a socket of this program, which enqueues the next job
only when the worker is idle again. Both programs read the same clocks of the machine. Each run checks that every job
was started once, and no delayed job early.

    python benches/system/latency.py             2,000 jobs at once, 300 of each delay
    python benches/system/latency.py --quick     100 and 10, to see that it works; no figures to keep
    python benches/system/latency.py --save      also writes benches/results/latency.json
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from fraiseql_observers import _core, build_with_queue_sync, load_config
from fraiseql_observers._core import EntityEvent, Job
from fraiseql_observers.embedded import open_embedded
from fraiseql_observers.job_queue import build_job_queue

RESULTS = Path(__file__).resolve().parents[1] / "results" / "latency.json"
#: Milliseconds; in this order, so that each but the first is due before or after one that is waited for.
DELAYS_MS = (20, 5, 50)
#: Seconds between the start of a handler and the next enqueue: the worker has acked and is idle by then.
IDLE_SECS = 0.005
#: Seconds within which a job has to start, that of the first with the start of the worker.
DEADLINE_SECS = 60.0

CONFIGURATION = """\
[job_queue]
url = "{url}"
[metrics]
port = 0
[observers.bench]
event_type = "INSERT"
entity = "Order"
[[observers.bench.actions]]
type = "function"
handler = "bench_handler:handle"
"""
HANDLER = """\
import pathlib, socket, time
sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
address = str(pathlib.Path(__file__).with_name("starts"))
async def handle(event, context):
    mono, wall = time.monotonic_ns(), time.time_ns()
    sender.sendto(b"%s %d %d" % (str(context.job_id).encode(), mono, wall), address)
"""


class Starts:
    """The socket on which the handler tells of its starts.

    Args:
        path: Where the socket is made.
    """

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(DEADLINE_SECS)
        self.seen: list[UUID] = []

    def next(self) -> tuple[UUID, int, int]:
        """Wait for the next start; its job, and when it was on the monotonic and on the wall clock, in ns."""
        job_id, mono, wall = self._socket.recv(256).split()
        self.seen.append(UUID(job_id.decode()))
        return self.seen[-1], int(mono), int(wall)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def order() -> EntityEvent:
    """Make an event of about 400 bytes."""
    return EntityEvent(
        "INSERT",
        "Order",
        uuid4(),
        {"total": 120, "customer": {"tier": "gold", "name": "A customer"}, "note": "at the door, please"},
    )


def measure_immediate(config: Path, starts: Starts, count: int) -> tuple[list[float], list[float]]:
    """Return for each job the ms from the call that enqueues it to its answer, and to the start of its handler."""
    answers: list[float] = []
    waits: list[float] = []
    with build_with_queue_sync(load_config(config)) as executor:
        executor.process_event(order())
        starts.next()  # The first waits for the start of the worker.
        for _ in range(count):
            time.sleep(IDLE_SECS)
            event = order()
            called = time.monotonic_ns()
            (job_id,) = executor.process_event(event).job_ids
            answers.append((time.monotonic_ns() - called) / 1e6)
            started, mono, _ = starts.next()
            assert started == job_id, "an idle worker starts the job that was just enqueued"
            waits.append((mono - called) / 1e6)
    return answers, waits


async def measure_delayed(config: Path, starts: Starts, rounds: int) -> dict[int, list[float]]:
    """Return for each delay the ms that its jobs have started late; the delays of one round overlap."""
    late: dict[int, list[float]] = {delay: [] for delay in DELAYS_MS}
    queue = build_job_queue(load_config(config))
    for _ in range(rounds):
        await asyncio.sleep(IDLE_SECS)
        due: dict[UUID, tuple[int, datetime]] = {}
        for delay in DELAYS_MS:
            # Whole milliseconds, as the queue keeps them.
            at = datetime.now(UTC) + timedelta(milliseconds=delay + 1)
            at = at.replace(microsecond=at.microsecond // 1000 * 1000)
            job = Job(
                action={"type": "function"},
                event=order(),
                observer="bench",
                max_attempts=1,
                initial_delay_ms=10,
                max_delay_ms=100,
                max_age_secs=3600,
                scheduled_at=at,
            )
            due[job.id] = delay, at
            assert await queue.enqueue(job)
        for _ in DELAYS_MS:
            job_id, _, wall = await asyncio.to_thread(starts.next)
            delay, at = due.pop(job_id)
            late[delay].append(wall / 1e6 - at.timestamp() * 1e3)
    await queue.aclose()
    assert min(min(values) for values in late.values()) >= 0, "nothing starts before it is due"
    return late


@contextmanager
def _worker(config: Path) -> Generator[None]:
    command = [sys.executable, "-m", "fraiseql_observers.worker", "--config", str(config)]
    with (config.parent / "worker.log").open("wb") as log:
        worker = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(30)


def measure(count: int, rounds: int) -> dict[str, list[float]]:
    """Run both measurements on one server and one worker; the values of each row in ms."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        starts = Starts(folder / "starts")
        with open_embedded(f"embedded://{folder / 'server'}") as server:
            config = folder / "observers.toml"
            config.write_text(CONFIGURATION.format(url=server.url))
            (folder / "bench_handler.py").write_text(HANDLER)
            with _worker(config):
                answers, waits = measure_immediate(config, starts, count)
                late = asyncio.run(measure_delayed(config, starts, rounds))
        starts.close()
    rows = {"enqueue to answer": answers, "enqueue to start": waits}
    rows |= {f"{delay} ms delay, late by": values for delay, values in late.items()}
    expected = 1 + count + rounds * len(DELAYS_MS)
    assert len(starts.seen) == len(set(starts.seen)) == expected, "each job starts once"
    return rows


def summary(values: Sequence[float]) -> dict[str, float]:
    """Return the percentiles to show, in ms."""
    ordered = sorted(values)
    at = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {
        name: round(ordered[min(int(share * len(ordered)), len(ordered) - 1)], 3)
        for name, share in at.items()
    }


def report(rows: dict[str, list[float]]) -> dict[str, Any]:
    """Put the figures together with what they were measured on."""
    return {
        "bench": "latency",
        "date": datetime.now(UTC).date().isoformat(),
        "version": _core.__version__,
        "core": "dev" if (Path(_core.__file__).parents[2] / "Cargo.toml").exists() else "release",
        "machine": {"system": platform.platform(), "cores": os.cpu_count()},
        "python": platform.python_version(),
        "rows_ms": {name: {"jobs": len(values), **summary(values)} for name, values in rows.items()},
    }


def main() -> int:
    """Run, print a table and the same as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="100 jobs, and 10 of each delay")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    result = report(measure(*((100, 10) if options.quick else (2_000, 300))))
    print(f"{'ms':>22} {'jobs':>6} {'p50':>8} {'p99':>8} {'max':>8}")
    for name, row in result["rows_ms"].items():
        print(f"{name:>22} {row['jobs']:>6} {row['p50']:>8.3f} {row['p99']:>8.3f} {row['max']:>8.3f}")
    print(json.dumps(result))
    if options.save:
        RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
