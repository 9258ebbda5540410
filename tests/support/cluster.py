"""A cluster of the test's own on 127.0.0.1: masters with a replica each, slots to move, nodes to kill."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis

from tests.support.server import ServerProcess, free_port
from tests.support.wait import wait_until

#: Slots of every cluster.
SLOTS = 16_384
#: Milliseconds of silence after which the other nodes take one for dead.
NODE_TIMEOUT_MS = 1000


class NodeProcess(ServerProcess):
    """One node; the port on which it talks to the others is a free one too."""

    def __init__(self, binary: Path, *, full_coverage: bool, appendonly: bool = True) -> None:
        super().__init__(binary, appendonly=appendonly, appendfsync="no")
        self._more = [
            *("--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS)),
            *("--cluster-require-full-coverage", "yes" if full_coverage else "no"),
            *("--cluster-port", str(free_port()), "--repl-diskless-sync-delay", "0"),
        ]

    @property
    def bus_port(self) -> str:
        """The port for the other nodes."""
        return self._more[self._more.index("--cluster-port") + 1]

    def ask(self, *words: str) -> Any:
        """Ask this node."""
        with redis.Redis(port=self.port) as client:
            return client.execute_command(*words)

    def info(self) -> dict[str, str]:
        """What it says of the cluster."""
        answer = self.ask("CLUSTER", "INFO")
        if isinstance(answer, dict):
            return {str(name): str(value) for name, value in answer.items()}
        lines = answer.decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    @property
    def name(self) -> str:
        """Its id in the cluster."""
        return str(self.ask("CLUSTER", "MYID").decode())

    def _command(self) -> list[str]:
        return [*super()._command(), *self._more]


class Cluster:
    """Nodes that share the slots, and replicas of them.

    Args:
        binary: The program of the nodes.
        masters: How many have slots at first.
        replicas: Whether each has a replica.
        full_coverage: Whether all nodes refuse work while a slot has no node.
        appendonly: Whether the nodes keep a file; without one a replica confirms what it has in memory.
    """

    def __init__(
        self,
        binary: Path,
        *,
        masters: int = 3,
        replicas: bool = True,
        full_coverage: bool = False,
        appendonly: bool = True,
    ) -> None:
        make = partial(NodeProcess, binary, full_coverage=full_coverage, appendonly=appendonly)
        self.nodes = [make().start() for _ in range(masters * (2 if replicas else 1))]
        self.masters, self.replicas = self.nodes[:masters], self.nodes[masters:]
        share = SLOTS // masters
        for place, node in enumerate(self.masters):
            last = SLOTS - 1 if place == masters - 1 else (place + 1) * share - 1
            node.ask("CLUSTER", "ADDSLOTSRANGE", str(place * share), str(last))
        for epoch, node in enumerate(self.nodes, start=1):
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", str(epoch))
        for node in self.nodes[1:]:
            self.nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", str(node.port), node.bus_port)
        wait_until(self._is_known, what="nodes that know each other")
        for master, replica in zip(self.masters, self.replicas, strict=False):
            wait_until(partial(_replicates, replica, master.name))
        for replica in self.replicas:
            self.wait_for_replica(replica)
        wait_until(self.is_ok, what="a cluster that works")

    @property
    def url(self) -> str:
        """The address of the whole: two nodes are enough."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[:2])

    def is_ok(self) -> bool:
        """Whether every living node says that all slots are served."""
        return all(node.info()["cluster_state"] == "ok" for node in self.nodes if node.is_running)

    def wait_for_replica(self, node: NodeProcess) -> None:
        """Return when this node follows another one, and has all that it has."""
        wait_until(partial(_is_in_step, node), what="a replica in step")

    def owner(self, slot: int) -> NodeProcess:
        """The node that serves a slot."""
        for node in self.nodes:
            if node.is_running:
                for first, last, place, *_ in node.ask("CLUSTER", "SLOTS"):
                    if first <= slot <= last:
                        return next(one for one in self.nodes if one.port == int(place[1]))
        raise AssertionError(f"nobody serves slot {slot}")

    def slot(self, tag: str) -> int:
        """The slot of a hash tag."""
        node = next(node for node in self.nodes if node.is_running)
        return int(node.ask("CLUSTER", "KEYSLOT", "{" + tag + "}"))

    def move(self, slot: int, target: NodeProcess) -> None:
        """Have another node serve a slot, keys and all, key by key as clusters have always done it."""
        with self.moving(slot, target):
            pass

    @contextmanager
    def moving(self, slot: int, target: NodeProcess, *, share: float = 0.0) -> Generator[None]:
        """Hold a slot on its way, such a share of its keys moved, for as long as the block lasts; then end the move."""
        source = self.owner(slot)
        target.ask("CLUSTER", "SETSLOT", str(slot), "IMPORTING", source.name)
        source.ask("CLUSTER", "SETSLOT", str(slot), "MIGRATING", target.name)
        place = ("MIGRATE", "127.0.0.1", str(target.port), "", "0", "5000", "KEYS")
        if first := round(share * int(source.ask("CLUSTER", "COUNTKEYSINSLOT", str(slot)))):
            source.ask(*place, *source.ask("CLUSTER", "GETKEYSINSLOT", str(slot), str(first)))
        try:
            yield
        finally:
            while keys := source.ask("CLUSTER", "GETKEYSINSLOT", str(slot), "3"):
                source.ask(*place, *keys)
            others = (node for node in self.masters if node not in (target, source))
            for node in (target, source, *others):
                if node.is_running:
                    node.ask("CLUSTER", "SETSLOT", str(slot), "NODE", target.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for node in self.nodes:
            node.close()

    def _is_known(self) -> bool:
        known = {int(node.info()["cluster_known_nodes"]) for node in self.nodes}
        return known == {len(self.nodes)} and self.is_ok()


def _replicates(replica: NodeProcess, master: str) -> bool:
    try:
        replica.ask("CLUSTER", "REPLICATE", master)
    except redis.ResponseError:
        # It has not heard of its master yet.
        return False
    return True


def _is_in_step(replica: NodeProcess) -> bool:
    with replica.client() as client:
        return bool(client.info("replication").get("master_link_status") == "up")


def tags(prefix: str, shards: int) -> Sequence[str]:
    """What stands in the braces of the keys of each shard of the queue ``default``."""
    return [f"{prefix}:default:{shard}" for shard in range(shards)]
