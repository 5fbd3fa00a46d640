"""What one piece of evidence turned out to be, where it is sound. Pure.

A broken one, or one by somebody who is trusted about something else, is InvalidSignatureError instead; one that lacks
something that is asked for is UntrustedSignatureError.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import TypeAlias

from router.images import Digest
from router.verification.cosign.signers import OpenedSignature
from router.verification.scheme import Endorsement


class Unendorsed(Enum):
    """Sound evidence that says nothing for the image."""

    STRANGER = auto()
    """A signature that nobody who is trusted has made."""
    ATTESTATION = auto()
    """A statement about the image that is not of the kind that is wanted, whoever made it."""


CosignFinding: TypeAlias = Endorsement | Unendorsed


def endorsed(by: OpenedSignature, digest: Digest, annotations: Mapping[str, str]) -> Endorsement:
    """What somebody who is trusted has said of this digest."""
    return Endorsement(by.signer, by.signed, digest, by.aliases, annotations, by.witnesses)
