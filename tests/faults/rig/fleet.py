"""A fleet of real workers with known processes, to be killed, frozen and started again, each or all at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.server import free_port
from tests.support.wait import wait_until
from tests.support.worker_process import WorkerProcess

#: What a supervisor says when its first child was ended before it could work.
_ENDED_EARLY = "the first child did not get as far as to work"


class Member:
    """One worker of the fleet: a supervisor and its children.

    Args:
        config: The configuration of all.
        name: Its name, also of its log.
        processes: How many children.
        slots: Jobs at a time of each child.
        environment: Variables beside those of this process.
    """

    def __init__(
        self,
        config: str | Path,
        name: str,
        *,
        processes: int,
        slots: int,
        environment: Mapping[str, str],
    ) -> None:
        self.name = name
        self.slots = slots
        #: The same over all its starts, so that a scraper finds it again.
        self.metrics_port = free_port()
        self.is_up = False
        #: Grows with everything that is done to it.
        self.changes = 0
        self._frozen: set[int] = set()
        self.process = WorkerProcess(
            config,
            processes=processes,
            environment={**environment, "FRAISEQL_METRICS_PORT": str(self.metrics_port)},
            name=name,
        )

    @property
    def is_frozen(self) -> bool:
        """Whether any of its processes is kept from running."""
        return bool(self._frozen)

    def spawn(self) -> None:
        """Start it, and do not wait for it to be ready."""
        self.changes += 1
        self.process.spawn()
        self.is_up = True

    def revive(self) -> None:
        """Start it again if its first child was killed before it worked: a worker ends then, and is started by hand.

        Raises:
            AssertionError: If it has ended for another reason.
        """
        if self.is_up and self.process.has_ended:
            self.is_up = False
            assert _ENDED_EARLY in self.process.log, f"{self.name} has ended:\n{self.process.log[-4000:]}"
            self.process.wait_until_gone()
            self.spawn()

    def children(self) -> list[int]:
        """The pids of its children that live now, in order."""
        return sorted(self.process.children()) if self.is_up else []

    def in_flight(self, pids: Sequence[int] | None = None) -> int:
        """Say how many jobs these children, or all, can have in flight; one that runs suspects has one."""
        return sum(1 if _runs_suspects(pid) else self.slots for pid in pids or self.children())

    def kill(self) -> int:
        """End all its processes with SIGKILL; return how many jobs were in flight."""
        in_flight = self.in_flight()
        self.changes += 1
        self.is_up = False
        self._frozen.clear()
        self.process.kill()
        return in_flight

    def kill_child(self, pid: int) -> int:
        """End one child with SIGKILL; return how many jobs were in flight."""
        in_flight = self.in_flight([pid])
        _signal(pid, signal.SIGKILL)
        self._frozen.discard(pid)
        return in_flight

    def kill_supervisor(self) -> None:
        """End the supervisor alone with SIGKILL; its children then end in good order, which is waited for."""
        self.changes += 1
        self.is_up = False
        self.thaw()
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def freeze(self, pids: Sequence[int]) -> None:
        """Keep processes from running, until `thaw`."""
        self.changes += 1
        self._frozen.update(pids)
        for pid in pids:
            _signal(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let everything run again."""
        for pid in self._frozen:
            _signal(pid, signal.SIGCONT)
        self.changes += 1
        self._frozen.clear()

    def stop(self) -> int:
        """Tell it to stop, and return its exit code."""
        self.thaw()
        self.changes += 1
        self.is_up = False
        return self.process.stop()


class Fleet:
    """Several workers with one configuration.

    Args:
        config: The configuration.
        size: How many workers.
        processes: Children of each.
        slots: Jobs at a time of each child, as the configuration says.
        environment: Variables beside those of this process.
    """

    def __init__(
        self,
        config: str | Path,
        size: int,
        *,
        processes: int = 1,
        slots: int,
        environment: Mapping[str, str],
    ) -> None:
        self.members = [
            Member(config, f"worker-{number}", processes=processes, slots=slots, environment=environment)
            for number in range(size)
        ]

    def start(self) -> None:
        """Start every worker that is not up, and return when each has said what it will do."""
        started = [member for member in self.members if not member.is_up]
        for member in started:
            member.spawn()
        for member in started:
            process = member.process
            wait_until(
                lambda process=process: "jobs at a time" in process.log,  # type: ignore[misc]
                what=f"the first line of {member.name}",
            )

    def in_flight(self) -> int:
        """Say how many jobs all workers can have in flight."""
        return sum(member.in_flight() for member in self.members if member.is_up)

    def revive(self) -> None:
        """Start every worker again that has ended because its first child was killed."""
        for member in self.members:
            member.revive()

    def heal(self) -> None:
        """Let everything run again that is frozen, and start everything that is down."""
        self.revive()
        for member in self.members:
            member.thaw()
            if not member.is_up:
                member.spawn()

    def stop(self) -> dict[str, int]:
        """Tell every worker to stop, and return the exit code of each."""
        return {member.name: member.stop() for member in self.members if member.is_up}

    def logs(self) -> dict[str, str]:
        """What each has written over all its starts."""
        return {member.name: member.process.whole_log for member in self.members}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for member in self.members:
            member.kill()


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _runs_suspects(pid: int) -> bool:
    try:
        return b"--suspects" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        # Gone, or not Linux: then it may have been any child.
        return False
