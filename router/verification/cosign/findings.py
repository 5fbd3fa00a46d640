"""What one piece of evidence turned out to be, where it is sound. Pure.

A broken one, or one by a trusted key about something else, is InvalidSignatureError instead.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TypeAlias

from router.steps import Steps
from router.verification.keys import SignedBytes, TrustedKey, TrustedKeys
from router.verification.scheme import Endorsement


class Unendorsed(Enum):
    """Sound evidence that says nothing for the image."""

    STRANGER = auto()
    """A signature that none of the trusted keys has made."""
    ATTESTATION = auto()
    """A statement about the image that is no signature, whoever made it."""


Finding: TypeAlias = Endorsement | Unendorsed


def opened_by(keys: TrustedKeys, content: bytes, signature: bytes) -> Steps[tuple[TrustedKey, SignedBytes] | None]:
    """The first trusted key that has signed this content, with the content as signed by it; None: no key has.

    A step is one key: ten on P-521 take tens of milliseconds.
    """
    for entry in keys:
        yield
        if (signed := SignedBytes.opened(entry.key, content, signature)) is not None:
            return entry, signed
    return None
