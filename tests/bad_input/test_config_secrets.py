"""Rows 15, 16 and 20: secrets that are not there or weak, destinations that are not public."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fraiseql_observers.config import load_config
from fraiseql_observers.problems import ProblemKind
from tests.bad_input.refusals import CANARY, checked, only, refused_text, toml, write

HOOK = (
    '[observers.paid]\nevent_type = "UPDATE"\nentity = "Order"\n'
    '[[observers.paid.actions]]\ntype = "webhook"\nurl = "https://example.com/hook"\n'
)
GOOD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PATH = ("observers", "paid", "actions", 0)


def _coded(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


#: Secrets for Standard Webhooks that are none, or that can be guessed.
WEAK_STANDARD = {
    "empty": "",
    "only its prefix": "whsec_",
    "a placeholder": "changeme",
    "a placeholder in code": _coded(b"changeme-changeme-changeme-changeme"),
    "a password in code": _coded(b"my-password-is-secret-123456"),
    "no prefix": GOOD.removeprefix("whsec_"),
    "prefix in capitals": GOOD.upper()[:6] + GOOD[6:],
    "another kind of key": GOOD.replace("whsec_", "whsk_"),
    "23 bytes": _coded(os.urandom(23)),
    "65 bytes": _coded(os.urandom(65)),
    "one byte": _coded(b"x"),
    "zeros": _coded(bytes(32)),
    "one letter": _coded(b"a" * 32),
    "seven bytes over and over": _coded(b"abcdefg" * 5),
    "no base64": f"whsec_{CANARY}!{CANARY}!!",
    "base64 of URLs": "whsec_" + base64.urlsafe_b64encode(b"\xfb\xff" * 16).decode(),
    "padding lost": _coded(os.urandom(25)).rstrip("="),
    "a line break": GOOD + "\n",
    "a space": " " + GOOD,
    "not ASCII": "whsec_é" + GOOD[7:],
}
#: Secrets that are used as they are written.
WEAK_PLAIN = {
    "empty": "",
    "23 bytes": "abcdefghijklmnopqrstuvw",
    "a placeholder": "changeme",
    "a placeholder, longer": "changeme" * 4,
    "a placeholder in capitals": "CHANGEME" + CANARY * 3,
    "your secret": "your-secret-" + CANARY * 2,
    "placeholder": "placeholder-" + CANARY * 2,
    "one letter": "a" * 64,
    "few letters": "abab" * 16,
    "spaces": " " * 32,
}


@pytest.mark.parametrize("name", WEAK_STANDARD)
def test_a_weak_secret_is_refused_wherever_it_stands(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the file when it is loaded; in a variable or a file of its own when it is checked. It is never shown."""
    secret = WEAK_STANDARD[name]
    problem = only(refused_text(tmp_path, f"{HOOK}signing_secret = {toml(secret)}\n"))
    assert (problem.kind, problem.path) == (ProblemKind.SECRET, (*PATH, "signing_secret"))
    _check_references(secret, "standard", tmp_path, monkeypatch)


