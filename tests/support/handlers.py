"""Handlers that do to their worker what a test asks for in the event's data.

``data.do`` names what to do, ``data.label`` is the test's name for the job, and a gate is a file that opens when
it exists. Where ``data.attempts`` is given, only so many attempts do harm. Importing this module makes a child leave
its counters behind when it ends in good order.
"""

from __future__ import annotations

import asyncio
import atexit
import ctypes
import os
import resource
import signal
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from fraiseql_observers import _core
from fraiseql_observers.actions.base import ActionContext
from fraiseql_observers.errors import RetryableError
from fraiseql_observers.events import EntityEvent
from tests.support.runs import RUNS_VARIABLE, write_note

#: Seconds between two looks at a gate.
_POLL_SECS: Final = 0.01
#: How a process that a handler ends ends.
POISON_EXIT_CODE: Final = 13
_MEGABYTE: Final = 1 << 20


async def nothing(event: EntityEvent, context: ActionContext) -> None:
    """Succeed at once, leaving no trace."""


async def act(event: EntityEvent, context: ActionContext) -> None:
    """Note the start, do what the event says on the event loop, note the end."""
    data = event.data
    _note("start", event, context)
    die_once("start", data)
    match data["do"]:
        case "note":
            await asyncio.sleep(data.get("secs", 0.0))
        case "wait":
            while not _is_open(data):
                await asyncio.sleep(_POLL_SECS)
        case "block":
            # The whole event loop waits with it, as it does for a handler that computes.
            while not _is_open(data):
                time.sleep(_POLL_SECS)  # noqa: ASYNC251 - the fault itself
        case "fail":
            raise RuntimeError(data["text"])
        case "flaky":
            if context.attempt <= data["times"]:
                _note("fail", event, context)
                raise RetryableError("not yet", retry_after=timedelta(seconds=data["after_secs"]))
        case fatal:
            if context.attempt <= data.get("attempts", context.attempt):
                _do_harm(fatal, data)
    _note("end", event, context)
    die_once("end", data)


def die_once(step: str, data: dict[str, Any]) -> None:
    """End this process as SIGKILL does, if the job is to die at this step and has not done so before."""
    if data.get("die") != step:
        return
    try:
        os.close(os.open(data["died"], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def _do_harm(what: str, data: dict[str, Any]) -> None:
    """Do to the whole process what none should do; what is not known does nothing."""
    match what:
        case "hold":
            # Called through `PyDLL`, sleep keeps the interpreter's lock: no other thread of Python runs.
            ctypes.PyDLL(None).sleep(data["secs"])
        case "exit":
            os._exit(POISON_EXIT_CODE)
        case "segfault":
            ctypes.string_at(0)
        case "abort":
            os.abort()
        case "eat":
            _eat_memory(data["megabytes"])
        case "gorge":
            (Path(data["cgroup"]) / "cgroup.procs").write_text(str(os.getpid()))
            _eat()
        case _:
            pass


def _eat_memory(megabytes: int) -> None:
    """Take all the memory that there is: so much more than the process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    usual = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + megabytes * _MEGABYTE, usual[1]))
    try:
        _eat()
    finally:
        # Whoever lives through it goes on as before.
        resource.setrlimit(resource.RLIMIT_AS, usual)


def _eat() -> None:
    eaten: list[bytes] = []
    while True:
        # Bytes that are written to, or the kernel would give none of them.
        eaten.append(b"x" * _MEGABYTE)


def _is_open(data: dict[str, str]) -> bool:
    return Path(data["gate"]).exists()


def _note(what: str, event: EntityEvent, context: ActionContext) -> None:
    write_note(what, job=str(context.job_id), label=str(event.data["label"]), attempt=context.attempt)


def counters_path(runs: Path, pid: int) -> Path:
    """Where the child with this process id leaves its counters."""
    return runs.with_name(f"{runs.name}.counters-{pid}")


def _leave_counters() -> None:
    runs = os.environ.get(RUNS_VARIABLE)
    if runs is not None:
        counters_path(Path(runs), os.getpid()).write_bytes(_core.counters_snapshot())


atexit.register(_leave_counters)
