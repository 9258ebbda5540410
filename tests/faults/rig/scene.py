"""One run of the rig: a server, a fleet, a producer, a nemesis, a scraper, and the witness at the end."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final
from uuid import UUID

from tests.faults.rig.catalogue import Entry
from tests.faults.rig.fleet import Fleet
from tests.faults.rig.history import History, Told
from tests.faults.rig.nemesis import Nemesis, Network
from tests.faults.rig.producer import MAX_ATTEMPTS, PAYLOAD_CANARY, events, job_of, start_producer
from tests.faults.rig.schedule import Step
from tests.faults.rig.scraper import Scraper
from tests.faults.rig.witness import Evidence, Finding, finished_records, judge
from tests.support.audit import Audit
from tests.support.contents import contents
from tests.support.queue_under_test import QueueUnderTest
from tests.support.runs import Runs
from tests.support.server import ServerProcess
from tests.support.wait import wait_until

#: The shortest that there is.
LEASE_SECS: Final = 5
#: Delays of retries are short here, so that a run is.
MAX_DELAY_SECS: Final = 0.1
#: Crashes that bury a job: more than any innocent job can meet, where it is not the crashes that a run is about.
MANY_CRASHES: Final = 100
#: What a worker may need on top of lease and backoff until a job that waits has run.
MARGIN_SECS: Final = 5.0
#: Stands in the environment of all programs and in no file, so that it may be told nowhere.
ENVIRONMENT_CANARY: Final = "environment-canary-93b0f4"
CANARY_VARIABLE: Final = "RIG_CANARY"

#: All records of finished jobs are kept, since each is the witness of an ack.
_ENVIRONMENT: Final = {
    CANARY_VARIABLE: ENVIRONMENT_CANARY,
    "FRAISEQL_LOG_LEVEL": "debug",
    "FRAISEQL_STORAGE_COMPLETED_RETENTION_MAX": "10000000",
}


class Scene:
    """Everything that one run needs, on a server that it may break.

    Args:
        folder: Where all files go.
        server: The server.
        prefix: The start of every key.
        seed: Of everything that is random.
        url: Where workers and producers find the server, if there is something between.
        network: What is between, to be broken.
        workers: How many workers.
        processes: Children of each.
        slots: Jobs at a time of each child.
        max_crashes: Crashes that bury a job.
    """

    def __init__(
        self,
        folder: Path,
        server: ServerProcess,
        prefix: str,
        *,
        seed: int,
        url: str | None = None,
        network: Network | None = None,
        workers: int = 4,
        processes: int = 1,
        slots: int = 10,
        max_crashes: int = MANY_CRASHES,
    ) -> None:
        self.server = server
        self.seed = seed
        self._url = server.url if url is None else url
        self.runs = Runs(folder / "runs")
        self.history = History(folder / "history")
        self.queue = QueueUnderTest(
            folder,
            self._url,
            prefix,
            worker=f"lease_duration_secs = {LEASE_SECS}\nmax_crashes = {max_crashes}\nshutdown_timeout_secs = 10",
            handlers="tests.faults.rig.handlers",
            worker_concurrency=slots,
            poll_interval_ms=100,
            max_retries=MAX_ATTEMPTS - 1,
            initial_delay_ms=10,
            max_delay_ms=int(MAX_DELAY_SECS * 1000),
        )
        self.environment = {**self.runs.environment, **_ENVIRONMENT}
        self.fleet = Fleet(
            self.queue.config, workers, processes=processes, slots=slots, environment=self.environment
        )
        self.nemesis = Nemesis(self.fleet, server, self.history, network)
        self.scraper = Scraper(self.fleet.members)
        self.max_crashes = max_crashes
        #: Jobs that are to become dead letters.
        self.doomed: set[UUID] = set()
        #: The least time between two attempts of a job.
        self.retry_secs: dict[UUID, float] = {}
        #: How long the last job took after the last fault; known when it has.
        self.drained_secs: float | None = None
        self._folder = folder
        self._tag = f"{{{prefix}:default:0}}"

    def expect(self, made: Sequence[Mapping[str, object]]) -> None:
        """Note what is to become of the jobs of these events."""
        for event in made:
            data = event["data"]
            assert isinstance(data, dict)
            job = job_of({"id": event["id"]})
            if data["do"] in {"fail", "exit", "segfault", "abort", "eat", "gorge"}:
                self.doomed.add(job)
            if data["do"] == "flaky":
                self.retry_secs[job] = data["after_secs"]

    def publish(self, made: Sequence[dict[str, object]]) -> list[UUID]:
        """Enqueue events from this process, all of which must be stored."""
        self.expect(made)
        jobs = self.queue.publish(made)
        self.history.told(Told.ASKED, jobs)
        self.history.told(Told.ACKED, jobs)
        return jobs

    def produce(self, jobs: int, rate: float) -> subprocess.Popen[bytes]:
        """Start a producer of so many jobs, so many a second."""
        self.expect(list(events(self.seed, jobs)))
        return start_producer(
            self.queue.config,
            self.history,
            seed=self.seed,
            jobs=jobs,
            rate=rate,
            environment=_ENVIRONMENT,
        )

    def run(self, schedule: Sequence[Step], *, jobs: int, rate: float, drain_secs: float) -> Finding:
        """Run everything: produce and break until both have ended, wait until nothing is left, judge.

        Args:
            schedule: What is broken when.
            jobs: How many jobs are made.
            rate: How many a second.
            drain_secs: How long after the last fault the last job may take.
        """
        print(f"seed {self.seed}:", *schedule, sep="\n")
        with self.fleet:
            with self.scraper:
                producer = self.produce(jobs, rate)
                try:
                    self.nemesis.run(schedule)
                    assert producer.wait(jobs / rate + 60) == 0, "the producer has failed, see its log"
                finally:
                    producer.kill()
                    producer.wait()
                self.drained_secs = self.wait_until_drained(drain_secs)
            return self.judge(stop=True)

    def wait_until_drained(self, secs: float) -> float:
        """Return when no job is left to do, with how long that took after the last fault and the last enqueue."""
        end = max(
            [fault.at for fault in self.history.faults()] + [line.at for line in self.history.enqueues()]
        )
        try:
            wait_until(self._is_drained, deadline_secs=secs, what="the end of all jobs")
        except AssertionError as error:
            raise AssertionError(f"I6: {error}; there are {self.queue.summary()}") from None
        return max(time.monotonic() - end, 0.0)

    def judge(self, *, stop: bool) -> Finding:
        """Compare the witnesses; workers are stopped before, where that is asked for, and must end in good order."""
        codes = self.fleet.stop() if stop else {}
        with self.server.client() as client:
            evidence = Evidence(
                enqueues=self.history.enqueues(),
                faults=self.history.faults(),
                notes=self.runs.notes(),
                audit=Audit.read(client, self._tag),
                records=finished_records(client, self._tag),
                doomed=frozenset(self.doomed),
                retry_secs=self.retry_secs,
                most_starts=MAX_ATTEMPTS + self.max_crashes,
                told={
                    **self.fleet.logs(),
                    "producer": self._text("producer.log"),
                    "metrics": "\n".join(self.scraper.lines),
                    # The bytes of a job hold its event, of course.
                    "keys": contents(client, without={"jobs"}),
                },
                canaries=(PAYLOAD_CANARY, ENVIRONMENT_CANARY),
            )
        finding = judge(evidence)
        ends = [f"I8: {name} ended with {code}" for name, code in codes.items() if code != 0]
        return replace(finding, broken=[*finding.broken, *ends, *self.scraper.broken])

    def report(self, finding: Finding, entry: Entry, note: str = "") -> None:
        """Fill the line of the catalogue, and say what was done."""
        faults = self.history.faults()
        kinds = sorted({fault.kind for fault in faults} - {"heal"})
        told = Counter(line.told for line in self.history.enqueues())
        took = max(self.scraper.took, default=0.0)
        print(
            *(f"{sum(fault.kind == kind for fault in faults):6} x {kind}" for kind in kinds),
            f"calls: {', '.join(f'{count} {outcome}' for outcome, count in told.items())}",
            f"jobs: {len(self.history.jobs(Told.ASKED))} asked for, {len(finding.verdict.recovered)} recovered, "
            f"{finding.lost} lost, {finding.duplicated} duplicated of at most {finding.bound}",
            f"scrapes: {len(self.scraper.took)}, the slowest {took:.2f} s",
            f"drained in {self.drained_secs} s",
            sep="\n",
        )
        entry.record(
            lost=finding.lost,
            duplicated=finding.duplicated,
            bound=finding.bound,
            drain_secs=self.drained_secs,
            note=note,
        )

    def _is_drained(self) -> bool:
        self.fleet.revive()
        stats = self.queue.stats()
        return stats.pending + stats.suspects + stats.running + stats.scheduled + stats.parked == 0

    def _text(self, name: str) -> str:
        path = self._folder / name
        return path.read_text(errors="replace") if path.exists() else ""
