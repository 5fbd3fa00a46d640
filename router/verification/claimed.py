"""Whom evidence names as its signer, while nobody vouches for that. Pure.

For people only: a signature by nobody who is trusted is told together with whom its certificate names, so that whoever
asks sees that an identity is spelt otherwise than the rule wants it. Nothing may ever follow from it.
"""

from __future__ import annotations

from collections.abc import Iterator

from router.errors import InvalidSignatureError
from router.verification.evidence import Evidence
from router.verification.notation.envelopes import read_envelope
from router.verification.notation.trust import subject_text
from router.verification.pki.certificates import Certificate
from router.verification.sigstore.identities import identity_of
from router.verification.sigstore.material import signer_beside, signer_in


def claimed_signer(piece: Evidence) -> str:
    """Whom the certificate of the first piece names; empty where there is none, or none that can be read."""
    try:
        return next(_claimed(piece), "")
    except InvalidSignatureError:
        return ""


def _claimed(piece: Evidence) -> Iterator[str]:
    for envelope in piece.notations:
        leaf = Certificate.from_der(read_envelope(envelope.media_type, envelope.body).chain[0])
        yield subject_text(leaf.subject)
    certificates = [
        *(signer_beside(signing.beside) for signing in piece.simple_signings),
        *(signer_beside(layer.beside) for layer in piece.attestation_layers),
        *(signer_in(bundle.body) for bundle in piece.bundles),
    ]
    for der in certificates:
        identity = None if der is None else identity_of(Certificate.from_der(der))
        if identity is not None:
            yield f"{identity.subject} (issuer {identity.issuer})"
