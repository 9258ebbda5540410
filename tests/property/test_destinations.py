"""URLs, addresses and `Retry-After`, from any text: their own errors or a right answer, and every class of address."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from hypothesis import example, given
from hypothesis import strategies as st

from fraiseql_observers.actions.addresses import address_complaint, host_complaint, is_public, literal_address
from fraiseql_observers.actions.retry_after import LONGEST_RETRY_AFTER, retry_after
from fraiseql_observers.actions.urls import (
    SERVICE_PORTS,
    DestinationUrl,
    UrlError,
    parse_redirect,
    parse_url,
    shown_url,
)

NOW = 1_800_000_000.0
CANARY = "hunter2canary"

_PIECES = st.sampled_from(
    [
        *(
            "http",
            "https",
            "HTTP",
            "ftp",
            "file",
            ":",
            "//",
            "/",
            "\\",
            "@",
            "#",
            "?",
            "&",
            "%",
            "%00",
            "%2e",
            ".",
            "..",
        ),
        *(
            "localhost",
            "127.0.0.1",
            "0x7f.1",
            "017700000001",
            "2130706433",
            "[::1]",
            "[",
            "]",
            "::ffff:127.0.0.1",
        ),
        *(
            "example.com",
            "é.example",
            "xn--",
            "ⅷ",
            "。",
            "\u200b",
            "\u0000",
            "\r\n",
            " ",
            "\t",
            "{{",
            "}}",
            "{%",
            ":80",
        ),
        *(
            ":0",
            ":99999",
            ":6379",
            "1",
            "a" * 64,
            "a" * 300,
            "user:pw@",
            "169.254.169.254",
            "fe80::1%25eth0",
            "+",
            ";",
        ),
    ]
)
TEXTS = st.one_of(
    st.text(),
    st.lists(_PIECES, max_size=12).map("".join),
    st.text(alphabet="htps:/.@[]%0123456789ax", max_size=60),
)
#: Addresses of either kind, the neighbours of every border among them.
ADDRESSES = st.one_of(
    st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address),
    st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address),
    st.integers(0, 2**32 - 1).map(lambda bits: ipaddress.IPv6Address(0xFFFF << 32 | bits)),
    st.integers(0, 2**32 - 1).map(lambda bits: ipaddress.IPv6Address(0x64FF9B << 96 | bits)),
    st.integers(0, 2**112 - 1).map(lambda bits: ipaddress.IPv6Address(0x2002 << 112 | bits)),
    st.integers(0, 2**96 - 1).map(lambda bits: ipaddress.IPv6Address(0x20010000 << 96 | bits)),
    st.integers(0, 2**125 - 1).map(lambda bits: ipaddress.IPv6Address(1 << 125 | bits)),
)


@given(TEXTS)
@example("http://\ud800/")
@example("http://[::1%25eth0]/")
@example("http://" + "1" * 5000)
def test_any_text_is_a_url_of_one_meaning_or_refused_by_our_error(text: str) -> None:
    """What is accepted is written as it was understood; what is refused says nothing of its own."""
    try:
        url = parse_url(text)
    except UrlError:
        return
    assert url.scheme in {"http", "https"}
    assert 1 <= url.port <= 65535
    assert url.port not in SERVICE_PORTS
    assert url.host == url.host.lower()
    assert url.host
    assert url.host.isascii()
    assert not set(url.host + url.target) & set(" \r\n\t\x00@\\#")
    assert url.path.startswith("/")
    again = parse_url(f"{url.scheme}://{url.authority}{url.target}")
    assert again == url
    # A host that is an address has the one form that every library reads alike.
    address = literal_address(url.host)
    assert address is None or str(address) == url.host


@given(TEXTS, TEXTS)
def test_any_location_leads_to_a_url_or_to_our_error(start: str, location: str) -> None:
    """Relative to whatever was asked."""
    base = DestinationUrl("https", "example.com", 443, "/a/b", "")
    try:
        found = parse_redirect(base, location)
    except UrlError:
        return
    assert parse_url(str(found)) == DestinationUrl(found.scheme, found.host, found.port, found.path, "")


@given(TEXTS, TEXTS)
def test_a_url_is_shown_without_its_query(before: str, after: str) -> None:
    """Nor anything of one that cannot be taken apart."""
    shown = shown_url(f"https://example.com/{before}?{after}{CANARY}")
    assert CANARY not in shown or "?" in before
    assert CANARY not in shown_url(f"{before}{CANARY}:{CANARY}@{after}")


@given(ADDRESSES)
def test_every_address_is_public_or_has_a_reason_and_no_exception_opens_what_hides_another(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """Our table refuses whatever the standard library calls private, and what hides in another address."""
    complaint = address_complaint(address, is_exception=False)
    assert (complaint is None) == is_public(address)
    if not address.is_global or address.is_multicast or address.is_loopback or address.is_link_local:
        assert complaint is not None
    opened = address_complaint(address, is_exception=True)
    if complaint is None:
        assert opened is None
    # As a host the address is judged alike.
    assert (host_complaint(str(address), is_exception=False) is None) == (complaint is None)
    if isinstance(address, ipaddress.IPv4Address):
        mapped = ipaddress.IPv6Address(0xFFFF << 32 | int(address))
        assert is_public(mapped) == is_public(address)
        for hidden in (0x64FF9B << 96 | int(address), 0x2002 << 112 | int(address) << 80, int(address)):
            assert not is_public(ipaddress.IPv6Address(hidden))


@given(st.text(), st.booleans())
def test_any_host_has_an_answer(host: str, is_exception: bool) -> None:  # noqa: FBT001 - both answers are asked for
    """Names are looked up later; a name that means this machine or its cloud is refused before."""
    host_complaint(host, is_exception=is_exception)
    assert host_complaint(f"{host}.localhost", is_exception=False) is not None
    assert host_complaint("metadata.google.internal", is_exception=is_exception) is not None


@given(st.one_of(st.none(), st.text(), st.text(alphabet="0123456789+-. eE:,GMTadeWnuJ", max_size=40)))
@example("9" * 5000)
@example("Wed, 21 Oct 99999 07:28:00 GMT")
@example("Wed, 21 Oct 2015 07:28:00 +9999")
@example("1, 2")
@example("-1")
@example("1e9")
@example("٣")
def test_any_retry_after_is_a_delay_within_a_day_or_none(value: str | None) -> None:
    """No text of a receiver raises anything, or parks a job for longer."""
    delay = retry_after(value, now=NOW)
    assert delay is None or timedelta(0) <= delay <= LONGEST_RETRY_AFTER


@given(st.integers(0, 10**18 - 1), st.integers(-(10**6), 10**6))
def test_seconds_and_dates_are_read_alike(seconds: int, ahead: int) -> None:
    """As seconds from now, cut to a day, and never before now."""
    assert retry_after(f" {seconds} ", now=NOW) == min(
        timedelta(seconds=min(seconds, 10**6)), LONGEST_RETRY_AFTER
    )
    date = format_datetime(datetime.fromtimestamp(NOW + ahead, UTC), usegmt=True)
    expected = timedelta(seconds=min(max(ahead, 0), 86_400))
    assert retry_after(date, now=NOW) == expected
