"""Signatures and their secrets, checked with an independent verifier."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from fraiseql_observers.actions.signing import fraiseql_signature, standard_signature
from fraiseql_observers.actions.signing_secret import (
    SecretError,
    decode_standard_secret,
    raw_secret,
    read_environment,
    read_secret_file,
)

OLD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW = "whsec_" + base64.b64encode(bytes(range(64))).decode()
BODY = '{"a":"é"}'.encode()


@pytest.mark.parametrize("verifier", [OLD, NEW])
def test_each_active_secret_verifies_during_a_rotation(verifier: str) -> None:
    """A receiver that has either secret accepts the request."""
    now = int(time.time())
    keys = [decode_standard_secret(secret) for secret in (NEW, OLD)]
    headers = {
        "webhook-id": "id-1",
        "webhook-timestamp": str(now),
        "webhook-signature": standard_signature(keys, "id-1", now, BODY),
    }
    assert Webhook(verifier).verify(BODY, headers) == {"a": "é"}


def test_fraiseql_signature_covers_timestamp_and_body() -> None:
    """The value is what FraiseQL's receivers compute, once per secret."""
    first, second = b"first key", b"second key"
    expected = [hmac.new(key, b"1700000000." + BODY, hashlib.sha256).hexdigest() for key in (first, second)]
    value = fraiseql_signature([first, second], 1_700_000_000, BODY)
    assert value == f"t=1700000000,v1={expected[0]},v1={expected[1]}"


@pytest.mark.parametrize("size", [24, 64])
def test_secret_of_an_allowed_length_is_decoded(size: int) -> None:
    """The limits of the Standard Webhooks specification are allowed."""
    assert decode_standard_secret("whsec_" + base64.b64encode(bytes(range(size))).decode()) == bytes(
        range(size)
    )


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "changeme",
        "whsec_",
        "whsec_changeme",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
        "whsec_MfKQ9r8GKYqrTwjU PD8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS-",
        "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_" + base64.b64encode(bytes(range(23))).decode(),
        "whsec_" + base64.b64encode(bytes(range(65))).decode(),
        "whsec_" + base64.b64encode(bytes(32)).decode(),
        "whsec_" + base64.b64encode(b"changeme-changeme-changeme-1234").decode(),
        "whsec_" + base64.b64encode(b"my-very-secret-password-is-this").decode(),
    ],
)
def test_weak_secret_is_refused_without_showing_it(secret: str) -> None:
    """A secret that can be guessed is as bad as none, and even a bad one is not shown."""
    with pytest.raises(SecretError) as caught:
        decode_standard_secret(secret)
    assert not secret[6:] or secret[6:] not in str(caught.value)


@pytest.mark.parametrize("secret", ["short", "x" * 40, "changeme and some more text behind it"])
def test_weak_raw_secret_is_refused(secret: str) -> None:
    """The FraiseQL form takes any text, if it is long and not a placeholder."""
    with pytest.raises(SecretError) as caught:
        raw_secret(secret)
    assert secret not in str(caught.value)
    assert raw_secret("a long and winding text of one's own") == b"a long and winding text of one's own"


def test_variable_that_is_not_set_is_named_and_nothing_else() -> None:
    """Unset and blank are the same mistake."""
    for environment in ({}, {"WEBHOOK_SECRET": "  "}):
        with pytest.raises(SecretError, match="WEBHOOK_SECRET is not set"):
            read_environment("WEBHOOK_SECRET", environment)


def test_file_gives_one_secret_per_line(tmp_path: Path) -> None:
    """Several lines are several active secrets; a relative path starts at the configuration's folder."""
    (tmp_path / "secret").write_text(f"{NEW}\n\n{OLD}\n")
    assert read_secret_file("secret", tmp_path) == [NEW, OLD]


def test_file_that_holds_no_secret_is_refused(tmp_path: Path) -> None:
    """The name is given, the contents never."""
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe hunter2canary")
    (tmp_path / "large").write_text("hunter2canary\n" * 10_000)
    for name in ("empty", "binary", "large", "absent", "."):
        with pytest.raises(SecretError) as caught:
            read_secret_file(name, tmp_path)
        assert name in str(caught.value)
        assert "hunter2canary" not in str(caught.value)
