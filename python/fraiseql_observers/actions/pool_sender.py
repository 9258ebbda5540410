"""The HTTP sender that ships: pools of kept connections that only go to judged addresses.

A host is looked up once, every address it has is judged, and the connection goes to an address that was judged: a
name that resolves differently a moment later gains nothing. TLS still verifies the name. Proxies, ``.netrc`` and
certificate paths from the environment are not read, since nobody who set them thought of webhooks.

This stands on httpcore, the engine of httpx, whose network backend is the public place for such a check. httpx
itself would add cookies, redirects, decompression and environment, all of which had to be switched off.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeAlias

import certifi
import httpcore

from fraiseql_observers.actions.addresses import IPAddress, literal_address
from fraiseql_observers.actions.base import one_line
from fraiseql_observers.actions.http import HttpRequest, HttpResponse
from fraiseql_observers.actions.policy import DestinationPolicy
from fraiseql_observers.errors import ActionTimeout, PermanentError, RetryableError

__all__ = ["PoolSender", "Resolver", "system_resolver"]

#: The most bytes of a response that are read: enough for any error text, and no bomb.
LONGEST_RESPONSE_BYTES = 65_536

#: A name may have a thousand addresses. All are judged, and this many are tried.
_TRIED_ADDRESSES = 4

#: How long an idle connection is kept. Many servers close after 5 s, and a request sent into a closing connection
#: costs an attempt.
_KEEPALIVE_SECS = 4.0

#: Finds the addresses of a host.
Resolver: TypeAlias = Callable[[str, int], Awaitable[Sequence[IPAddress]]]


async def system_resolver(host: str, port: int) -> Sequence[IPAddress]:
    """Return the addresses that the operating system knows for a host, in its order of preference."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [ipaddress.ip_address(address[0]) for _, _, _, _, address in found]


class PoolSender:
    """Sends through pools of kept connections; HTTP/1.1, with or without TLS.

    There are two pools, since a kept connection is used again for its host whoever asks: one made for a
    destination with `allow_private` must not serve another action that has no such exception.
    """

    def __init__(
        self,
        policy: DestinationPolicy,
        *,
        connections: int,
        resolver: Resolver = system_resolver,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            policy: Which destinations are refused.
            connections: The most connections of each pool: as many as actions in flight, so that none waits.
            resolver: Finds the addresses of a host.
            ssl_context: How servers are verified, by default against the public authorities.
        """
        context = ssl_context or _public_authorities()
        self._pools = {
            allow_private: httpcore.AsyncConnectionPool(
                ssl_context=context,
                max_connections=connections,
                max_keepalive_connections=connections,
                keepalive_expiry=_KEEPALIVE_SECS,
                network_backend=_GuardedBackend(policy, resolver, allow_private=allow_private),
            )
            for allow_private in (False, True)
        }

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send a request and read its response, at most 64 KiB of it.

        Raises:
            ActionTimeout: If it took longer than its timeout.
            RetryableError: If the host could not be found, connected or understood.
            PermanentError: If the destination is refused.
        """
        seconds = request.timeout.total_seconds()
        where = f"{request.method} {request.url}"
        try:
            async with asyncio.timeout(seconds):
                return await self._exchange(request, seconds)
        except (TimeoutError, httpcore.TimeoutException):
            raise ActionTimeout(one_line(f"{where}: no full answer within {seconds:g} s")) from None
        except (httpcore.LocalProtocolError, httpcore.UnsupportedProtocol) as error:
            raise PermanentError(one_line(f"{where}: cannot be sent: {type(error).__name__}")) from None
        except socket.gaierror as error:
            raise RetryableError(one_line(f"{where}: the host is not found: {error.strerror}")) from None
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise RetryableError(one_line(f"{where}: the connection failed: {reason}")) from None

    async def aclose(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            await pool.aclose()

    async def _exchange(self, request: HttpRequest, seconds: float) -> HttpResponse:
        url = request.url
        # The total deadline is the one that counts; these make each step give up by itself as well.
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), seconds)
        async with self._pools[request.allow_private].stream(
            request.method,
            httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.target),
            headers=[("Host", url.authority), *request.headers],
            content=request.body,
            extensions={"timeout": timeouts},
        ) as response:
            body = await _read(response)
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
        }
        return HttpResponse(response.status, headers, body)


async def _read(response: httpcore.Response) -> bytes:
    """Read a response up to the limit; leaving the rest unread closes the connection."""
    body = bytearray()
    async for chunk in response.aiter_stream():
        body += chunk[: LONGEST_RESPONSE_BYTES - len(body)]
        if len(body) >= LONGEST_RESPONSE_BYTES:
            break
    return bytes(body)


def _public_authorities() -> ssl.SSLContext:
    # A file that is named keeps OpenSSL from reading SSL_CERT_FILE and SSL_CERT_DIR of the environment.
    return ssl.create_default_context(cafile=certifi.where())


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to judged addresses only."""

    def __init__(self, policy: DestinationPolicy, resolver: Resolver, *, allow_private: bool) -> None:
        self._policy = policy
        self._resolver = resolver
        self._allow_private = allow_private
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the base class declares it
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        literal = literal_address(host)
        addresses = [literal] if literal is not None else list(await self._resolver(host, port))
        for address in addresses:
            # One bad address among good ones is enough: which of them would be connected is up to chance.
            complaint = self._policy.address_complaint(host, port, address, allow_private=self._allow_private)
            if complaint:
                raise PermanentError(one_line(f"the destination {host} is refused: {complaint}"))
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses[:_TRIED_ADDRESSES]:
            try:
                return await self._network.connect_tcp(
                    str(address), port, timeout, local_address=local_address, socket_options=socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the base class declares it
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise PermanentError("a unix socket is no destination")

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)
