"""Carries out a schedule: breaks what it says when it says so, writes down what was in flight, heals all at the end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

import redis

from tests.faults.rig.fleet import Fleet, Member
from tests.faults.rig.history import History
from tests.faults.rig.schedule import Step, What
from tests.support.server import ServerProcess

#: Seconds that the nemesis itself waits for an answer of the server.
_PATIENCE_SECS = 2.0
#: Memory beyond what is used that a server keeps when it is filled: less than one call needs.
_SPARE_BYTES = 1024


class Network(Protocol):
    """What stands between the fleet and its server."""

    def cut(self) -> object:
        """Close every connection."""
        ...

    def delay(self, secs: float, /) -> object:
        """Hold everything back for so long."""
        ...

    def blackhole(self) -> object:
        """Take everything and answer nothing."""
        ...

    def heal(self) -> object:
        """Be a good network again."""
        ...


class Nemesis:
    """Breaks things.

    Args:
        fleet: The workers.
        server: Their server.
        network: What is between them, if anything.
        history: Where each fault is written.
    """

    def __init__(
        self, fleet: Fleet, server: ServerProcess, history: History, network: Network | None = None
    ) -> None:
        self._fleet = fleet
        self._server = server
        self._history = history
        self._network = network

    def run(self, schedule: Sequence[Step]) -> None:
        """Carry out a schedule and return when everything has been healed; it takes as long as the schedule."""
        begun = time.monotonic()
        for step in schedule:
            # The only fixed waits of the rig: when a fault comes is part of what is tested.
            time.sleep(max(begun + step.at - time.monotonic(), 0.0))
            self._fleet.revive()
            self._do(step)
        self.heal()

    def heal(self) -> None:
        """Undo everything that lasts."""
        if not self._server.is_running:
            self._server.start()
        self._limit_memory(0)
        if self._network is not None:
            self._network.heal()
        self._fleet.heal()
        self._history.fault("heal", "everything", 0)

    def _do(self, step: Step) -> None:
        member = self._fleet.members[step.worker]
        match step.what:
            case What.KILL_CHILD | What.KILL_WORKER | What.KILL_SUPERVISOR:
                self._kill(step.what, member, step.at)
            case What.KILL_ALL:
                doomed = self._fleet.members[: int(step.amount)]
                in_flight = sum(one.kill() for one in doomed if one.is_up)
                self._history.fault(step.what, "all workers", in_flight)
            case What.START_WORKER:
                if not member.is_up:
                    member.spawn()
            case What.FREEZE | What.NAP:
                self._freeze(step.what, member)
            case What.THAW:
                member.thaw()
            case What.KILL_SERVER | What.START_SERVER | What.FLUSH | What.FILL | What.EMPTY:
                self._break_server(step.what)
            case What.CUT | What.DELAY | What.SILENCE | What.HEAL:
                self._break_network(step)

    def _kill(self, what: What, member: Member, at: float) -> None:
        if not member.is_up:
            return
        if what is What.KILL_WORKER:
            self._history.fault(what, member.name, member.kill())
        elif what is What.KILL_SUPERVISOR:
            # Its children finish what they run, unless that takes too long.
            in_flight = member.in_flight()
            member.kill_supervisor()
            self._history.fault(what, member.name, in_flight)
        elif children := member.children():
            # Which of them is decided by the schedule, as far as there are as many as it thought.
            pid = children[int(at * 1000) % len(children)]
            self._history.fault(what, f"{member.name} {pid}", member.kill_child(pid))

    def _freeze(self, what: What, member: Member) -> None:
        if not member.is_up or member.is_frozen:
            return
        children = member.children()
        in_flight = member.in_flight(children) if what is What.FREEZE and children else 0
        member.freeze([*children, member.process.pid])
        self._history.fault(what, member.name, in_flight)

    def _break_server(self, what: What) -> None:
        if what is What.START_SERVER:
            if not self._server.is_running:
                self._server.start()
        elif self._server.is_running:
            match what:
                case What.KILL_SERVER:
                    self._server.kill()
                    # An ack that was under way is repeated; a worker that gets none in time has lost its lease.
                    self._history.fault(what, "server", self._fleet.in_flight())
                case What.FLUSH:
                    with self._client() as client:
                        client.script_flush()
                    self._history.fault(what, "server", 0)
                case What.FILL:
                    with self._client() as client:
                        used = int(client.info("memory")["used_memory"])
                    self._limit_memory(used + _SPARE_BYTES)
                    self._history.fault(what, "server", 0)
                case _:
                    self._limit_memory(0)

    def _limit_memory(self, limit: int) -> None:
        with self._client() as client:
            client.config_set("maxmemory", limit)

    def _break_network(self, step: Step) -> None:
        network = self._network
        assert network is not None, "this schedule needs a network to break"
        match step.what:
            case What.CUT:
                network.cut()
                self._history.fault(step.what, "network", 0)
            case What.DELAY:
                network.delay(step.amount)
                self._history.fault(step.what, "network", 0)
            case What.SILENCE:
                network.blackhole()
                self._history.fault(step.what, "network", 0)
            case _:
                network.heal()

    def _client(self) -> redis.Redis:
        return redis.Redis(port=self._server.port, socket_timeout=_PATIENCE_SECS)
