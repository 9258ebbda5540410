"""Sending HTTP requests: the seam between actions and whatever speaks HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from fraiseql_observers.actions.urls import DestinationUrl

__all__ = ["HttpRequest", "HttpResponse", "HttpSender"]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request to send.

    Attributes:
        method: The method in capitals.
        url: Where it goes.
        headers: Names and values, without the framing ones.
        body: The bytes to send.
        timeout: The longest that it may take in all, from look-up to the last byte of the response.
        shown: What error texts call the request; it holds no secret.
        allow_private: Whether the host may resolve to an address that is not public.
    """

    method: str
    url: DestinationUrl
    headers: Sequence[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)
    timeout: timedelta
    shown: str
    allow_private: bool = False


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response that was read.

    Attributes:
        status_code: Its status.
        headers: Names in lower case and values; of a repeated name the last.
        body: Its first 64 KiB as they came, without decompression.
    """

    status_code: int
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class HttpSender(Protocol):
    """Something that sends one request and reads its response, redirects not followed."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send a request.

        Raises:
            ActionTimeout: If it took longer than its timeout.
            RetryableError: If the host could not be found, connected or understood.
            PermanentError: If the destination is refused.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...
