"""Looking hosts up: in threads of their own, and each host once at a time."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from fraiseql_observers.actions.addresses import IPAddress

__all__ = ["HostLookups"]

#: Hosts that are looked up at the same time. The system's call cannot be stopped and may take half a minute, so this
#: is also how many hosts without a name server it takes to hold up the others.
_THREADS = 16


class HostLookups:
    """Asks the operating system, which knows its files, caches and name servers.

    Many attempts for one host whose name server is dead wait for one look-up together. In the event loop's own
    threads, which handlers use too, each would hold a thread until the system gave up.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, "fraiseql-lookup")
        self._running: dict[str, asyncio.Future[list[IPAddress]]] = {}

    async def addresses(self, host: str, port: int) -> Sequence[IPAddress]:
        """Return the addresses of a host, in the system's order of preference.

        Raises:
            socket.gaierror: If there are none.
        """
        running = self._running.get(host)
        if running is None:
            loop = asyncio.get_running_loop()
            running = loop.run_in_executor(self._threads, _look_up, host, port)
            self._running[host] = running
            running.add_done_callback(lambda done: self._ended(host, done))
        # One attempt that gives up must not take the look-up from the others.
        return await asyncio.shield(running)

    def close(self) -> None:
        """Start no look-up any more; those that run are left behind."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ended(self, host: str, done: asyncio.Future[list[IPAddress]]) -> None:
        del self._running[host]
        if not done.cancelled():
            # Where every attempt has given up, nobody else asks; asyncio would log the error as forgotten.
            done.exception()


def _look_up(host: str, port: int) -> list[IPAddress]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [ipaddress.ip_address(address[0]) for _, _, _, _, address in found]
