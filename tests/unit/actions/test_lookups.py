"""Looking hosts up and choosing among their addresses. Nothing here opens a socket."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections import Counter
from typing import Any

import httpcore
import pytest

from fraiseql_observers.actions.addresses import IPAddress
from fraiseql_observers.actions.guarded_network import GuardedBackend
from fraiseql_observers.actions.lookups import HostLookups
from fraiseql_observers.actions.policy import DestinationPolicy

GOOGLE = [ipaddress.ip_address(text) for text in ("2001:4860:4860::8888", "8.8.8.8")]


class NameServer:
    """The system's look-up: dead for hosts whose name starts with ``dead``, until it is released."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.released = threading.Event()

    def __call__(self, host: str, port: int, **options: Any) -> list[tuple[Any, ...]]:
        self.asked[host] += 1
        if host.startswith("dead"):
            self.released.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", port))]


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> NameServer:
    """Put a name server of the test in the place of the system's."""
    server = NameServer()
    monkeypatch.setattr("fraiseql_observers.actions.lookups.socket.getaddrinfo", server)
    return server


def test_host_without_a_name_server_holds_up_no_other(name_server: NameServer) -> None:
    """A hundred attempts for it wait for one look-up, so that threads are left for the rest."""

    async def run() -> None:
        lookups = HostLookups()
        waiting = [asyncio.create_task(lookups.addresses("dead.example", 443)) for _ in range(100)]
        async with asyncio.timeout(60):
            while not name_server.asked:
                await asyncio.sleep(0)
            assert await lookups.addresses("alive.example", 443) == [ipaddress.ip_address("8.8.8.8")]
        assert name_server.asked == {"dead.example": 1, "alive.example": 1}
        assert not any(task.done() for task in waiting)
        name_server.released.set()
        errors = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(error) for error in errors} == {socket.gaierror}
        lookups.close()

    asyncio.run(run())


def test_attempt_that_gives_up_leaves_the_look_up_to_the_others(
    name_server: NameServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The look-up is everybody's; where nobody is left its error is nobody's, and no log's."""

    async def run() -> None:
        lookups = HostLookups()
        first, second = (asyncio.create_task(lookups.addresses("dead.example", 80)) for _ in range(2))
        while not name_server.asked:
            await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])
        assert (first.cancelled(), second.done()) == (True, False)
        name_server.released.set()
        with pytest.raises(socket.gaierror):
            await second
        # A later attempt asks anew: an answer is used once and not remembered.
        with pytest.raises(socket.gaierror):
            await lookups.addresses("dead.example", 80)
        assert name_server.asked == {"dead.example": 2}
        lookups.close()

    asyncio.run(run())
    assert caplog.text == ""


def connected(addresses: list[IPAddress], monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    """Connect to a host with these addresses, none of which answers; return each try with its time."""
    tried: list[tuple[str, float]] = []

    async def never(self: object, host: str, port: int, seconds: float, **options: object) -> object:
        tried.append((host, seconds))
        raise httpcore.ConnectTimeout

    async def resolve(host: str, port: int) -> list[IPAddress]:
        return addresses

    monkeypatch.setattr("httpcore.AnyIOBackend.connect_tcp", never)
    backend = GuardedBackend(DestinationPolicy(), resolve, allow_private=False)
    with pytest.raises(httpcore.ConnectTimeout):
        asyncio.run(backend.connect_tcp("receiver.example", 443, 30.0))
    return tried


def test_address_that_never_answers_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a way into IPv6 would time out on every attempt, and never try the other address."""
    assert connected(GOOGLE, monkeypatch) == [("2001:4860:4860::8888", 15.0), ("8.8.8.8", 15.0)]


def test_both_families_are_tried_however_many_addresses_one_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four addresses of the family that leads nowhere would use up all tries."""
    many: list[IPAddress] = [ipaddress.ip_address(f"2001:4860:4860::{n}") for n in range(1, 9)]
    tried = [host for host, _ in connected([*many, GOOGLE[1]], monkeypatch)]
    assert tried == ["2001:4860:4860::1", "8.8.8.8", "2001:4860:4860::2", "2001:4860:4860::3"]
    assert [host for host, _ in connected(many[:1], monkeypatch)] == ["2001:4860:4860::1"]
