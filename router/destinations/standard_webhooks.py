"""Standard Webhooks: by what a receiver knows a repetition, and that a request is ours. Pure.

Source: Standard Webhooks, "Webhook headers" and "Signature scheme".

Rules:
(1) `webhook-id` is the event's and the same on every attempt; `webhook-timestamp` is the attempt's.
(2) A signature covers `ID.TIMESTAMP.BODY` byte for byte, and no other header.
(3) While a secret is exchanged for another there is a signature by each, with a blank between: a receiver takes any
    that it can prove.
(4) A batch is recognised by all its events: under the id of its first one, a receiver that has seen that one in another
    batch would take the rest for a repetition, acknowledge it and drop it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

from router.destinations.dialect import Seal

PREFIX = "whsec_"
LEAST_KEY, LARGEST_KEY = 24, 64
"""Bytes of a signing key."""


def signing_key(secret: str) -> bytes:
    """The key of a secret, `whsec_` and base64.

    Raises:
        ValueError: It is none; the text does not show it.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("the signing secret is not valid base64 (Standard Webhooks: whsec_BASE64)") from error
    if not LEAST_KEY <= len(key) <= LARGEST_KEY:
        raise ValueError(
            f"the signing secret has {len(key)} bytes; Standard Webhooks wants {LEAST_KEY} to {LARGEST_KEY}"
        )
    return key


def signature(key: bytes, event_id: str, timestamp: int, body: bytes) -> str:
    """One signature as it stands in `webhook-signature`."""
    mac = hmac.digest(key, b"%b.%d.%b" % (event_id.encode(), timestamp, body), hashlib.sha256)
    return "v1," + base64.b64encode(mac).decode()


def seal(keys: Sequence[bytes], event_id: str, timestamp: int) -> Seal | None:
    """Makes the headers that prove a body, at a time in seconds since 1970; None without a key."""
    if not keys:
        return None
    return lambda body: {
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(key, event_id, timestamp, body) for key in keys),
    }


def batch_id(event_ids: Sequence[str]) -> str:
    """The id of a batch: another for every other composition."""
    return "batch-" + hashlib.sha256("\n".join(event_ids).encode()).hexdigest()[:32]
