"""A child that does no work and speaks both pipes, for tests of the supervisor.

A directory, its first argument, tells it what to do: the file `behaviours` holds one JSON object a line, of
which the n-th child that starts takes the n-th, and every later one the last. It leaves a line in `starts`
with its pid and its arguments, and one in `orders` for every order that it hears.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda *_: None)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})

PLAN: dict[str, Any] = {
    "version": "0.0.0",
    "processes": 1,
    "concurrency": 7,
    "queues": ["default", "slow"],
    "observers": 3,
    "job_timeout_secs": 2,
    "shutdown_timeout_secs": 1,
    "metrics_enabled": False,
    "metrics_host": "127.0.0.1",
    "metrics_port": 0,
    "log_level": "info",
    "log_format": "text",
    "duration_bounds": [0.1, 1.0],
}
COUNTERS = {
    "queued": 0,
    "executed": {"log": 2},
    "failed": {"log|permanent_error": 1},
    "attempts_failed": {"log|permanent": 1},
    "retries": {},
    "duration": {"log": {"buckets": [1, 1, 1], "sum": 2.5}},
}


def main() -> None:
    directory, arguments = Path(sys.argv[1]), sys.argv[2:]
    control = int(arguments[arguments.index("--control-fd") + 1])
    status = int(arguments[arguments.index("--status-fd") + 1])
    with (directory / "starts").open("a") as starts:
        starts.write(json.dumps({"pid": os.getpid(), "arguments": arguments}) + "\n")
    number = len((directory / "starts").read_text().splitlines())
    behaviours = (directory / "behaviours").read_text().splitlines()
    behaviour = json.loads(behaviours[min(number, len(behaviours)) - 1])
    Child(directory, behaviour, control, status).run()


class Child:
    """One start of the program."""

    def __init__(self, directory: Path, behaviour: dict[str, Any], control: int, status: int) -> None:
        self.directory = directory
        self.behaviour = behaviour
        self.control = control
        self.status = status
        self.rest = b""

    def say(self, kind: str, **values: object) -> None:
        # A supervisor that is gone hears nothing; its end is heard as that of the orders.
        with suppress(BrokenPipeError):
            os.write(self.status, json.dumps({"kind": kind, **values}).encode() + b"\n")

    def run(self) -> None:
        self.end_if("end_before_plan")
        self.say("plan", **(PLAN | self.behaviour.get("plan", {})))
        while True:
            ready, _, _ = select.select([self.control], [], [], 0.05)
            if ready:
                self.hear()
            if not self.behaviour.get("silent"):
                self.say("pulse", counters=COUNTERS, reachable=self.behaviour.get("reachable", True))

    def hear(self) -> None:
        data = os.read(self.control, 4096)
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines or [b"eof"]:
            with (self.directory / "orders").open("ab") as orders:
                orders.write(b"%d %s\n" % (os.getpid(), line))
            self.obey(line.decode().split())

    def obey(self, words: list[str]) -> None:
        match words:
            case ["go"]:
                self.end_if("end_before_queue")
                self.say("queue", product="valkey", version="9.1.2", durability="process")
                self.say("ready")
                for report in self.behaviour.get("reports", []):
                    os.write(self.status, json.dumps(report).encode() + b"\n")
                if "raw" in self.behaviour:
                    os.write(self.status, self.behaviour["raw"].encode())
                if "end_after_secs" in self.behaviour:
                    time.sleep(self.behaviour["end_after_secs"])
                self.end_if("end_when_ready")
            case ["reload"]:
                self.say("reloaded", **self.behaviour.get("reloaded", {"observers": 4}))
            case ["gauges", number] if not self.behaviour.get("deaf"):
                self.say(
                    "gauges",
                    number=int(number),
                    gauges=self.behaviour.get("gauges", {"pending": 5, "dead": 2}),
                )
            case ["stop"] | ["eof"] if not self.behaviour.get("ignores_stop"):
                os._exit(0)
            case ["leave"] if not self.behaviour.get("ignores_leave"):
                os._exit(1)

    def end_if(self, when: str) -> None:
        if when in self.behaviour:
            code = self.behaviour[when]
            if code < 0:
                os.kill(os.getpid(), -code)
            os._exit(code)


if __name__ == "__main__":
    main()
