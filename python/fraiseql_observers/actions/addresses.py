"""Which addresses a destination may have: the package's own table, since no library's idea of "global" is safe.

`ipaddress.is_global` says yes to NAT64, 6to4, ``fec0::``, multicast and the metadata service of one cloud. Here an
address is public when no entry of the table covers it; among IPv6 addresses only ``2000::/3`` is public at all. A
few entries can be opened for one destination (``allow_private``, ``[security] allow_hosts``); metadata services,
multicast and the rest can not, whatever form they are written in.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias

__all__ = ["AddressKind", "IPAddress", "address_complaint", "host_complaint", "literal_address"]

IPAddress: TypeAlias = IPv4Address | IPv6Address


class AddressKind(StrEnum):
    """Why an address is not public."""

    UNSPECIFIED = "unspecified"
    LOOPBACK = "loopback"
    PRIVATE = "private"
    LINK_LOCAL = "link-local"
    METADATA = "a metadata service"
    MULTICAST = "multicast"
    RESERVED = "reserved"
    TRANSITION = "a transition address that hides another one"


#: What an exception for a destination opens: networks that people run receivers in.
_OPENED_BY_EXCEPTION = frozenset({AddressKind.LOOPBACK, AddressKind.PRIVATE, AddressKind.LINK_LOCAL})

#: Services that hand a machine's credentials to whoever asks from that machine.
_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",  # most clouds
        "169.254.169.253",  # name and time services beside it
        "169.254.169.123",
        "169.254.170.2",  # containers
        "169.254.170.23",
        "100.100.100.200",  # public by its neighbours, metadata by use
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd00:ec2::253",
        "fd00:ec2::23",
        "fd20:ce::254",
    )
)
_METADATA_HOSTS = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
)

_V4_TABLE: tuple[tuple[IPv4Network, AddressKind], ...] = tuple(
    (IPv4Network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", AddressKind.UNSPECIFIED),
        ("10.0.0.0/8", AddressKind.PRIVATE),
        ("100.64.0.0/10", AddressKind.PRIVATE),  # shared by carriers, and by overlay networks
        ("127.0.0.0/8", AddressKind.LOOPBACK),
        ("169.254.0.0/16", AddressKind.LINK_LOCAL),
        ("172.16.0.0/12", AddressKind.PRIVATE),
        ("192.0.0.0/24", AddressKind.RESERVED),  # protocol assignments
        ("192.0.2.0/24", AddressKind.RESERVED),  # documentation
        ("192.88.99.0/24", AddressKind.TRANSITION),  # relays of 6to4
        ("192.168.0.0/16", AddressKind.PRIVATE),
        ("198.18.0.0/15", AddressKind.RESERVED),  # benchmarks
        ("198.51.100.0/24", AddressKind.RESERVED),  # documentation
        ("203.0.113.0/24", AddressKind.RESERVED),  # documentation
        ("224.0.0.0/4", AddressKind.MULTICAST),
        ("240.0.0.0/4", AddressKind.RESERVED),  # the broadcast address included
    )
)

_V6_TABLE: tuple[tuple[IPv6Network, AddressKind], ...] = tuple(
    (IPv6Network(network), kind)
    for network, kind in (
        ("::1/128", AddressKind.LOOPBACK),
        ("::/128", AddressKind.UNSPECIFIED),
        ("fc00::/7", AddressKind.PRIVATE),
        ("fec0::/10", AddressKind.PRIVATE),  # site-local, deprecated and still routed by some
        ("fe80::/10", AddressKind.LINK_LOCAL),
        ("ff00::/8", AddressKind.MULTICAST),
        ("::/96", AddressKind.TRANSITION),  # IPv4-compatible
        ("64:ff9b::/96", AddressKind.TRANSITION),  # NAT64
        ("64:ff9b:1::/48", AddressKind.TRANSITION),
        ("2001::/23", AddressKind.TRANSITION),  # Teredo, ORCHID, benchmarks and other protocol assignments
        ("2002::/16", AddressKind.TRANSITION),  # 6to4
        ("2001:db8::/32", AddressKind.RESERVED),  # documentation
        ("3fff::/20", AddressKind.RESERVED),  # documentation
    )
)
_V6_PUBLIC = IPv6Network("2000::/3")


@dataclass(frozen=True, slots=True)
class _Embedded:
    """An IPv6 network whose addresses hold an IPv4 address.

    Attributes:
        network: The network.
        shift: How many bits stand to the right of the IPv4 address.
        is_inverted: Whether its bits are inverted.
    """

    network: IPv6Network
    shift: int = 0
    is_inverted: bool = False


_EMBEDDINGS = (
    _Embedded(IPv6Network("::/96")),
    _Embedded(IPv6Network("64:ff9b::/96")),
    _Embedded(IPv6Network("64:ff9b:1::/48")),
    _Embedded(IPv6Network("2002::/16"), shift=80),
    _Embedded(IPv6Network("2001::/32"), is_inverted=True),
)


def literal_address(host: str) -> IPAddress | None:
    """Return the address that `host` writes, or ``None`` where it is a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def host_complaint(host: str, *, is_exception: bool) -> str | None:
    """Say why the name of a host is refused before it is looked up, or return ``None``.

    Args:
        host: The host of a parsed URL: in lower case, without a final dot.
        is_exception: Whether this destination may have an address that is not public.
    """
    address = literal_address(host)
    if address is not None:
        return address_complaint(address, is_exception=is_exception)
    if host in _METADATA_HOSTS:
        return f"{host} is {AddressKind.METADATA}"
    if (host == "localhost" or host.endswith(".localhost")) and not is_exception:
        return f"{host} is {AddressKind.LOOPBACK}"
    return None


def address_complaint(address: IPAddress, *, is_exception: bool) -> str | None:
    """Say why no connection may be made to an address, or return ``None``.

    Args:
        address: The address that would be connected.
        is_exception: Whether this destination may have an address that is not public.
    """
    kind = _kind(address)
    if kind is None or (is_exception and kind in _OPENED_BY_EXCEPTION):
        return None
    return f"{address} is {kind}"


def is_public(address: IPAddress) -> bool:
    """Say whether no entry of the table covers `address`."""
    return _kind(address) is None


def _kind(address: IPAddress) -> AddressKind | None:
    if isinstance(address, IPv4Address):
        if address in _METADATA:
            return AddressKind.METADATA
        return next((kind for network, kind in _V4_TABLE if address in network), None)
    # A zone would name the interface; the table is about the address alone.
    address = IPv6Address(int(address))
    if address.ipv4_mapped is not None:
        return _kind(address.ipv4_mapped)
    if address in _METADATA or _embedded(address) in _METADATA:
        return AddressKind.METADATA
    listed = next((kind for network, kind in _V6_TABLE if address in network), None)
    if listed is None and address not in _V6_PUBLIC:
        return AddressKind.RESERVED
    return listed


def _embedded(address: IPv6Address) -> IPv4Address | None:
    for embedding in _EMBEDDINGS:
        if address in embedding.network:
            bits = (int(address) >> embedding.shift) & 0xFFFFFFFF
            return IPv4Address(bits ^ 0xFFFFFFFF if embedding.is_inverted else bits)
    return None
