"""Where the queue lives: which Redis URLs are accepted, and how one is shown without its password."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote

from fraiseql_observers.problems import ProblemKind
from fraiseql_observers.settings import refusal

__all__ = [
    "ALLOWED_REDIS_URLS",
    "asks_for_tls",
    "check_redis_url",
    "names_sentinels",
    "ports_of",
    "shown_redis_url",
]

ALLOWED_REDIS_URLS = (
    "redis://[user:password@]host[:port][/db], redis+sentinel://[user:password@]host[:port][,…]/service[/db], "
    "redis+cluster://[user:password@]host[:port][,…], each with rediss in place of redis for TLS, "
    "unix:///path[?db=N], embedded:// or embedded:///path"
)

_SERVER_SCHEMES = frozenset({"redis", "rediss"})
_SENTINEL_SCHEMES = frozenset({"redis+sentinel", "rediss+sentinel"})
_CLUSTER_SCHEMES = frozenset({"redis+cluster", "rediss+cluster"})

#: What the client library reads from the query of a unix socket's URL.
_UNIX_OPTIONS = frozenset({"db", "user", "pass"})

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
_HOST = re.compile(r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})")
#: What Sentinel lets a group of servers be called, save for characters that a URL would change.
_SERVICE = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
#: Redis counts its databases in a signed 32-bit integer.
_LARGEST_DB = 2**31 - 1
_LARGEST_PORT = 65535
#: Hosts that one URL may name: more than anybody has, and no more than a person can read.
_MOST_HOSTS = 64
_DEFAULT_PORT = 6379
_DEFAULT_SENTINEL_PORT = 26379


def check_redis_url(url: str) -> str:
    """Return `url` as it is, or refuse it without ever repeating its password.

    Raises:
        PydanticCustomError: If the queue cannot be found by this URL.
    """
    complaint = _complaint(url)
    if complaint:
        raise refusal(
            ProblemKind.REDIS_URL, f"{shown_redis_url(url)}: {complaint}; allowed: {ALLOWED_REDIS_URLS}"
        )
    return url


def asks_for_tls(url: str) -> bool:
    """Whether the connections of a URL that was checked are to be encrypted."""
    return url.lower().startswith("rediss")


def names_sentinels(url: str) -> bool:
    """Whether a URL that was checked names sentinels in place of servers."""
    return url.partition("://")[0].lower() in _SENTINEL_SCHEMES


def ports_of(url: str) -> Iterator[int]:
    """Yield the ports that a URL that was checked names or implies."""
    scheme, _, rest = url.partition("://")
    if scheme.lower() in _SERVER_SCHEMES | _SENTINEL_SCHEMES | _CLUSTER_SCHEMES:
        default = _DEFAULT_SENTINEL_PORT if scheme.lower() in _SENTINEL_SCHEMES else _DEFAULT_PORT
        for place in rest.rpartition("@")[2].partition("/")[0].split(","):
            host = _HOST.match(place)
            port = place[host.end() :].removeprefix(":") if host else ""
            yield int(port) if port else default


def shown_redis_url(url: str) -> str:
    """Return `url` for people: password, user, options and whatever cannot be told apart from them left out."""
    match = _URL.fullmatch(url)
    if not match:
        return "a text without a scheme (not shown)"
    scheme, rest = match["scheme"], match["rest"]
    credentials, at, place = rest.rpartition("@")
    place = re.split(r"[?#]", place, maxsplit=1)[0]
    hidden = "***@" if at and credentials else ""
    if scheme.lower() in {"unix", "embedded"}:
        return f"{scheme}://{hidden}{place if place.startswith('/') else ''}"
    authority, slash, path = place.partition("/")
    shown = [_shown_place(part) for part in authority.split(",")[:_MOST_HOSTS]]
    if shown[0] is None:
        return f"{scheme}://{hidden}…"
    places = ",".join("…" if part is None else part for part in shown)
    if scheme.lower() in _SENTINEL_SCHEMES:
        known = re.fullmatch(rf"{_SERVICE.pattern}(/[0-9]{{0,10}})?", path)
    else:
        known = re.fullmatch(r"[0-9]{0,10}", path)
    return (
        f"{scheme}://{hidden}{places}{f'{slash}{path}' if known else '/…'}"
        if slash
        else f"{scheme}://{hidden}{places}"
    )


def _shown_place(place: str) -> str | None:
    host = _HOST.match(place)
    if not host:
        return None
    port = place[host.end() :]
    # A port or database that is no number may be part of a password that was not escaped.
    return host[0] + (port if re.fullmatch(r":[0-9]{1,6}", port) else ("" if not port else "…"))


def _complaint(url: str) -> str | None:
    if not url.strip():
        return "is empty"
    if any(character <= " " or character == "\x7f" for character in url):
        return "contains a space or a control character"
    match = _URL.fullmatch(url)
    if not match:
        return "has no scheme"
    if _BAD_PERCENT.search(url):
        return "has a % that two hexadecimal digits do not follow"
    scheme, rest = match["scheme"].lower(), match["rest"]
    if "#" in rest:
        return "has a fragment, which would switch off certificate checks"
    if scheme in _SERVER_SCHEMES | _SENTINEL_SCHEMES | _CLUSTER_SCHEMES:
        return _tcp_complaint(scheme, rest)
    if scheme == "unix":
        return _unix_complaint(rest)
    if scheme == "embedded":
        return _embedded_complaint(rest)
    return f"the scheme {scheme} is unknown"


def _tcp_complaint(scheme: str, rest: str) -> str | None:
    location, has_options, _ = rest.partition("?")
    if has_options:
        return "has options, and none is known for this scheme"
    if location.count("@") > 1 or "/" in location.rpartition("@")[0]:
        return "has an @ or / in its password that is not written as %40 or %2F"
    authority, _, path = location.rpartition("@")[2].partition("/")
    places = authority.split(",")
    if scheme in _SERVER_SCHEMES and len(places) > 1:
        return "names several hosts, which only redis+sentinel:// and redis+cluster:// do"
    if len(places) > _MOST_HOSTS:
        return f"names more than {_MOST_HOSTS} hosts"
    complaint = next(filter(None, map(_place_complaint, places)), None)
    if complaint:
        return complaint
    return _path_complaint(scheme, path)


def _path_complaint(scheme: str, path: str) -> str | None:
    if scheme in _SENTINEL_SCHEMES:
        service, _, path = path.partition("/")
        if not _SERVICE.fullmatch(service):
            return "names no service after the sentinels, as in redis+sentinel://host:26379/mymaster"
    if path and not _is_number(path, 0, _LARGEST_DB):
        return f"its database is no number from 0 to {_LARGEST_DB}"
    if scheme in _CLUSTER_SCHEMES and path and int(path):
        return "names a database, and a cluster has only the database 0"
    return None


def _place_complaint(place: str) -> str | None:
    host = _HOST.match(place)
    if not host:
        return "names no host"
    port = place[host.end() :]
    if port and not _is_number(port.removeprefix(":"), 1, _LARGEST_PORT, prefix_seen=port.startswith(":")):
        return f"its port is no number from 1 to {_LARGEST_PORT}"
    return None


def _unix_complaint(rest: str) -> str | None:
    path, _, query = rest.partition("?")
    if not path.startswith("/") or path == "/":
        return "names no absolute path of a socket"
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = set(options) - _UNIX_OPTIONS
    if unknown:
        return f"has an unknown option; known: {', '.join(sorted(_UNIX_OPTIONS))}"
    if "db" in options and not _is_number(options["db"], 0, _LARGEST_DB):
        return f"its database is no number from 0 to {_LARGEST_DB}"
    return None


def _embedded_complaint(rest: str) -> str | None:
    if "?" in rest:
        return "has options, and none is known for this scheme"
    if rest and not rest.startswith("/"):
        return "names a host, but an embedded server has only a directory: embedded:///path"
    return "has a NUL in its path" if "\x00" in unquote(rest) else None


def _is_number(text: str, low: int, high: int, *, prefix_seen: bool = True) -> bool:
    return prefix_seen and re.fullmatch(r"[0-9]{1,10}", text) is not None and low <= int(text) <= high
