"""Signing secrets: what is strong enough, and where they are read from.

Nothing here is called by a producer for a secret given by reference: `resolve_secrets` runs when a worker or an
in-process executor starts and in ``config check``. No message repeats a secret, not even a part of it.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = [
    "SecretError",
    "decode_standard_secret",
    "read_environment",
    "read_secret_file",
    "secret_complaint",
]

STANDARD_PREFIX = "whsec_"
ASYMMETRIC_PREFIX = "whsk_"
#: Bytes of a Standard Webhooks secret.
SHORTEST_SECRET = 24
LONGEST_SECRET = 64
#: A secret of that length with fewer different bytes was typed, not drawn.
_FEWEST_DIFFERENT_BYTES = 8
#: No larger file is a secret.
_LARGEST_FILE_BYTES = 65_536
_PLACEHOLDERS = (
    b"changeme",
    b"change_me",
    b"change-me",
    b"placeholder",
    b"password",
    b"your_secret",
    b"your-secret",
)


class SecretError(ValueError):
    """A secret is missing or unfit; the message names where it was looked for, never what it is."""


def decode_standard_secret(secret: str) -> bytes:
    """Return the key of a ``whsec_…`` secret.

    Raises:
        SecretError: If it has another form or is weak.
    """
    allowed = f"allowed: {STANDARD_PREFIX} and base64 of {SHORTEST_SECRET}–{LONGEST_SECRET} bytes"
    if secret.startswith(ASYMMETRIC_PREFIX):
        raise SecretError(f"{ASYMMETRIC_PREFIX} secrets are not supported by this version; {allowed}")
    if not secret.startswith(STANDARD_PREFIX):
        raise SecretError(f"the secret does not start with {STANDARD_PREFIX}; {allowed}")
    try:
        key = base64.b64decode(secret.removeprefix(STANDARD_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise SecretError(f"the secret is not base64; {allowed}") from None
    if not SHORTEST_SECRET <= len(key) <= LONGEST_SECRET:
        raise SecretError(f"the secret has {len(key)} bytes; {allowed}")
    _refuse_guessable(key)
    return key


def raw_secret(secret: str) -> bytes:
    """Return the key of a secret that is used as it is written.

    Raises:
        SecretError: If it is weak.
    """
    key = secret.encode()
    if len(key) < SHORTEST_SECRET:
        raise SecretError(f"the secret has {len(key)} bytes; allowed: at least {SHORTEST_SECRET}")
    _refuse_guessable(key)
    return key


def secret_complaint(secret: str, signature: str) -> str | None:
    """Say what is wrong with a secret for this kind of signature, or return ``None``."""
    try:
        if signature == "standard":
            decode_standard_secret(secret)
        else:
            raw_secret(secret)
    except SecretError as error:
        return str(error)
    return None


def read_environment(name: str, environment: Mapping[str, str] | None = None) -> str:
    """Return the value of an environment variable.

    Raises:
        SecretError: If it is not set or blank.
    """
    value = (os.environ if environment is None else environment).get(name, "")
    if not value.strip():
        raise SecretError(f"the environment variable {name} is not set")
    return value


def read_secret_file(name: str, folder: Path | None = None) -> Sequence[str]:
    """Return the secrets of a file, one a line.

    Args:
        name: The path; a relative one is taken from `folder`, the folder of the configuration file.
        folder: Where relative paths start, by default the working directory.

    Raises:
        SecretError: If the file cannot be read or has no secret.
    """
    path = (folder or Path()) / name
    try:
        # A pipe that nobody writes to would never end, and a device never does.
        if not stat.S_ISREG(path.stat().st_mode):
            raise SecretError(f"the file {name} is no regular file")
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE_BYTES + 1)
        lines = content.decode().splitlines()
    except OSError as error:
        raise SecretError(f"the file {name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SecretError(f"the file {name} is not UTF-8 text") from None
    secrets = [line.strip() for line in lines if line.strip()]
    if not secrets or len(content) > _LARGEST_FILE_BYTES:
        raise SecretError(f"the file {name} holds no secret, or more than secrets")
    return secrets


def _refuse_guessable(key: bytes) -> None:
    folded = key.lower()
    if len(set(key)) < _FEWEST_DIFFERENT_BYTES or any(word in folded for word in _PLACEHOLDERS):
        raise SecretError("the secret is weak or a placeholder; draw one at random")
