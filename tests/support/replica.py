"""A replica of a test's server, to be frozen, so that what the primary writes is not confirmed any more."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.support.server import ServerProcess
from tests.support.wait import wait_until


@contextmanager
def replica_of(primary: ServerProcess, binary: Path, *, port: int = 0) -> Generator[ServerProcess]:
    """Run a replica beside `primary` for as long as the block lasts; it is in step when the block begins.

    Args:
        primary: What it follows.
        binary: The replica's own server.
        port: Where it finds the primary, if there is something between.
    """
    with primary.client() as client:
        # Else the primary waits five seconds for more replicas to come.
        client.config_set("repl-diskless-sync-delay", 0)
    with ServerProcess(binary, extra=("--replicaof", f"127.0.0.1 {port or primary.port}")) as replica:
        wait_until(lambda: online_replicas(primary) == 1, what="the replica to be in step")
        yield replica


def online_replicas(primary: ServerProcess) -> int:
    """Count the replicas that are in step."""
    with primary.client() as client:
        replication = client.info("replication")
    states = [
        about["state"] for about in replication.values() if isinstance(about, dict) and "state" in about
    ]
    return states.count("online")
