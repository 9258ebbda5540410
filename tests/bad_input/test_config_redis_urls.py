"""Row 12: addresses of the queue that are none; whatever may be a password is never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraiseql_observers.config import load_config
from fraiseql_observers.problems import ProblemKind
from tests.bad_input.refusals import CANARY, checked, only, refused, refused_text, toml, write

#: Where a password stands, before the place that is wrong.
_LOGIN = f"user:{CANARY}@"
BAD_PORTS = ("0", "65536", "99999", "x", "-1", "6379x", " 6379", "63 79", "٣", "1e3", "+1", "0x10", "9" * 20)
BAD_DBS = ("-1", "x", "1.5", "0/1", "1/", str(2**31), "9" * 20, " 1", "٣", "1e1", "+1", CANARY)
BAD_HOSTS = (
    "",
    ".",
    "-",
    "a b",
    "[::1",
    "::1",
    "[zz]",
    "[]",
    "é.example",
    "a..b:",
    "x" * 254,
    "a\\b",
    "a_{b}",
    "*",
    "a,b",
    "a;b",
)
#: What an address may not hold, with what is said about it.
BAD_URLS = {
    "": "is empty",
    " ": "is empty",
    "\t\n": "is empty",
    "localhost": "has no scheme",
    "localhost:6379": "has no scheme",
    "//localhost": "has no scheme",
    "://localhost": "has no scheme",
    "1redis://localhost": "has no scheme",
    "redis:localhost": "has no scheme",
    "redis:/localhost": "has no scheme",
    CANARY: "has no scheme",
    f"http://{_LOGIN}localhost": "the scheme http is unknown",
    f"https://{_LOGIN}localhost": "the scheme https is unknown",
    f"valkey://{_LOGIN}localhost": "the scheme valkey is unknown",
    f"redis+tls://{_LOGIN}localhost": "the scheme redis+tls is unknown",
    f"file://{_LOGIN}/etc/passwd": "the scheme file is unknown",
    f"amqp://{_LOGIN}localhost": "the scheme amqp is unknown",
    f"redis://:{CANARY}%@localhost": "two hexadecimal digits",
    f"redis://:{CANARY}%g0@localhost": "two hexadecimal digits",
    f"redis://:{CANARY}%1@localhost": "two hexadecimal digits",
    f"redis://:{CANARY} x@localhost": "a space or a control character",
    f" redis://:{CANARY}@localhost": "a space or a control character",
    f"redis://:{CANARY}@localhost ": "a space or a control character",
    f"redis://:{CANARY}\r\n@localhost": "a space or a control character",
    f"redis://:{CANARY}\x00@localhost": "a space or a control character",
    f"redis://:{CANARY}\x7f@localhost": "a space or a control character",
    f"redis://:{CANARY}@x@localhost": "written as %40",
    f"redis://:{CANARY}/x@localhost": "written as %40 or %2F",
    f"redis://{_LOGIN}localhost#insecure": "fragment",
    f"rediss://{_LOGIN}localhost/0#insecure": "fragment",
    f"redis://{_LOGIN}localhost?db=1": "options",
    f"redis://localhost?password={CANARY}": "options",
    f"redis://localhost/0?ssl_cert_reqs=none&p={CANARY}": "options",
    f"rediss://{_LOGIN}localhost?ssl_check_hostname=false": "options",
    "unix://": "no absolute path",
    "unix:///": "no absolute path",
    "unix://relative.sock": "no absolute path",
    f"unix:///run/v.sock?password={CANARY}": "unknown option",
    "unix:///run/v.sock?DB=1": "unknown option",
    "unix:///run/v.sock?db=-1": "database",
    "unix:///run/v.sock?db=x": "database",
    "unix:///run/v.sock?db=": "database",
    "embedded://relative": "names a host",
    "embedded://localhost/path": "names a host",
    "embedded:///path?x=1": "options",
    "embedded:///a%00b": "NUL",
}


def _refusal(url: str, folder: Path) -> str:
    problem = only(refused_text(folder, f"[job_queue]\nurl = {toml(url)}\n"))
    assert (problem.kind, problem.path, problem.line) == (ProblemKind.REDIS_URL, ("job_queue", "url"), 2)
    assert "allowed: redis://" in problem.message
    return problem.message


@pytest.mark.parametrize("url", BAD_URLS, ids=ascii)
def test_an_address_that_is_none_is_refused_with_the_reason(url: str, tmp_path: Path) -> None:
    """What is wrong is said, what may be a secret is not."""
    assert BAD_URLS[url] in _refusal(url, tmp_path)


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
@pytest.mark.parametrize("port", BAD_PORTS, ids=ascii)
def test_a_port_that_is_none_is_refused(scheme: str, port: str, tmp_path: Path) -> None:
    """1 to 65535, in plain digits."""
    for place in (f"{_LOGIN}localhost:{port}", f"{_LOGIN}localhost:{port}/0", f"{_LOGIN}[::1]:{port}"):
        message = _refusal(f"{scheme}://{place}", tmp_path)
        assert "port" in message or "space" in message
        assert "***" in message or "localhost" not in message


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
@pytest.mark.parametrize("db", BAD_DBS, ids=ascii)
def test_a_database_that_is_none_is_refused(scheme: str, db: str, tmp_path: Path) -> None:
    """A number from 0 on, in plain digits; what is none may be the end of a password."""
    message = _refusal(f"{scheme}://{_LOGIN}localhost:6379/{db}", tmp_path)
    assert "database" in message or "space" in message


@pytest.mark.parametrize("host", BAD_HOSTS, ids=lambda host: ascii(host[:20]))
def test_a_host_that_is_none_is_refused(host: str, tmp_path: Path) -> None:
    """No name, no address, or more than one."""
    for login in ("", _LOGIN, f":{CANARY}@"):
        _refusal(f"redis://{login}{host}", tmp_path)


@pytest.mark.parametrize(
    "literal", ["5", "true", '["redis://localhost"]', '{ host = "localhost" }', "[]", "1.5"]
)
def test_an_address_that_is_no_text_is_refused(literal: str, tmp_path: Path) -> None:
    """Not shown, since it may hold a password."""
    problem = only(refused_text(tmp_path, f"[job_queue]\nurl = {literal}\n"))
    assert (problem.kind, problem.path) == (ProblemKind.TYPE, ("job_queue", "url"))


@pytest.mark.parametrize("url", [url for url in BAD_URLS if "\x00" not in url], ids=ascii)
def test_the_environment_is_held_to_the_same(url: str, tmp_path: Path) -> None:
    """It is where most passwords come from."""
    problem = only(refused(write(tmp_path, "[log]\n"), {"FRAISEQL_JOB_QUEUE_URL": url}))
    assert problem.source == "FRAISEQL_JOB_QUEUE_URL"
    assert problem.kind is ProblemKind.REDIS_URL


def test_a_password_that_was_not_escaped_is_not_shown_either(tmp_path: Path) -> None:
    """Whatever character splits it, no piece of it is in any message."""
    for character in ":/?#[]@!$&'()*+,;=%\\|^`{}<> \"":
        url = f"redis://user:{CANARY}{character}{CANARY}@localhost:6379/0"
        path = write(tmp_path, f"[job_queue]\nurl = {toml(url)}\nbatch_size = 0\n")
        # Some of these are right as they stand; the other mistake is told then, without the address.
        assert {problem.path[-1] for problem in refused(path)} <= {"url", "batch_size"}


def test_the_check_lists_the_address_among_other_mistakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, with the password as ***."""
    text = f'[job_queue]\nurl = "redis://{_LOGIN}localhost:0"\nbatch_size = 0\n'
    address, size = checked(write(tmp_path, text), monkeypatch)
    assert address["kind"] == "redis_url"
    assert "redis://***@localhost:0" in address["message"]
    assert size["kind"] == "range"


@pytest.mark.parametrize(
    "url", ["redis://h", "rediss://u:p%40@h:1/2147483647", "redis://[::1]:65535", "unix:///s?db=0&user=a"]
)
def test_an_address_at_the_limits_is_accepted(url: str, tmp_path: Path) -> None:
    """Else the refusals above would show nothing."""
    assert load_config(write(tmp_path, f'[job_queue]\nurl = "{url}"\n'), environment={}).job_queue.url == url
