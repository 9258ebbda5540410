"""Destinations: which URLs, hosts, ports and addresses are refused. Nothing here opens a socket."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Sequence
from datetime import timedelta

import pytest

from fraiseql_observers.actions.addresses import IPAddress, address_complaint, is_public
from fraiseql_observers.actions.http import HttpRequest
from fraiseql_observers.actions.httpx_sender import HttpxSender
from fraiseql_observers.actions.policy import DestinationPolicy
from fraiseql_observers.actions.urls import SERVICE_PORTS, UrlError, parse_redirect, parse_url
from fraiseql_observers.errors import PermanentError, RetryableError

LOOPBACK_HOSTS = [
    *("127.0.0.1", "127.255.255.254", "localhost", "LOCALHOST", "localhost.", "a.localhost", "0.0.0.0"),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[::ffff:7f00:1]"),
]
NUMERIC_HOSTS = [
    *("0", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1", "127.1", "2852039166"),
    *("0xA9FEA9FE", "169.254.43518", "1.1", "1.1.1", "256.1.1.1", "1.1.1.1.1", "example.1", "0x", "01.1.1.1"),
]
BLOCKED = [
    *("10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255"),
    *("100.64.0.0", "100.127.255.255", "169.254.0.0", "169.254.255.255", "192.0.0.0", "192.0.0.255"),
    *("192.0.2.0", "192.0.2.255", "198.18.0.0", "198.19.255.255", "198.51.100.0", "203.0.113.255"),
    *("192.88.99.1", "224.0.0.0", "239.255.255.255", "240.0.0.0", "255.255.255.255", "0.255.255.255"),
    *("127.0.0.0", "127.255.255.255", "168.63.129.16", "192.0.0.192", "100.100.100.200"),
    *("::", "::1", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "::127.0.0.1", "::8.8.8.8", "fe80::1"),
    *("fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "64:ff9b::7f00:1", "64:ff9b::808:808"),
    *("64:ff9b:1::a00:1", "2002:7f00:1::", "2002:808:808::", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
    *("5f00::1", "3fff::1", "3fff:fff:ffff::1", "ff02::1", "ff0e::1", "2001:db8::1", "2001:2::1", "100::1"),
    *("4000::1", "8000::1", "1::1", "fbff::1"),
]
ALLOWED = [
    *("9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0"),
    *("100.63.255.255", "100.128.0.0", "169.253.255.255", "169.255.0.0", "191.255.255.255", "192.0.1.0"),
    *("192.0.3.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255"),
    *("203.0.114.0", "223.255.255.255", "126.255.255.255", "128.0.0.0", "1.0.0.0", "8.8.8.8"),
    *("168.63.129.15", "168.63.129.17", "192.88.98.255", "192.88.100.0"),
    *("::ffff:8.8.8.8", "2606:4700::1111", "2001:200::1", "2001:4860::8888", "2003::1", "2a00::1", "3ffe::1"),
]
METADATA = [
    *("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"),
    *("::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "64:ff9b:1::a9fe:a9fe"),
    *("::169.254.169.254", "2001:0:4136:e378:8000:63bf:5601:5601"),
]


#: Reading the authorities takes tens of milliseconds, and no test here gets as far as TLS.
NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class NoNetwork:
    """A resolver that answers from a script, and counts."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.calls = 0

    async def __call__(self, host: str, port: int) -> Sequence[IPAddress]:
        self.calls += 1
        if not self.answers:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [ipaddress.ip_address(text) for text in self.answers.pop(0)]


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Record each connection that would be made, and refuse it."""
    made: list[tuple[str, int]] = []

    async def refuse(self: object, host: str, port: int, *args: object, **options: object) -> object:
        made.append((host, port))
        raise OSError("no network in this test")

    monkeypatch.setattr("httpcore.AnyIOBackend.connect_tcp", refuse)
    return made


def send(
    url: str, resolver: NoNetwork, policy: DestinationPolicy | None = None, *, private: bool = False
) -> None:
    """Send one request with the real sender."""

    async def run() -> None:
        policy_used = policy or DestinationPolicy()
        sender = HttpxSender(policy_used, connections=1, resolver=resolver, ssl_context=NO_AUTHORITIES)
        request = HttpRequest(
            "POST", parse_url(url), [], b"{}", timedelta(seconds=5), "POST", allow_private=private
        )
        try:
            await sender.send(request)
        finally:
            await sender.aclose()

    asyncio.run(run())


@pytest.mark.parametrize("text", BLOCKED)
def test_address_that_is_not_public_is_refused(text: str, connections: list[tuple[str, int]]) -> None:
    """The table covers what no destination needs, written in whatever form."""
    address = ipaddress.ip_address(text)
    assert address_complaint(address, is_exception=False)
    with pytest.raises(PermanentError, match="refused"):
        send("http://receiver.example/", NoNetwork([text]))
    assert connections == []


@pytest.mark.parametrize("text", ALLOWED)
def test_neighbour_just_outside_the_table_is_public(text: str, connections: list[tuple[str, int]]) -> None:
    """The table covers no more than it should."""
    assert is_public(ipaddress.ip_address(text))
    with pytest.raises(RetryableError):
        send("http://receiver.example/", NoNetwork([text]))
    assert connections == [(str(ipaddress.ip_address(text)), 80)]


@pytest.mark.parametrize("text", METADATA)
def test_metadata_service_is_refused_even_to_an_exception(
    text: str, connections: list[tuple[str, int]]
) -> None:
    """An exception opens networks, never a service that hands out credentials."""
    with pytest.raises(PermanentError, match="refused"):
        send("http://receiver.example/", NoNetwork([text]), private=True)
    with pytest.raises(PermanentError, match="refused"):
        send("http://receiver.example/", NoNetwork([text]), DestinationPolicy.of(["receiver.example"]))
    assert connections == []


@pytest.mark.parametrize(
    "text", ["224.0.0.1", "0.0.0.1", "240.0.0.1", "255.255.255.255", "ff02::1", "::", "2002:a00:1::"]
)
def test_exception_opens_no_multicast_reserved_or_hidden_address(text: str) -> None:
    """No receiver runs there, exception or not."""
    assert address_complaint(ipaddress.ip_address(text), is_exception=True)


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "::1", "fd00::1"]
)
def test_exception_opens_networks_that_receivers_run_in(
    text: str, connections: list[tuple[str, int]]
) -> None:
    """allow_private and allow_hosts work for a name that resolves there."""
    with pytest.raises(RetryableError):
        send("http://receiver.example:8080/", NoNetwork([text]), private=True)
    with pytest.raises(RetryableError):
        send(
            "http://receiver.example:8080/",
            NoNetwork([text]),
            DestinationPolicy.of(["Receiver.example:8080"]),
        )
    assert connections == [(text, 8080)] * 2


@pytest.mark.parametrize("host", LOOPBACK_HOSTS)
def test_loopback_host_is_refused_as_it_is_written(host: str, connections: list[tuple[str, int]]) -> None:
    """A host that can only mean this machine is refused before any look-up."""
    url = parse_url(f"http://{host}:8080/")
    assert DestinationPolicy().url_complaint(url)
    with pytest.raises(PermanentError, match="refused"):
        send(f"http://{host}:8080/", NoNetwork(["127.0.0.1"]))
    assert connections == []


@pytest.mark.parametrize("host", ["metadata.google.internal", "metadata", "METADATA.goog.", "instance-data"])
def test_metadata_host_is_refused_by_name(host: str) -> None:
    """Its name is enough, and no exception opens it."""
    assert DestinationPolicy().url_complaint(parse_url(f"http://{host}/"), allow_private=True)


@pytest.mark.parametrize("host", NUMERIC_HOSTS)
def test_address_in_an_unusual_form_is_refused(host: str) -> None:
    """Resolvers read these as addresses, address parsers do not: refused instead of interpreted."""
    with pytest.raises(UrlError):
        parse_url(f"http://{host}/")


@pytest.mark.parametrize(
    "answer", [["8.8.8.8", "::1"], ["10.0.0.1", "8.8.8.8"], ["8.8.8.8"] * 999 + ["127.0.0.1"]]
)
def test_one_bad_address_among_many_refuses_the_host(
    answer: list[str], connections: list[tuple[str, int]]
) -> None:
    """Which address would be connected is up to chance, so all of them must be good."""
    with pytest.raises(PermanentError, match="refused"):
        send("https://receiver.example/", NoNetwork(answer))
    assert connections == []


def test_host_is_looked_up_once_and_the_judged_address_is_connected(
    connections: list[tuple[str, int]],
) -> None:
    """A name that resolves to another address a moment later gains nothing."""
    resolver = NoNetwork(["8.8.8.8"], ["127.0.0.1"])
    with pytest.raises(RetryableError):
        send("http://receiver.example/", resolver)
    assert resolver.calls == 1
    assert connections == [("8.8.8.8", 80)]


def test_host_that_is_not_found_is_transient() -> None:
    """Name servers fail and recover."""
    with pytest.raises(RetryableError, match="not found"):
        send("http://receiver.example/", NoNetwork())
    with pytest.raises(RetryableError, match="no address"):
        send("http://receiver.example/", NoNetwork([]))


def test_own_ports_are_refused_on_addresses_that_are_not_public() -> None:
    """An exception for this machine must not reach the queue or the metrics page."""
    policy = DestinationPolicy.of(["127.0.0.1"], own_ports=[9464])
    here = ipaddress.ip_address("127.0.0.1")
    assert policy.address_complaint("127.0.0.1", 9464, here)
    assert policy.address_complaint("127.0.0.1", 9465, here) is None
    assert policy.address_complaint("example.com", 9464, ipaddress.ip_address("8.8.8.8")) is None


def test_allow_hosts_with_a_port_opens_that_port_only() -> None:
    """An exception is as narrow as it is written."""
    policy = DestinationPolicy.of(["localhost:8080", "[::1]:8081", "10.0.0.1"])
    assert policy.url_complaint(parse_url("http://localhost:8080/")) is None
    assert policy.url_complaint(parse_url("http://localhost:8081/"))
    assert policy.url_complaint(parse_url("http://[::1]:8081/")) is None
    assert policy.url_complaint(parse_url("http://[::1]:8080/"))
    assert policy.url_complaint(parse_url("http://10.0.0.1:9999/")) is None


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "   ",
            "example.com",
            "//example.com",
            "http:example.com",
            "http:/example.com",
            "http://",
            "https:///x",
        ),
        *(
            "ftp://e.com/",
            "file:///etc/passwd",
            "gopher://e.com/",
            "data:text/plain,x",
            "unix:/run/x",
            "javascript:1",
        ),
        *("http://user@e.com/", "http://user:secret@e.com/", "http://e.com\\@evil.com/", "http://@e.com/"),
        *(
            "http://e.com:0/",
            "http://e.com:99999/",
            "http://e.com:22/",
            "http://e.com:25/",
            "http://e.com:6379/",
        ),
        *(
            "http://e.com:80:80/",
            "http://e.com:x/",
            "http://e.com:-1/",
            "http://e.com:1023/",
            "http://e.com:\uff15/",
        ),
        *(
            "http://e .com/",
            "http://e.com/a b",
            "http://e.com/\n",
            "\thttp://e.com/",
            "http://e.com/\x00",
            "http://e.com/é",
        ),
        *("http://e.com/%zz", "http://e.com/#frag", 'http://e.com/"', "http://e.com/<x>", "http://%65.com/"),
        *(
            "http://-e.com/",
            "http://e-.com/",
            "http://e..com/",
            "http://.e.com/",
            "http://e.com../",
            "http://e!.com/",
        ),
        *("http://" + "a" * 70 + ".com/", "http://" + "a." * 130 + "com/", "http://e.com/" + "x" * 70_000),
        *(
            "http://[::1/",
            "http://::1/",
            "http://[::1]x/",
            "http://[fe80::1%25eth0]/",
            "http://[x]/",
            "http://[]/",
        ),
        *("http://{{ data.host }}/", "http://e.com/{{ data.path }}", "http://e.com/{% x %}"),
    ],
)
def test_text_that_is_no_plain_web_url_is_refused(url: str) -> None:
    """Whatever could be read in two ways is not read at all."""
    with pytest.raises(UrlError) as caught:
        parse_url(url)
    assert "secret" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("port", sorted(SERVICE_PORTS))
def test_port_of_another_service_is_refused(port: int) -> None:
    """A web request must not be taken for commands by a database or mail server."""
    with pytest.raises(UrlError, match="port"):
        parse_url(f"http://example.com:{port}/")


@pytest.mark.parametrize(
    ("url", "shown", "authority", "target"),
    [
        ("HTTP://Example.COM", "http://example.com/", "example.com", "/"),
        ("https://example.com.:443/a?b=c&d", "https://example.com/a", "example.com", "/a?b=c&d"),
        ("https://example.com:8443/a%20b?", "https://example.com:8443/a%20b", "example.com:8443", "/a%20b"),
        ("http://[2606:4700::1111]:1024/", "http://[2606:4700::1111]:1024/", "[2606:4700::1111]:1024", "/"),
        ("http://bücher.example/x", "http://xn--bcher-kva.example/x", "xn--bcher-kva.example", "/x"),
        ("http://a_b.example?x", "http://a_b.example/", "a_b.example", "/?x"),
        ("http://8.8.8.8:65535", "http://8.8.8.8:65535/", "8.8.8.8:65535", "/"),
    ],
)
def test_web_url_is_taken_apart_and_shown_without_query(
    url: str, shown: str, authority: str, target: str
) -> None:
    """What is sent and what is shown come from the same parts."""
    parsed = parse_url(url)
    assert (str(parsed), parsed.authority, parsed.target) == (shown, authority, target)
    assert repr(parsed) == shown


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://other.example/x#frag", "https://other.example/x"),
        ("//other.example/x", "https://other.example/x"),
        ("/x?y=1", "https://example.com:8443/x"),
        ("z", "https://example.com:8443/a/z"),
        ("?q", "https://example.com:8443/a/b"),
    ],
)
def test_redirect_is_resolved_against_the_url_that_was_asked(location: str, target: str) -> None:
    """All forms of a Location header are understood."""
    assert str(parse_redirect(parse_url("https://example.com:8443/a/b?c"), location)) == target


@pytest.mark.parametrize(
    "location", ["javascript:1", "http://u:p@e.com/", "http://127.1/", "//0x7f.1/", "http://e.com:22/"]
)
def test_redirect_to_what_is_no_destination_is_refused(location: str) -> None:
    """A redirect is judged like a URL of the configuration."""
    with pytest.raises(UrlError):
        parse_redirect(parse_url("https://example.com/"), location)
