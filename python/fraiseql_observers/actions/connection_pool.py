"""Connections that are kept between requests, each for the destination and the exception it was made under.

httpcore's own pool looks through all connections for every request: with 100 attempts in flight that was four fifths
of the time. Here a connection is found by its key.
"""

from __future__ import annotations

import ssl
from collections import OrderedDict
from dataclasses import dataclass

import httpcore

from fraiseql_observers.actions.guarded_network import GuardedBackend, Resolver
from fraiseql_observers.actions.policy import DestinationPolicy

__all__ = ["ConnectionKey", "ConnectionPool"]

#: How long an idle connection is kept. Many servers close after 5 s, and a request sent into a closing connection
#: costs an attempt.
_KEEPALIVE_SECS = 4.0


@dataclass(frozen=True, slots=True)
class ConnectionKey:
    """Who may use a connection again.

    Attributes:
        scheme: ``http`` or ``https``.
        host: The host, in ASCII.
        port: The port.
        allow_private: Whether the connection was made under an exception: one to a private address serves no
            action without it.
    """

    scheme: bytes
    host: bytes
    port: int
    allow_private: bool


class ConnectionPool:
    """Makes connections to judged addresses and keeps the idle ones for a moment; HTTP/1.1, with or without TLS."""

    def __init__(
        self, policy: DestinationPolicy, resolver: Resolver, ssl_context: ssl.SSLContext, *, most_idle: int
    ) -> None:
        """Open nothing yet.

        Args:
            policy: Which destinations are refused.
            resolver: Finds the addresses of a host.
            ssl_context: How servers are verified.
            most_idle: The most connections that are kept.
        """
        self._ssl_context = ssl_context
        self._most_idle = most_idle
        #: Idle connections by age, the oldest first; the value is who may use it again.
        self._idle: OrderedDict[httpcore.AsyncHTTPConnection, ConnectionKey] = OrderedDict()
        #: The same connections by who may use them again, the newest last.
        self._idle_of: dict[ConnectionKey, list[httpcore.AsyncHTTPConnection]] = {}
        self._networks = {
            allow_private: GuardedBackend(policy, resolver, allow_private=allow_private)
            for allow_private in (False, True)
        }

    async def take(self, key: ConnectionKey) -> httpcore.AsyncHTTPConnection:
        """Return a kept connection that is still alive, the newest first, or a new one that is not open yet."""
        while key in self._idle_of:
            connection = self._idle_of[key][-1]
            self._forget(connection)
            if not connection.has_expired():
                return connection
            await connection.aclose()
        return httpcore.AsyncHTTPConnection(
            origin=httpcore.Origin(key.scheme, key.host, key.port),
            ssl_context=self._ssl_context,
            keepalive_expiry=_KEEPALIVE_SECS,
            network_backend=self._networks[key.allow_private],
        )

    async def give_back(self, connection: httpcore.AsyncHTTPConnection, key: ConnectionKey) -> None:
        """Keep a connection whose exchange came to its end, and close any other."""
        if not connection.is_available():
            await connection.aclose()
            return
        self._idle[connection] = key
        self._idle_of.setdefault(key, []).append(connection)
        # Closing the oldest when it has expired keeps sockets of silent destinations from staying for ever.
        while self._idle and (len(self._idle) > self._most_idle or next(iter(self._idle)).has_expired()):
            await self._close_oldest()

    async def aclose(self) -> None:
        """Close the connections that are kept."""
        while self._idle:
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
