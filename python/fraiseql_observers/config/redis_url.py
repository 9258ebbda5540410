"""Where the queue lives: which Redis URLs are accepted, and how one is shown without its password."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote

from fraiseql_observers.problems import ProblemKind
from fraiseql_observers.settings import refusal

__all__ = ["ALLOWED_REDIS_URLS", "check_redis_url", "shown_redis_url"]

ALLOWED_REDIS_URLS = "redis://[user:password@]host[:port][/db], rediss://…, unix:///path[?db=N], embedded:// or embedded:///path"

#: Recognised, and refused until the queue can follow a fail-over.
_LATER_SCHEMES = ("redis+sentinel", "redis+cluster", "rediss+sentinel", "rediss+cluster")

#: What the client library reads from the query of a unix socket's URL.
_UNIX_OPTIONS = frozenset({"db", "user", "pass"})

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
_HOST = re.compile(r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
#: Redis counts its databases in a signed 32-bit integer.
_LARGEST_DB = 2**31 - 1
_LARGEST_PORT = 65535


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
    scheme = url.partition("://")[0].lower()
    if scheme in _LATER_SCHEMES:
        raise refusal(ProblemKind.UNSUPPORTED, f"{scheme}:// is not supported by this version")
    return url


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
    authority, slash, db = place.partition("/")
    host = _HOST.match(authority)
    if not host:
        return f"{scheme}://{hidden}…"
    port = authority[host.end() :]
    # A port or database that is no number may be part of a password that was not escaped.
    shown_port = port if re.fullmatch(r":[0-9]{1,6}", port) else ("" if not port else "…")
    shown_db = f"{slash}{db}" if re.fullmatch(r"[0-9]{0,10}", db) else "/…"
    return f"{scheme}://{hidden}{host[0]}{shown_port}{shown_db}"


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
    if scheme in _LATER_SCHEMES:
        return None
    if "#" in rest:
        return "has a fragment, which would switch off certificate checks"
    if scheme in {"redis", "rediss"}:
        return _tcp_complaint(rest)
    if scheme == "unix":
        return _unix_complaint(rest)
    if scheme == "embedded":
        return _embedded_complaint(rest)
    return f"the scheme {scheme} is unknown"


def _tcp_complaint(rest: str) -> str | None:
    location, has_options, _ = rest.partition("?")
    if has_options:
        return "has options, and none is known for this scheme"
    if location.count("@") > 1 or "/" in location.rpartition("@")[0]:
        return "has an @ or / in its password that is not written as %40 or %2F"
    authority, _, db = location.rpartition("@")[2].partition("/")
    host = _HOST.match(authority)
    if not host:
        return "names no host"
    port = authority[host.end() :]
    if port and not _is_number(port.removeprefix(":"), 1, _LARGEST_PORT, prefix_seen=port.startswith(":")):
        return f"its port is no number from 1 to {_LARGEST_PORT}"
    if db and not _is_number(db, 0, _LARGEST_DB):
        return f"its database is no number from 0 to {_LARGEST_DB}"
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
