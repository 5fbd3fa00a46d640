"""cosign's signature as a Sigstore bundle, format v0.3: an in-toto statement in a DSSE envelope. Pure.

Sources: sigstore/cosign specs/BUNDLE_SPEC.md; cosign 3.1 `pkg/cosign/verify.go` (VerifyNewBundle and
`IntotoSubjectClaimVerifier`); sigstore-go `pkg/bundle`; the formats' own in `router.verification.sigstore`. Steps:

(1) The bytes of the blob are those that the manifest names (its size is bounded where it is fetched, and there the
    manifest must have exactly one layer, of the bundle's media type).
(2) It is a bundle of a known version around a DSSE envelope; a bare `messageSignature` is refused. Read for the members
    that are needed only: nobody vouches for it yet.
(3) The envelope has exactly one signature.
(4) Its payload is an in-toto statement by type, which is part of what is signed.
(5) Somebody who is trusted has signed PAE(type, payload), by key or by certificate, and what came along proves what is
    asked of the signature.
(6) `predicateType` is the one that is wanted: that of a signature, or of the attestation asked for in its place. cosign
    itself does not check this and takes an SBOM by the same key for a signature; here every other predicate is no
    evidence for or against being signed. It is compared before (5), so that others cost no signature check, and what
    is compared is what is signed.
(7) What now would count has one meaning only, the bundle and the statement both.
(8) A signature by a key is in a bundle of version 0.3, in which alone cosign makes those. Its statement is of version
    1; an attestation's may be of version 0.1.
(9) One of the statement's subjects has the digest in question, under the name of its algorithm.
(10) An attestation says what is asked (`router.verification.sigstore.conditions`).

Not checked, on purpose: key hints, the annotations of the manifest, and the empty predicate of a signature. The texts
that the subject is annotated with are the signature's annotations, which a rule may ask for.
"""

from __future__ import annotations

from functools import cache, partial

from router.errors import InvalidSignatureError, UntrustedSignatureError
from router.images import Digest
from router.reasons import Distrust, EvidenceFlaw
from router.steps import Steps
from router.verification.cosign.findings import CosignFinding, Unendorsed, endorsed
from router.verification.cosign.signatories import Signatories
from router.verification.cosign.signers import OpenedSignature, opened_by
from router.verification.evidence import SigstoreBundle
from router.verification.scheme import Endorsement
from router.verification.sigstore.bundle import Bundle, expect_one_meaning, read_bundle
from router.verification.sigstore.dsse import payload_of
from router.verification.sigstore.material import Material, material_of, signer_in
from router.verification.sigstore.proof import SignatureClaim
from router.verification.sigstore.statement import (
    OLD_STATEMENT_TYPE,
    STATEMENT_TYPE,
    predicate_type_of,
    read_statement,
)


def examine(found: SigstoreBundle, who: Signatories, digest: Digest) -> Steps[CosignFinding]:
    """Say what one bundle is; raises InvalidSignatureError, UntrustedSignatureError."""
    # (1) These are the bytes that the manifest names.
    if not found.digest.matches(found.body):
        raise InvalidSignatureError("a bundle has another digest than its layer", reason=EvidenceFlaw.DIGEST_MISMATCH)
    yield
    # (2) (3) (4) A bundle, one signature, the right type.
    bundle = yield from read_bundle(found.body)
    envelope = bundle.envelope

    whole = cache(partial(expect_one_meaning, found.body))

    def material() -> Material:
        return material_of(whole(), needs_proof=bundle.needs_proof)

    # (6) It says what is wanted: the very bytes that (5) checks a signature over.
    if predicate_type_of(envelope.payload) != who.predicate_type:
        return Unendorsed.ATTESTATION
    yield
    # (5) Somebody who is trusted has signed it.
    claim = SignatureClaim(envelope.signature, envelope.signed_content, envelope.payload)
    certificate = signer_in(found.body) if who.identities else None
    opened = yield from opened_by(who, claim, certificate, material)
    yield
    if opened is None:
        return Unendorsed.STRANGER
    # (7) It has one meaning only.
    whole()
    _expect_current(bundle, opened, who)
    return endorsement(opened, who, digest)


def endorsement(by: OpenedSignature, who: Signatories, digest: Digest) -> Endorsement:
    """What a statement by somebody who is trusted endorses (7, 8, 9); raises InvalidSignatureError."""
    # (7) The statement has one meaning only.
    statement = read_statement(payload_of(by.signed))
    # (6) As it was signed.
    if statement.predicate_type != who.predicate_type:
        raise InvalidSignatureError(f"{by.by} signed a statement of another kind", reason=EvidenceFlaw.STATEMENT_TYPE)
    # (8) Of the versions in which cosign signs and attests.
    allowed = {STATEMENT_TYPE, OLD_STATEMENT_TYPE} if who.wants_attestation else {STATEMENT_TYPE}
    if statement.type not in allowed:
        raise InvalidSignatureError(
            f"{by.by} signed a statement that is not of version 1", reason=EvidenceFlaw.STATEMENT_TYPE
        )
    # (9) It is about this digest.
    if not statement.is_about(digest):
        raise InvalidSignatureError(f"{by.by} signed another digest", reason=EvidenceFlaw.DIGEST_MISMATCH)
    # (10) It says what is asked.
    if who.where is not None and not who.where.holds_for(statement):
        raise UntrustedSignatureError(
            f"an attestation by {by.by} does not say what is asked for", reason=Distrust.CONDITION_NOT_MET
        )
    return endorsed(by, digest, statement.annotated(digest))


def _expect_current(bundle: Bundle, by: OpenedSignature, who: Signatories) -> None:
    if not bundle.is_current and by.signer.identity is None and not who.wants_attestation:
        raise InvalidSignatureError(f"a bundle by {by.by} is not of version 0.3", reason=EvidenceFlaw.MEDIA_TYPE)
