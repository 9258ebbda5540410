"""A place where workers run: a configuration, handlers that write down what they do, events, and a look inside.

The handlers append one JSON line to a file of their own for each start and each end, written through to the kernel
before they go on. What a test asserts about runs it reads there, not in the queue.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypedDict
from uuid import UUID, uuid4

from prometheus_client.parser import text_string_to_metric_families

from fraiseql_observers import assembly
from fraiseql_observers._core import QueueStats
from fraiseql_observers.config import load_config
from fraiseql_observers.executor import build_with_queue_sync
from tests.support.processes import is_alive
from tests.support.wait import PATIENCE_SECS, wait_until

_SETTINGS = """
[job_queue]
url = "{url}"
worker_concurrency = {concurrency}
poll_interval_ms = 100
initial_delay_ms = 10
max_delay_ms = 100
[storage]
key_prefix = "{prefix}"
[metrics]
port = 0
[log]
format = "text"
level = "debug"
"""

_OBSERVER = """
[observers.{name}]
event_type = "INSERT"
entity = "{entity}"
[[observers.{name}.actions]]
type = "function"
handler = "{module}:{name}"
"""

_HANDLERS = """
import asyncio, json, os, sys, time
from fraiseql_observers.errors import PermanentError, RetryableError
_file = os.open({evidence!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
def write(what, event, context):
    line = dict(what=what, job=str(context.job_id), n=event.data["n"], attempt=context.attempt, pid=os.getpid())
    os.write(_file, json.dumps(line).encode() + b"\\n")
async def quick(event, context):
    write("end", event, context)
async def slow(event, context):
    write("start", event, context)
    await asyncio.sleep(event.data["secs"])
    write("end", event, context)
def threaded(event, context):
    write("start", event, context)
    time.sleep(event.data["secs"])
    write("end", event, context)
async def stubborn(event, context):
    write("start", event, context)
    end = time.monotonic() + event.data["secs"]
    while time.monotonic() < end and context.attempt == 1:
        try:
            await asyncio.sleep(0.1)
        except asyncio.CancelledError:
            write("ignored", event, context)
    write("end", event, context)
async def blocking(event, context):
    write("start", event, context)
    if context.attempt == 1:
        time.sleep(event.data["secs"])
    write("end", event, context)
async def exiting(event, context):
    write("start", event, context)
    os._exit(3)
async def failing(event, context):
    write("start", event, context)
    raise RetryableError("not yet")
async def unspeakable(event, context):
    write("start", event, context)
    raise PermanentError("no file \\udc80", status_code=-1)
async def vanishing(event, context):
    write("start", event, context)
    raise GeneratorExit
async def once_failing(event, context):
    write("start", event, context)
    if context.attempt == 1:
        raise ValueError("at first")
    write("end", event, context)
async def leaking(event, context):
    write("start", event, context)
    secret = os.environ["SIGNING_SECRET"]
    raise PermanentError(f"the library said: bad key {{secret}} for {{os.environ['HOOK_URL']}}")
async def refusing(event, context):
    write("start", event, context)
    raise PermanentError("never")
"""


class Tally(TypedDict):
    """What the books of a site say, in the words of the catalogue."""

    lost: int
    duplicated: int


class Site:
    """One configuration and everything that happens under it.

    An event of the entity ``Quick`` runs the handler ``quick``, and so on for the handlers that are named.

    Args:
        directory: An empty directory.
        url: The server.
        prefix: The start of every key.
        handlers: The handlers that have an observer.
        more: More TOML, after the settings.
        concurrency: Jobs at a time of one process.
    """

    def __init__(
        self,
        directory: Path,
        url: str,
        prefix: str,
        *,
        handlers: Sequence[str] = ("quick",),
        more: str = "",
        concurrency: int = 10,
    ) -> None:
        self.directory = directory
        self.path = directory / "observers.toml"
        # Modules stay imported, so each site has one of its own.
        self.module = f"handlers_{uuid4().hex[:12]}"
        self.evidence_path = directory / "evidence"
        self.settings = _SETTINGS.format(url=url, prefix=prefix, concurrency=concurrency)
        self._more = more
        (directory / f"{self.module}.py").write_text(_HANDLERS.format(evidence=str(self.evidence_path)))
        self.write(handlers)

    def write(self, handlers: Sequence[str], more: str | None = None) -> None:
        """Write the configuration, with an observer for each of these handlers."""
        observers = "".join(
            _OBSERVER.format(name=name, entity=name.title(), module=self.module) for name in handlers
        )
        self.path.write_text(self.settings + (self._more if more is None else more) + observers)

    def publish(self, entity: str, count: int = 1, **data: Any) -> list[UUID]:
        """Store so many events, numbered ``n`` from 0, and return the ids of their jobs."""
        events = [
            {
                "event_type": "INSERT",
                "entity_type": entity,
                "entity_id": str(uuid4()),
                "data": {"n": number, **data},
            }
            for number in range(count)
        ]
        with build_with_queue_sync(load_config(self.path)) as executor:
            return [job for summary in executor.process_events(events) for job in summary.job_ids]

    def stats(self) -> QueueStats:
        """Count the jobs of the queue ``default``."""
        queue, close = assembly.connect(load_config(self.path))
        try:
            [stats] = queue.stats_blocking("default")
        finally:
            close()
        return stats

    def evidence(self, what: str | None = None) -> list[dict[str, Any]]:
        """Read what handlers have written down, all or of one kind."""
        if not self.evidence_path.exists():
            return []
        lines = [json.loads(line) for line in self.evidence_path.read_text().splitlines()]
        return [line for line in lines if what in (None, line["what"])]

    def count(self, what: str) -> int:
        """Count what handlers have written down of one kind."""
        return len(self.evidence(what))

    def runs(self, what: str = "end") -> Counter[str]:
        """Count lines of one kind by job."""
        return Counter(line["job"] for line in self.evidence(what))

    def tally(self, confirmed: Iterable[UUID]) -> Tally:
        """Count for the catalogue what was confirmed and has not run, and the runs beyond the first of their job."""
        ran = self.runs()
        return {
            "lost": sum(str(job) not in ran for job in confirmed),
            "duplicated": sum(ran.values()) - len(ran),
        }

    def worker(self, *arguments: str, environment: Mapping[str, str] | None = None) -> WorkerProcess:
        """Start a worker."""
        return WorkerProcess(self, arguments, environment or {})


class WorkerProcess:
    """A worker in a process group of its own; whatever is left of it ends with the context.

    Args:
        site: Whose configuration it runs.
        arguments: More of the command line.
        environment: Variables beside those of the test.
    """

    def __init__(self, site: Site, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self.log_path = site.directory / f"log-{uuid4().hex[:8]}"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "fraiseql_observers.worker", "--config", str(site.path), *arguments],
                stdin=subprocess.DEVNULL,
                stderr=log,
                env={**os.environ, **environment},
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pids = self.children()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE_SECS)
        for pid in pids:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)

    @property
    def pid(self) -> int:
        """The process id of the supervisor."""
        return self.process.pid

    @property
    def log(self) -> str:
        """What the worker has logged so far."""
        return self.log_path.read_text()

    def children(self) -> list[int]:
        """Return the pids of the children that live now; of those that were seen, once the supervisor is gone."""
        listed = subprocess.run(
            ["ps", "-A", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True
        ).stdout
        rows = [line.split() for line in listed.splitlines()]
        return [
            int(pid)
            for pid, group, state in rows
            if int(group) == self.pid and int(pid) != self.pid and not state.startswith("Z")
        ]

    def ready(self) -> Self:
        """Return when every child works."""
        wait_until(self._is_ready, what=f"a worker that is ready, see {self.log_path}")
        return self

    def wait_for_log(self, text: str, *, deadline_secs: float = PATIENCE_SECS) -> None:
        """Return when the log holds this text."""
        wait_until(lambda: text in self.log, deadline_secs=deadline_secs, what=f"{text!r} in {self.log_path}")

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor alone."""
        self.process.send_signal(number)

    def stop(self) -> int:
        """End it with SIGTERM and return the exit code."""
        self.send(signal.SIGTERM)
        return self.wait()

    def wait(self, secs: float = PATIENCE_SECS) -> int:
        """Return the exit code, when it has ended."""
        return self.process.wait(secs)

    def get(self, path: str) -> tuple[int, str]:
        """Ask its endpoint; return the status and the body."""
        found = re.search(r"http://(\S+)/metrics", self.log)
        assert found is not None, f"no address in the log:\n{self.log}"
        try:
            with urllib.request.urlopen(f"http://{found[1]}{path}", timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metrics(self) -> dict[str, float]:
        """Scrape it: values by name and label values, as in ``job_failed_total/function/permanent_error``."""
        _, text = self.get("/metrics")
        return {
            "/".join([sample.name.removeprefix("fraiseql_observer_"), *sample.labels.values()]): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, f"the worker has ended:\n{self.log}"
        return "jobs at a time" in self.log and self.get("/readyz")[0] == 200
