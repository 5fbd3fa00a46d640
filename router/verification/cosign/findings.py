"""What one piece of evidence turned out to be, where it is sound. Pure.

A broken one, or one by a trusted key about something else, is InvalidSignatureError instead.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TypeAlias

from router.verification.keys import PublicKey, SignedBytes
from router.verification.scheme import Endorsement

TrustedKey: TypeAlias = tuple[str, PublicKey]
"""A key with the name that the operator gave it."""


class Unendorsed(Enum):
    """Sound evidence that says nothing for the image."""

    STRANGER = auto()
    """A signature that none of the trusted keys has made."""
    ATTESTATION = auto()
    """A statement about the image that is no signature, whoever made it."""


Finding: TypeAlias = Endorsement | Unendorsed


def opened_by(keys: tuple[TrustedKey, ...], content: bytes, signature: bytes) -> tuple[str, SignedBytes] | None:
    """The first trusted key that has signed this content, with the content as signed by it; None: no key has."""
    for name, key in keys:
        if (signed := SignedBytes.opened(key, content, signature)) is not None:
            return name, signed
    return None
