"""Which destinations may be reached, and the exceptions that a configuration makes for some of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fraiseql_observers.actions.addresses import IPAddress, address_complaint, host_complaint, is_public
from fraiseql_observers.actions.urls import DestinationUrl

__all__ = ["DestinationPolicy"]


@dataclass(frozen=True, slots=True)
class DestinationPolicy:
    """What destinations are refused.

    Attributes:
        allow_hosts: Hosts, with or without a port, whose addresses need not be public.
        own_ports: Ports of this program's own servers, which only a public address may have.
    """

    allow_hosts: frozenset[str] = frozenset()
    own_ports: frozenset[int] = frozenset()

    @classmethod
    def of(cls, allow_hosts: Iterable[str], own_ports: Iterable[int] = ()) -> DestinationPolicy:
        """Return a policy with the hosts written as URLs write them, in any case."""
        return cls(frozenset(host.lower().removesuffix(".") for host in allow_hosts), frozenset(own_ports))

    def is_exception(self, host: str, port: int, *, allow_private: bool = False) -> bool:
        """Say whether a destination may have an address that is not public."""
        written = f"[{host}]" if ":" in host else host
        return allow_private or not self.allow_hosts.isdisjoint({host, written, f"{written}:{port}"})

    def url_complaint(self, url: DestinationUrl, *, allow_private: bool = False) -> str | None:
        """Say why a URL is refused as it is written, before any look-up, or return ``None``."""
        is_exception = self.is_exception(url.host, url.port, allow_private=allow_private)
        return host_complaint(url.host, is_exception=is_exception)

    def address_complaint(
        self, host: str, port: int, address: IPAddress, *, allow_private: bool = False
    ) -> str | None:
        """Say why no connection to `address`, which `host` resolved to, may be made, or return ``None``."""
        is_exception = self.is_exception(host, port, allow_private=allow_private)
        complaint = address_complaint(address, is_exception=is_exception)
        if complaint is None and port in self.own_ports and not is_public(address):
            return f"port {port} is one of this program's own"
        return complaint
