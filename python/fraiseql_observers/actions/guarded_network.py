"""Connecting to judged addresses only: the network below the HTTP connections."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeAlias, cast

import httpcore

from fraiseql_observers.actions.addresses import IPAddress, literal_address
from fraiseql_observers.actions.base import one_line
from fraiseql_observers.actions.policy import DestinationPolicy
from fraiseql_observers.errors import PermanentError

__all__ = ["GuardedBackend", "Resolver", "system_resolver"]

#: A name may have a thousand addresses. All are judged, and this many are tried.
TRIED_ADDRESSES = 4

#: Finds the addresses of a host.
Resolver: TypeAlias = Callable[[str, int], Awaitable[Sequence[IPAddress]]]


async def system_resolver(host: str, port: int) -> Sequence[IPAddress]:
    """Return the addresses that the operating system knows for a host, in its order of preference."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [ipaddress.ip_address(address[0]) for _, _, _, _, address in found]


class ClosingStream(httpcore.AsyncNetworkStream):
    """A stream that is closed when its TLS handshake is cancelled.

    The stream below closes itself on errors only. A handshake that is given up at the deadline would leave its
    socket open for as long as the other side likes.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - as declared
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as declared
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the stream below."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as declared
    ) -> httpcore.AsyncNetworkStream:
        try:
            return await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            await self._stream.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - as declared
        return self._stream.get_extra_info(info)


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to judged addresses only."""

    def __init__(self, policy: DestinationPolicy, resolver: Resolver, *, allow_private: bool) -> None:
        self._policy = policy
        self._resolver = resolver
        self._allow_private = allow_private
        self._network = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - as declared
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Look a host up once, judge all of its addresses and connect to one of them.

        Raises:
            PermanentError: If one of the addresses is refused; no socket was opened.
        """
        literal = literal_address(host)
        addresses = [literal] if literal is not None else list(await self._resolver(host, port))
        for address in addresses:
            # One bad address among good ones is enough: which of them would be connected is up to chance.
            complaint = self._policy.address_complaint(host, port, address, allow_private=self._allow_private)
            if complaint:
                raise PermanentError(one_line(f"the destination {host} is refused: {complaint}"))
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses[:TRIED_ADDRESSES]:
            try:
                stream = await self._network.connect_tcp(
                    str(address), port, timeout, local_address=local_address, socket_options=socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return ClosingStream(stream)
        raise failure

    async def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002 - as declared
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 - as declared
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002 - as declared
    ) -> httpcore.AsyncNetworkStream:
        """Refuse: no URL of a destination names one."""
        raise PermanentError("a unix socket is no destination")

    async def sleep(self, seconds: float) -> None:
        """Wait, as the pool's retries would; none are switched on."""
        await self._network.sleep(seconds)
