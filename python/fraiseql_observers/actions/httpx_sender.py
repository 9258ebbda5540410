"""The HTTP sender that ships: httpx requests and responses over connections to judged addresses only.

A host's addresses are all judged, and the connection goes to an address that was judged: a name that resolves
differently a moment later gains nothing. TLS still verifies the name. Proxies, ``.netrc`` and certificate paths from
the environment are not read, since nobody who set them thought of webhooks.

The requests go to the transport itself. `httpx.AsyncClient` above it would add cookies, redirects and environment,
all of which had to be switched off, and writes the whole URL of each request into a log.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import lru_cache

import certifi
import httpx

from fraiseql_observers.actions.base import one_line
from fraiseql_observers.actions.connection_pool import ConnectionPool
from fraiseql_observers.actions.guarded_network import Resolver
from fraiseql_observers.actions.guarded_transport import ALLOW_PRIVATE, GuardedTransport
from fraiseql_observers.actions.http import HttpRequest, HttpResponse
from fraiseql_observers.actions.lookups import HostLookups
from fraiseql_observers.actions.policy import DestinationPolicy
from fraiseql_observers.errors import ActionTimeout, PermanentError, RetryableError

__all__ = ["HttpxSender"]

#: The most bytes of a response that are read: enough for any error text, and no bomb.
LONGEST_RESPONSE_BYTES = 65_536


class HttpxSender:
    """Sends through an httpx transport that keeps its connections."""

    def __init__(
        self,
        policy: DestinationPolicy,
        *,
        connections: int,
        resolver: Resolver | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            policy: Which destinations are refused.
            connections: The most connections: as many as there are attempts in flight, so that none waits.
            resolver: Finds the addresses of a host, by default what the operating system knows.
            ssl_context: How servers are verified, by default against the public authorities.
        """
        self._free = asyncio.Semaphore(connections)
        self._lookups = HostLookups()
        pool = ConnectionPool(
            policy,
            resolver or self._lookups.addresses,
            ssl_context or _public_authorities(),
            most_idle=connections,
        )
        self._transport: httpx.AsyncBaseTransport = GuardedTransport(pool)

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send a request and read its response, at most 64 KiB of it.

        Raises:
            ActionTimeout: If it took longer than its timeout.
            RetryableError: If the host could not be found, connected or understood.
            PermanentError: If the destination is refused.
        """
        seconds = request.timeout.total_seconds()
        try:
            async with asyncio.timeout(seconds), self._free:
                return await self._exchange(request, seconds)
        except (TimeoutError, httpx.TimeoutException):
            raise ActionTimeout(one_line(f"{request.shown}: no full answer within {seconds:g} s")) from None
        except (httpx.LocalProtocolError, httpx.UnsupportedProtocol) as error:
            raise PermanentError(
                one_line(f"{request.shown}: cannot be sent: {type(error).__name__}")
            ) from None
        except PermanentError as error:
            raise PermanentError(one_line(f"{request.shown}: {error}")) from None
        except httpx.ProtocolError:
            # The error's own text quotes what came, which may repeat what was sent: a secret in a header or query.
            raise RetryableError(
                one_line(f"{request.shown}: the connection failed: the answer is cut off, or not HTTP/1.1")
            ) from None
        except (httpx.TransportError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise RetryableError(one_line(f"{request.shown}: the connection failed: {reason}")) from None

    async def aclose(self) -> None:
        """Close the connections that are kept."""
        await self._transport.aclose()
        self._lookups.close()

    async def _exchange(self, request: HttpRequest, seconds: float) -> HttpResponse:
        response = await self._transport.handle_async_request(_httpx_request(request, seconds))
        try:
            body = await _read(response)
        finally:
            await response.aclose()
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers.raw
        }
        return HttpResponse(response.status_code, headers, body)


def _httpx_request(request: HttpRequest, seconds: float) -> httpx.Request:
    url = request.url
    headers = [
        ("Host", url.authority),
        ("Content-Length", str(len(request.body))),
        *request.headers,
    ]
    return httpx.Request(
        request.method,
        _origin_url(f"{url.scheme}://{url.authority}/"),
        headers=[(name.encode("ascii"), value.encode("ascii")) for name, value in headers],
        stream=httpx.ByteStream(request.body),
        extensions={
            # The total deadline is the one that counts; these make each step give up by itself as well.
            "timeout": dict.fromkeys(("connect", "read", "write", "pool"), seconds),
            # As it was written and judged: httpx would quote it anew. And what shows the request's URL, such as a
            # log of a library, shows neither path nor query.
            "target": url.target.encode("ascii"),
            ALLOW_PRIVATE: request.allow_private,
        },
    )


@lru_cache(maxsize=1024)
def _origin_url(text: str) -> httpx.URL:
    """Read a URL without path, once per destination instead of once per request."""
    return httpx.URL(text)


async def _read(response: httpx.Response) -> bytes:
    """Read a response up to the limit, as it came; leaving the rest unread closes the connection.

    httpx would decompress a chunk whole, whatever it becomes.
    """
    assert isinstance(response.stream, httpx.AsyncByteStream)
    body = bytearray()
    async for chunk in response.stream:
        body += chunk[: LONGEST_RESPONSE_BYTES - len(body)]
        if len(body) >= LONGEST_RESPONSE_BYTES:
            break
    return bytes(body)


def _public_authorities() -> ssl.SSLContext:
    # A file that is named keeps OpenSSL from reading SSL_CERT_FILE and SSL_CERT_DIR of the environment.
    return ssl.create_default_context(cafile=certifi.where())
