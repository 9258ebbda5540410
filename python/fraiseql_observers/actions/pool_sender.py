"""The HTTP sender that ships: kept connections that only go to judged addresses.

A host is looked up once, every address it has is judged, and the connection goes to an address that was judged: a
name that resolves differently a moment later gains nothing. TLS still verifies the name. Proxies, ``.netrc`` and
certificate paths from the environment are not read, since nobody who set them thought of webhooks.

This stands on httpcore, the engine of httpx, whose network backend is the public place for such a check. httpx
itself would add cookies, redirects, decompression and environment, all of which had to be switched off. The pool
is our own, since httpcore's looks through all connections for every request: with 100 attempts in flight that was
four fifths of the time.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import OrderedDict
from typing import TypeAlias

import certifi
import httpcore

from fraiseql_observers.actions.base import one_line
from fraiseql_observers.actions.guarded_network import GuardedBackend, Resolver, system_resolver
from fraiseql_observers.actions.http import HttpRequest, HttpResponse
from fraiseql_observers.actions.policy import DestinationPolicy
from fraiseql_observers.errors import ActionTimeout, PermanentError, RetryableError

__all__ = ["PoolSender"]

#: The most bytes of a response that are read: enough for any error text, and no bomb.
LONGEST_RESPONSE_BYTES = 65_536

#: How long an idle connection is kept. Many servers close after 5 s, and a request sent into a closing connection
#: costs an attempt.
_KEEPALIVE_SECS = 4.0

#: Who may use a connection again: requests to the same origin under the same exception.
_Key: TypeAlias = tuple[tuple[str, str, int], bool]


class PoolSender:
    """Sends through kept connections; HTTP/1.1, with or without TLS.

    A connection belongs to the origin and to the exception it was made under: one to a private address, made for an
    action with `allow_private`, serves no action without it.
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
            connections: The most connections: as many as there are attempts in flight, so that none waits.
            resolver: Finds the addresses of a host.
            ssl_context: How servers are verified, by default against the public authorities.
        """
        self._ssl_context = ssl_context or _public_authorities()
        self._connections = connections
        self._free = asyncio.Semaphore(connections)
        #: Idle connections by age, the oldest first; the value is who may use it again.
        self._idle: OrderedDict[httpcore.AsyncHTTPConnection, _Key] = OrderedDict()
        #: The same connections by who may use them again, the newest last.
        self._idle_of: dict[_Key, list[httpcore.AsyncHTTPConnection]] = {}
        self._networks = {
            allow_private: GuardedBackend(policy, resolver, allow_private=allow_private)
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
            async with asyncio.timeout(seconds), self._free:
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
        """Close the connections that are kept."""
        while self._idle:
            await self._close_oldest()

    async def _exchange(self, request: HttpRequest, seconds: float) -> HttpResponse:
        url = request.url
        key = (url.origin, request.allow_private)
        connection = await self._connection(key)
        # The total deadline is the one that counts; these make each step give up by itself as well.
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), seconds)
        try:
            response = await connection.handle_async_request(
                httpcore.Request(
                    request.method,
                    httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.target),
                    headers=[
                        ("Host", url.authority),
                        ("Content-Length", str(len(request.body))),
                        *request.headers,
                    ],
                    content=request.body,
                    extensions={"timeout": timeouts},
                )
            )
            try:
                body = await _read(response)
            finally:
                await response.aclose()
        finally:
            await self._keep_or_close(connection, key)
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
        }
        return HttpResponse(response.status, headers, body)

    async def _connection(self, key: _Key) -> httpcore.AsyncHTTPConnection:
        """Return a kept connection that is still alive, the newest first, or a new one."""
        while key in self._idle_of:
            connection = self._idle_of[key][-1]
            self._forget(connection)
            if not connection.has_expired():
                return connection
            await connection.aclose()
        (scheme, host, port), allow_private = key
        return httpcore.AsyncHTTPConnection(
            origin=httpcore.Origin(scheme.encode(), host.encode(), port),
            ssl_context=self._ssl_context,
            keepalive_expiry=_KEEPALIVE_SECS,
            network_backend=self._networks[allow_private],
        )

    async def _keep_or_close(self, connection: httpcore.AsyncHTTPConnection, key: _Key) -> None:
        if not connection.is_available():
            await connection.aclose()
            return
        self._idle[connection] = key
        self._idle_of.setdefault(key, []).append(connection)
        # Closing the oldest when it has expired keeps sockets of silent destinations from staying for ever.
        while self._idle and (len(self._idle) > self._connections or next(iter(self._idle)).has_expired()):
            await self._close_oldest()

    async def _close_oldest(self) -> None:
        connection = next(iter(self._idle))
        self._forget(connection)
        await connection.aclose()

    def _forget(self, connection: httpcore.AsyncHTTPConnection) -> None:
        key = self._idle.pop(connection)
        kept = self._idle_of[key]
        kept.remove(connection)
        if not kept:
            del self._idle_of[key]


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
