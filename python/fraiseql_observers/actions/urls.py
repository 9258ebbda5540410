"""The URLs of destinations: what is accepted, taken apart once, and how one is shown without its secrets.

The parser is strict, because every leniency of a URL library is a way past an address check: whatever this module
accepts has one meaning only.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

__all__ = ["DestinationUrl", "UrlError", "parse_redirect", "parse_url", "shown_url"]

#: The longest URL, in characters; beyond it receivers begin to refuse.
LONGEST_URL = 4096
_LONGEST_HOST = 253
_LONGEST_LABEL = 63

#: A port below this one belongs to a system service, save the two of the web.
FIRST_USER_PORT = 1024
LAST_PORT = 65535
WEB_PORTS = {"http": 80, "https": 443}

#: Ports of servers that would take a web request for commands of their own: what browsers refuse, and databases.
SERVICE_PORTS = frozenset(
    {1719, 1720, 1723, 2049, 3306, 3659, 4045, 4190, 5060, 5061, 5432, 6000, 6379, 6566, 6665, 6666, 6667}
    | {6668, 6669, 6679, 6697, 10080, 11211, 27017}
)

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<slashes>//)?(?P<rest>.*)", re.DOTALL)
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^\[\]:]*)(?::(?P<port>[0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")
#: A host whose last label starts like a number is read as an address by every resolver.
_NUMERIC_HOST = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.IGNORECASE)
_TARGET = re.compile(r"(?:[A-Za-z0-9._~:/?@!$&'()*+,;=\[\]-]|%[0-9A-Fa-f]{2})*")


class UrlError(ValueError):
    """A text is no URL of a destination; the message is free of secrets."""


@dataclass(frozen=True, slots=True)
class DestinationUrl:
    """A destination.

    Attributes:
        scheme: ``http`` or ``https``.
        host: A name in lower case without its final dot, or a canonical address without brackets.
        port: The port, also where the URL names none.
        path: The path, at least ``/``.
        query: The query without its question mark, which counts as a secret.
    """

    scheme: str
    host: str
    port: int
    path: str
    query: str

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == WEB_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def target(self) -> str:
        """What the request line names: path and query."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: what headers with secrets may not leave."""
        return self.scheme, self.host, self.port

    def __str__(self) -> str:
        """Return the URL for people, without its query."""
        return f"{self.scheme}://{self.authority}{self.path}"

    __repr__ = __str__


def parse_url(text: str) -> DestinationUrl:
    """Take a URL apart.

    Raises:
        UrlError: If it is not http or https, carries credentials, names a port or host that is not allowed, or
            could be read in two ways.
    """
    if not text.strip():
        raise UrlError("the URL is empty")
    if len(text) > LONGEST_URL:
        raise UrlError(f"the URL is longer than {LONGEST_URL} characters")
    if "{{" in text or "{%" in text:
        raise UrlError("the URL contains a placeholder; a destination is never taken from event data")
    if any(character <= " " or character in "\x7f\\" for character in text):
        raise UrlError("the URL contains a space, a backslash or a control character")
    match = _URL.fullmatch(text)
    scheme = match["scheme"].lower() if match else ""
    if scheme not in WEB_PORTS or not match or not match["slashes"]:
        raise UrlError("the URL has a scheme that is not allowed; allowed: http://… and https://…")
    authority, target = re.fullmatch(r"([^/?#]*)(.*)", match["rest"], re.DOTALL).groups()  # type: ignore[union-attr]  # it matches any text
    if "@" in authority:
        raise UrlError("the URL carries credentials; use a header")
    if "#" in target:
        raise UrlError("the URL has a fragment, which is never sent")
    if not _TARGET.fullmatch(target):
        raise UrlError("the URL has a character in its path or query that must be percent-encoded")
    parts = _AUTHORITY.fullmatch(authority)
    if not parts:
        raise UrlError("the URL names no valid host and port")
    path, _, query = target.partition("?")
    return DestinationUrl(scheme, _host(parts["host"]), _port(scheme, parts["port"]), path or "/", query)


def parse_redirect(base: DestinationUrl, location: str) -> DestinationUrl:
    """Take the target of a redirect apart, which may be relative to the URL that was asked.

    Raises:
        UrlError: As `parse_url` does.
    """
    target = location.partition("#")[0]
    if _URL.match(target):
        return parse_url(target)
    root = f"{base.scheme}://{base.authority}"
    if target.startswith("//"):
        return parse_url(f"{base.scheme}:{target}")
    if target.startswith("/"):
        return parse_url(root + target)
    if target.startswith("?"):
        return parse_url(root + base.path + target)
    return parse_url(f"{root}{base.path.rpartition('/')[0]}/{target}")


def shown_url(text: str) -> str:
    """Return a URL for people, or a note that it is not shown when it cannot be taken apart safely."""
    try:
        return str(parse_url(text))
    except UrlError:
        return "a URL (not shown)"


def _port(scheme: str, text: str | None) -> int:
    port = int(text) if text else WEB_PORTS[scheme]
    is_allowed = port in WEB_PORTS.values() or FIRST_USER_PORT <= port <= LAST_PORT
    if not is_allowed or port in SERVICE_PORTS:
        raise UrlError(
            f"the URL names the port {port}; allowed: 80, 443 and {FIRST_USER_PORT}–{LAST_PORT}, "
            "save ports of well-known services"
        )
    return port


def _host(text: str) -> str:
    if text.startswith("["):
        try:
            # A zone (%eth0) names an interface of this machine, which no public destination needs.
            return str(ipaddress.IPv6Address(text[1:-1] if "%" not in text else ""))
        except ValueError:
            raise UrlError("the URL names no valid IPv6 address") from None
    host = _ascii_host(text).removesuffix(".")
    if not host or len(host) > _LONGEST_HOST:
        raise UrlError("the URL names no host, or one that is too long")
    if _NUMERIC_HOST.fullmatch(host):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise UrlError(
                "the URL writes an address in an unusual form; allowed: four decimal numbers"
            ) from None
    for label in host.split("."):
        if len(label) > _LONGEST_LABEL or not _LABEL.fullmatch(label):
            raise UrlError("the URL names a host that is not valid")
    return host


def _ascii_host(text: str) -> str:
    if text.isascii():
        return text.lower()
    import idna

    try:
        return idna.encode(text, uts46=True).decode().lower()
    except (idna.IDNAError, UnicodeError):
        raise UrlError("the URL names a host that is not valid") from None
