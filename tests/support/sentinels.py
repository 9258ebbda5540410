"""A primary, its replicas and three sentinels, all of them processes of the test on 127.0.0.1."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis

from tests.support.server import ServerProcess
from tests.support.wait import wait_until

#: What the sentinels call the servers.
SERVICE = "main"
#: Milliseconds of silence after which a sentinel takes a server for dead.
DOWN_AFTER_MS = 500


class Sentinels:
    """Servers of which one takes writes, and three sentinels that choose another one when it is gone.

    Args:
        binary: The program of servers and sentinels.
        password: What the sentinels ask for; the servers ask for nothing.
        replicas: How many servers follow the first.
        appendonly: Whether the servers keep a file; without one a replica confirms what it has in memory.
    """

    def __init__(
        self, binary: Path, *, password: str = "", replicas: int = 1, appendonly: bool = True
    ) -> None:
        self._binary = binary
        self._password = password
        first = ServerProcess(binary, appendonly=appendonly, appendfsync="no").start()
        self.servers = [first]
        for _ in range(replicas):
            # Without this a replica waits for seconds before it asks for data again.
            extra = ("--replicaof", "127.0.0.1", str(first.port), "--repl-diskless-sync-delay", "0")
            follower = ServerProcess(binary, appendonly=appendonly, appendfsync="no", extra=extra)
            self.servers.append(follower.start())
        for follower in self.servers[1:]:
            wait_until(partial(_follows, follower), what="a replica that follows")
        self.sentinels = [self._sentinel(first.port) for _ in range(3)]
        wait_until(self._are_settled, what="sentinels that know each other and the replicas")

    @property
    def ports(self) -> Sequence[int]:
        """The ports of the sentinels."""
        return [sentinel.port for sentinel in self.sentinels]

    @property
    def url(self) -> str:
        """The address of the whole."""
        places = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return f"redis+sentinel://{places}/{SERVICE}"

    def primary_port(self) -> int:
        """The port of the server that takes writes, as the first living sentinel says."""
        for sentinel in self.sentinels:
            if sentinel.is_running:
                found = self.ask(sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
                return int(found[1])
        raise AssertionError("no sentinel is left")

    def primary(self) -> ServerProcess:
        """The server that takes writes."""
        port = self.primary_port()
        return next(server for server in self.servers if server.port == port)

    def fail_over(self) -> None:
        """Have another server take the writes, and return when it does."""
        before = self.primary_port()
        self.ask(self.sentinels[0], "SENTINEL", "FAILOVER", SERVICE)
        wait_until(lambda: self.primary_port() != before, what="another primary")

    def ask(self, sentinel: ServerProcess, *words: str) -> Any:
        """Ask one sentinel."""
        with redis.Redis(port=sentinel.port, password=self._password or None) as client:
            return client.execute_command(*words)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in (*self.sentinels, *self.servers):
            process.close()

    def _sentinel(self, port: int) -> _SentinelProcess:
        process = _SentinelProcess(self._binary)
        lines = [
            f"sentinel monitor {SERVICE} 127.0.0.1 {port} 2",
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {SERVICE} 5000",
            *(
                [f"requirepass {self._password}", f"sentinel sentinel-pass {self._password}"]
                if self._password
                else []
            ),
        ]
        process.configuration.write_text("\n".join(lines) + "\n")
        return process.start()

    def _are_settled(self) -> bool:
        for sentinel in self.sentinels:
            [fields] = [self.ask(sentinel, "SENTINEL", "MASTER", SERVICE)]
            known = _pairs(fields)
            if (known["num-other-sentinels"], known["num-slaves"]) != ("2", str(len(self.servers) - 1)):
                return False
        return True


def _follows(server: ServerProcess) -> bool:
    with server.client() as client:
        return bool(client.info("replication")["master_link_status"] == "up")


def _pairs(fields: object) -> dict[str, str]:
    if isinstance(fields, dict):
        return {str(_text(name)): str(_text(value)) for name, value in fields.items()}
    assert isinstance(fields, list)
    texts = [str(_text(field)) for field in fields]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def _text(value: object) -> object:
    return value.decode() if isinstance(value, bytes) else value


class _SentinelProcess(ServerProcess):
    """A sentinel; it writes its configuration, so that has to be a file."""

    def __init__(self, binary: Path) -> None:
        super().__init__(binary)
        self.configuration = self.data_dir / "sentinel.conf"

    def _command(self) -> list[str]:
        place = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.data_dir))
        return [str(self._binary), str(self.configuration), "--sentinel", *place]
