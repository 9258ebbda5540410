"""Signatures of webhooks: what lets a receiver know who sent a request, and that nobody changed it.

``standard`` follows the Standard Webhooks specification (https://www.standardwebhooks.com), symmetric version
``v1``. ``fraiseql`` is the header that FraiseQL's receivers verify. With several active secrets there is one
signature per secret, so that a secret can be replaced without a moment at which no signature fits.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

__all__ = ["fraiseql_signature", "standard_signature"]


def standard_signature(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of ``webhook-signature``.

    Args:
        keys: The active secrets, decoded.
        message_id: The value of ``webhook-id``; it contains no dot.
        timestamp: The value of ``webhook-timestamp``, in seconds since 1970.
        body: The bytes that are sent.

    Returns:
        ``v1,<base64 of HMAC-SHA256 over id.timestamp.body>`` for each secret, separated by spaces.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    digests = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def fraiseql_signature(keys: Sequence[bytes], timestamp: int, body: bytes) -> str:
    """Return the value of ``X-FraiseQL-Signature-256``.

    Args:
        keys: The active secrets.
        timestamp: Seconds since 1970.
        body: The bytes that are sent.

    Returns:
        ``t=<timestamp>,v1=<hex of HMAC-SHA256 over timestamp.body>``, with a further ``,v1=`` per further secret.
    """
    signed = f"{timestamp}.".encode() + body
    digests = (hmac.new(key, signed, hashlib.sha256).hexdigest() for key in keys)
    return f"t={timestamp}" + "".join(f",v1={digest}" for digest in digests)