@pytest.mark.parametrize("name", WEAK_PLAIN)
def test_a_weak_plain_secret_is_refused_wherever_it_stands(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for a secret that is taken as it is written."""
    secret = WEAK_PLAIN[name]
    text = f'{HOOK}signature = "fraiseql"\nsigning_secret = {toml(secret)}\n'
    problem = only(refused_text(tmp_path, text))
    assert (problem.kind, problem.path) == (ProblemKind.SECRET, (*PATH, "signing_secret"))
    _check_references(secret, "fraiseql", tmp_path, monkeypatch)


def _check_references(secret: str, signature: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check a file that names the variable, and one that names the file, in which a secret stands."""
    (folder / "secret").write_text(secret)
    path = write(folder, f'{HOOK}signature = "{signature}"\nsigning_secret_env = "HOOK_SECRET"\n')
    monkeypatch.setenv("HOOK_SECRET", secret)
    # A line break or space at an end is how shells and editors leave a secret: it is no part of one here.
    if secret.strip() == GOOD:
        return
    (mistake,) = checked(path, monkeypatch)
    assert mistake["key"].endswith("signing_secret_env")
    assert mistake["kind"] in {"secret", "environment"}
    assert "HOOK_SECRET" in mistake["message"]
    _is_not_shown(secret, mistake["message"])
    path = write(folder, f'{HOOK}signature = "{signature}"\nsigning_secret_file = "secret"\n')
    (mistake,) = checked(path, monkeypatch)
    assert mistake["key"].endswith("signing_secret_file")
    assert mistake["kind"] in {"secret", "environment"}
    assert "the file secret" in mistake["message"]
    _is_not_shown(secret, mistake["message"])


def _is_not_shown(secret: str, message: str) -> None:
    """Hold that no run of eight characters of a secret is in a message, the words of our own messages aside."""
    own = "whsec_ and base64 of 24–64 bytes; the secret is weak or a placeholder; draw one at random"
    pieces = {secret[n : n + 8] for n in range(len(secret) - 7)}
    assert not [piece for piece in pieces if piece in message and piece not in own]


#: What stands where a file with a secret should.
SECRET_FILES: dict[str, Callable[[Path], object]] = {
    "absent": lambda _: None,
    "directory": Path.mkdir,
    "link to itself": lambda path: path.symlink_to(path),
    "empty": lambda path: path.write_bytes(b""),
    "blank": lambda path: path.write_bytes(b" \n\n\t\n"),
    "bad UTF-8": lambda path: path.write_bytes(b"\xff\xfe" + GOOD.encode()),
    "UTF-16": lambda path: path.write_bytes(GOOD.encode("utf-16")),
    "too large": lambda path: path.write_bytes(b"x" * 65_537),
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "nobody's pipe": os.mkfifo,
}


@pytest.mark.parametrize("name", SECRET_FILES)
def test_a_file_that_holds_no_secret_is_refused_by_its_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the system's reason, at once, also where reading would never end."""
    SECRET_FILES[name](tmp_path / "secret")
    (mistake,) = checked(write(tmp_path, f'{HOOK}signing_secret_file = "secret"\n'), monkeypatch)
    assert mistake["kind"] == "environment"
    assert "the file secret" in mistake["message"]


@pytest.mark.parametrize("key", ["url_env", "signing_secret_env"])
@pytest.mark.parametrize("value", [None, "", " ", "\t\n"])
def test_a_variable_that_is_not_set_is_refused_by_its_name(
    key: str, value: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set to nothing is not set."""
    hook = HOOK.replace('url = "https://example.com/hook"\n', "") if key == "url_env" else HOOK
    if value is not None:
        monkeypatch.setenv("HOOK_VALUE", value)
    (mistake,) = checked(write(tmp_path, f'{hook}{key} = "HOOK_VALUE"\n'), monkeypatch)
    assert mistake["kind"] == "environment"
    assert mistake["message"] == "the environment variable HOOK_VALUE is not set"
    assert mistake["key"].endswith(key)


@pytest.mark.parametrize("key", ["url_env", "signing_secret_env"])
@pytest.mark.parametrize(
    "name",
    ["", " ", "A B", "A=B", "1A", "A-B", "A.B", "é", "A\x00", "$A", "${A}", GOOD, "x" * 129, CANARY + "!"],
)
def test_a_name_of_no_variable_is_refused_without_being_shown(key: str, name: str, tmp_path: Path) -> None:
    """Who writes the secret itself there by mistake must not find it in a log."""
    hook = HOOK.replace('url = "https://example.com/hook"\n', "") if key == "url_env" else HOOK
    problem = only(refused_text(tmp_path, f"{hook}{key} = {toml(name)}\n"))
    assert problem.kind is ProblemKind.NAME
    assert "not shown" in problem.message
    assert len(name) < 4 or name not in problem.message


@pytest.mark.parametrize("literal", ["5", "true", "[5]", "[]", "{}", "[[]]", "1.5"])
@pytest.mark.parametrize("key", ["signing_secret", "signing_secret_env", "signing_secret_file"])
def test_a_secret_that_is_no_text_is_refused(key: str, literal: str, tmp_path: Path) -> None:
    """One text, or a list of them."""
    problem = only(refused_text(tmp_path, f"{HOOK}{key} = {literal}\n"))
    assert problem.kind in {ProblemKind.TYPE, ProblemKind.EMPTY}


def test_one_secret_for_two_destinations_is_a_warning(tmp_path: Path) -> None:
    """Each of them could forge what the other gets; some have no choice."""
    second = HOOK.replace("/hook", "/other").replace("paid", "sent")
    text = f'{HOOK}signing_secret = "{GOOD}"\n{second}signing_secret = "{GOOD}"\n'
    (warning,) = load_config(write(tmp_path, text), environment={}).warnings
    assert "one secret signs for 2 destinations" in warning
    assert GOOD not in warning


@pytest.mark.parametrize(
    "host",
    [
        *(
            "127.0.0.1",
            "127.255.255.254",
            "localhost",
            "LOCALHOST",
            "a.localhost",
            "0.0.0.0",
            "[::1]",
            "[::]",
        ),
        *("10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.1.1", "[fd00::1]", "[fe80::1]"),
        *("[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "224.0.0.1", "255.255.255.255"),
    ],
)
def test_an_address_that_is_not_public_is_refused_when_the_file_is_loaded(host: str, tmp_path: Path) -> None:
    """What can never be reached is a mistake of the file, and the text says what would allow it."""
    problem = only(refused_text(tmp_path, HOOK.replace("example.com", host)))
    assert (problem.kind, problem.path) == (ProblemKind.URL, (*PATH, "url"))
    assert "allow_private" in problem.message


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[::ffff:a9fe:a9fe]", "metadata.google.internal", "[fd00:ec2::254]"]
)
def test_no_exception_opens_a_metadata_service(host: str, tmp_path: Path) -> None:
    """Neither for the destination nor for all."""
    hook = HOOK.replace("example.com", host)
    assert only(refused_text(tmp_path, f"{hook}allow_private = true\n")).kind is ProblemKind.URL
    allowed = f'{hook}[security]\nallow_hosts = ["{host}"]\n'
    assert only(refused_text(tmp_path, allowed)).kind is ProblemKind.URL


def test_exceptions_and_plain_http_are_warned_about(tmp_path: Path) -> None:
    """They are allowed, and said at each load."""
    plain = HOOK.replace("https", "http")
    signed = f'signing_secret = "{GOOD}"\n'
    (warning,) = load_config(write(tmp_path, plain + signed), environment={}).warnings
    assert "plain http" in warning
    private = HOOK.replace("https://example.com", "http://127.0.0.1:9000")
    (warning,) = load_config(
        write(tmp_path, f"{private}{signed}allow_private = true\n"), environment={}
    ).warnings
    assert "allow_private" in warning
    text = f'{private}{signed}[security]\nallow_hosts = ["127.0.0.1:9000"]\n'
    (warning,) = load_config(write(tmp_path, text), environment={}).warnings
    assert "security.allow_hosts" in warning


@pytest.mark.parametrize(
    "host",
    ["", " ", "a b", "http://a", "a/b", "*", "*.a", "a:b", "a:123456", "[::1", "é", "a\n", "10.0.0.0/8"],
)
def test_an_exception_that_names_no_host_is_refused(host: str, tmp_path: Path) -> None:
    """No patterns and no networks: an exception is for one host."""
    problem = only(refused_text(tmp_path, f"[security]\nallow_hosts = [{toml(host)}]\n"))
    assert problem.path[:2] == ("security", "allow_hosts")
