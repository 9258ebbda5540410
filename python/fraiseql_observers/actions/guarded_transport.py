"""The transport below httpx: requests go to judged addresses only, over connections of our own pool.

httpx's own transport offers no place for a check of the address that is connected, and brings httpcore's pool. This
one takes `httpx.Request` and gives `httpx.Response`, so that whatever speaks httpx can stand above it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpcore
import httpx

from fraiseql_observers.actions.connection_pool import ConnectionKey, ConnectionPool
from fraiseql_observers.actions.guarded_network import ClosingStream

__all__ = ["ALLOW_PRIVATE", "GuardedTransport"]

#: The extension of a request that says whether its host may have an address that is not public; absent means no.
ALLOW_PRIVATE = "fraiseql_allow_private"

_PORTS = {"http": 80, "https": 443}

#: What httpx calls the errors of httpcore, the first that fits.
_ERRORS: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (httpcore.TimeoutException, httpx.TimeoutException),
    (httpcore.UnsupportedProtocol, httpx.UnsupportedProtocol),
    (httpcore.LocalProtocolError, httpx.LocalProtocolError),
    (httpcore.ProtocolError, httpx.RemoteProtocolError),
    (httpcore.NetworkError, httpx.NetworkError),
)


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends one request over one connection, and gives the connection back when the response is closed."""

    def __init__(self, pool: ConnectionPool) -> None:
        """Take over a pool.

        Args:
            pool: Where connections come from.
        """
        self._pool = pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the caller closes the response, read in full or not.

        The documented extension ``target`` names what the request line says, where that is not the URL's own path.

        Raises:
            httpx.TransportError: If the host could not be found, connected or understood.
            PermanentError: If the destination is refused.
        """
        url = request.url
        key = ConnectionKey(
            url.raw_scheme,
            url.raw_host,
            url.port or _PORTS[url.scheme],
            bool(request.extensions.get(ALLOW_PRIVATE, False)),
        )
        connection = await self._pool.take(key)
        try:
            response = await _exchange(connection, key, request)
        except BaseException as error:
            await self._pool.give_back(connection, key)
            if isinstance(error, Exception):
                raise _translated(error) from error
            raise
        return httpx.Response(
            response.status, headers=response.headers, stream=_Body(response, connection, key, self._pool)
        )

    async def aclose(self) -> None:
        """Close the connections that are kept."""
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    """The bytes of a response as they come, and the way of its connection back into the pool."""

    def __init__(
        self,
        response: httpcore.Response,
        connection: httpcore.AsyncHTTPConnection,
        key: ConnectionKey,
        pool: ConnectionPool,
    ) -> None:
        self._response = response
        self._connection = connection
        self._key = key
        self._pool = pool

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.aiter_stream():
                yield chunk
        except Exception as error:
            raise _translated(error) from error

    async def aclose(self) -> None:
        """End the exchange: a connection whose response was read in full is kept, any other is closed."""
        try:
            await self._response.aclose()
        finally:
            await self._pool.give_back(self._connection, self._key)


async def _exchange(
    connection: httpcore.AsyncHTTPConnection, key: ConnectionKey, request: httpx.Request
) -> httpcore.Response:
    response = await connection.handle_async_request(
        httpcore.Request(
            request.method,
            httpcore.URL(scheme=key.scheme, host=key.host, port=key.port, target=request.url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
    )
    stream = response.extensions["network_stream"]
    if isinstance(stream, ClosingStream) and not stream.has_read_since_write:
        # A receiver that answers one request twice must not settle the job of the next one.
        await connection.aclose()
        raise httpcore.RemoteProtocolError("the answer came before its request")
    return response


def _translated(error: Exception) -> Exception:
    """Return an error of httpcore as httpx names it, and any other as it is."""
    return next((httpx_class(str(error)) for kind, httpx_class in _ERRORS if isinstance(error, kind)), error)
