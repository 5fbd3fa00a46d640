"""cosign's legacy attestation: a DSSE envelope behind the `.att` tag, with its log material in annotations. Pure.

Sources: sigstore/cosign specs/ATTESTATION_SPEC.md (the envelope is the payload, the signature annotation is empty);
cosign 3.1 `pkg/cosign/verify.go`. Steps:

(1) The bytes of the blob are those that the manifest names.
(2) They are a DSSE envelope with one signature around an in-toto statement (`router.verification.sigstore.dsse`).
(3) Somebody who is trusted has signed it, as in a bundle. A timestamp is over the whole envelope here.
(4) The predicate is the one that is wanted, and the statement is about the digest, as in a bundle.

Only looked for where an attestation is wanted: none is a signature.
"""

from __future__ import annotations

from functools import partial

import msgspec

from router.errors import InvalidSignatureError
from router.images import Digest
from router.reasons import EvidenceFlaw
from router.steps import Steps
from router.verification.cosign.bundles import endorsement
from router.verification.cosign.findings import CosignFinding, Unendorsed
from router.verification.cosign.signatories import Signatories
from router.verification.cosign.signers import opened_by
from router.verification.documents import read_members, read_object
from router.verification.evidence import NOTHING_BESIDE, AttestationLayer
from router.verification.sigstore.dsse import WrittenEnvelope, read_envelope
from router.verification.sigstore.material import material_beside, signer_beside
from router.verification.sigstore.proof import SignatureClaim
from router.verification.sigstore.statement import predicate_type_of

_ENVELOPE = msgspec.json.Decoder(WrittenEnvelope)
_WHAT = "an attestation"


def examine(found: AttestationLayer, who: Signatories, digest: Digest) -> Steps[CosignFinding]:
    """Say what one layer is; raises InvalidSignatureError, UntrustedSignatureError."""
    # (1) These are the bytes that the manifest names.
    if not found.digest.matches(found.body):
        raise InvalidSignatureError(f"{_WHAT} has another digest than its layer", reason=EvidenceFlaw.DIGEST_MISMATCH)
    yield
    # (2) An envelope, one signature, the right type.
    envelope = read_envelope(read_members(_ENVELOPE, found.body, _WHAT))
    # (4) It says what is wanted: the very bytes that (3) checks a signature over.
    if predicate_type_of(envelope.payload) != who.predicate_type:
        return Unendorsed.ATTESTATION
    yield
    # (3) Somebody who is trusted has signed it.
    claim = SignatureClaim(envelope.signature, envelope.signed_content, envelope.payload, stamped=found.body)
    beside = found.beside if who.identities else NOTHING_BESIDE
    opened = yield from opened_by(who, claim, signer_beside(beside), partial(material_beside, found.beside))
    if opened is None:
        return Unendorsed.STRANGER
    read_object(found.body, _WHAT)  # in one way only
    return endorsement(opened, who, digest)
