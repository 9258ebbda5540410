"""Connecting to judged addresses only: the network below the HTTP connections."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import zip_longest
from typing import Any, TypeAlias, cast

import httpcore

from fraiseql_observers.actions.addresses import IPAddress, literal_address
from fraiseql_observers.actions.base import one_line
from fraiseql_observers.actions.policy import DestinationPolicy
from fraiseql_observers.errors import PermanentError

__all__ = ["GuardedBackend", "Resolver"]

#: A name may have a thousand addresses. All are judged, and this many are tried.
TRIED_ADDRESSES = 4

#: Finds the addresses of a host; a `socket.gaierror` says that there are none.
Resolver: TypeAlias = Callable[[str, int], Awaitable[Sequence[IPAddress]]]


class ClosingStream(httpcore.AsyncNetworkStream):
    """A stream that is closed when its TLS handshake is cancelled, and knows whether an answer can be one.

    The stream below closes itself on errors only. A handshake that is given up at the deadline would leave its
    socket open for as long as the other side likes.

    Attributes:
        has_read_since_write: Whether anything was received after what was sent last. An answer without that was
            there before its request: it belongs to another one.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self.has_read_since_write = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - as declared
        received = await self._stream.read(max_bytes, timeout)
        self.has_read_since_write = True
        return received

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as declared
        self.has_read_since_write = False
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
            return ClosingStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))
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
            httpcore.ConnectError: If the host is not found, or no address answers.
            PermanentError: If one of the addresses is refused; no socket was opened.
        """
        addresses = await self._addresses(host, port)
        for address in addresses:
            # One bad address among good ones is enough: which of them would be connected is up to chance.
            complaint = self._policy.address_complaint(host, port, address, allow_private=self._allow_private)
            if complaint:
                raise PermanentError(one_line(f"the destination is refused: {complaint}"))
        failure: Exception = httpcore.ConnectError("the host has no address")
        tried = _both_families(addresses)[:TRIED_ADDRESSES]
        for address in tried:
            try:
                # An address that never answers must leave time for the next one.
                share = None if timeout is None else timeout / len(tried)
                stream = await self._network.connect_tcp(
                    str(address), port, share, local_address=local_address, socket_options=socket_options
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

    async def _addresses(self, host: str, port: int) -> Sequence[IPAddress]:
        literal = literal_address(host)
        if literal is not None:
            return [literal]
        try:
            return await self._resolver(host, port)
        except socket.gaierror as error:
            raise httpcore.ConnectError(f"the host is not found: {error.strerror}") from None


def _both_families(addresses: Sequence[IPAddress]) -> list[IPAddress]:
    """Return the addresses with IPv4 and IPv6 in turn, from the preferred one on.

    A host may have more addresses of the family that leads nowhere from here than are ever tried.
    """
    first = [address for address in addresses if address.version == addresses[0].version]
    other = [address for address in addresses if address.version != addresses[0].version]
    return [address for pair in zip_longest(first, other) for address in pair if address is not None]
