"""cosign's signature as a Sigstore bundle, format v0.3: an in-toto statement in a DSSE envelope. Pure.

Sources: sigstore/cosign specs/BUNDLE_SPEC.md; cosign 3.1 `pkg/cosign/verify.go` (VerifyNewBundle and
`IntotoSubjectClaimVerifier`); sigstore-go `pkg/bundle`; the formats' own in `router.verification.sigstore`. Steps:

(1) The bytes of the blob are those that the manifest names (its size is bounded where it is fetched, and there the
    manifest must have exactly one layer, of the bundle's media type).
(2) It is a bundle of a known version around a DSSE envelope; a bare `messageSignature` is refused. Read for the members
    that are needed only: nobody vouches for it yet.
(3) The envelope has exactly one signature.
(4) Its payload is an in-toto statement by type, which is part of what is signed.
(5) A trusted key has signed PAE(type, payload). Where none has, the statement is still read, but only to tell an
    attestation from a stranger's signature: that decides between two refusals and can't prove anything.
(6) `predicateType` says that this is a signature. cosign itself does not check this and takes an SBOM by the same key
    for one; here every other predicate is an attestation, which is no evidence for or against being signed.
(7) What now would count has one meaning only, the bundle and the statement both.
(8) The bundle is of version 0.3, in which alone cosign signs images, and the statement of version 1.
(9) One of the statement's subjects has the digest in question, under the name of its algorithm.

Not checked, on purpose: key hints, certificates, log entries and timestamps (the reader of bundles says why), the
annotations of manifest and subject, and the empty predicate.
"""

from __future__ import annotations

from router.errors import InvalidSignatureError
from router.images import Digest
from router.steps import Steps
from router.verification.cosign.findings import Finding, Unendorsed, opened_by
from router.verification.evidence import SIGN_PREDICATE, Flaw, SigstoreBundle
from router.verification.keys import SignedBytes, TrustedKey, TrustedKeys
from router.verification.scheme import Endorsement
from router.verification.sigstore.bundle import Bundle, expect_one_meaning, read_bundle
from router.verification.sigstore.dsse import payload_of
from router.verification.sigstore.statement import STATEMENT_TYPE, predicate_type_of, read_statement


def examine(found: SigstoreBundle, keys: TrustedKeys, digest: Digest) -> Steps[Finding]:
    """Say what one bundle is; raises InvalidSignatureError."""
    # (1) These are the bytes that the manifest names.
    if not found.digest.matches(found.body):
        raise InvalidSignatureError("a bundle has another digest than its layer", reason=Flaw.DIGEST_MISMATCH)
    yield
    # (2) (3) (4) A bundle, one signature, the right type.
    bundle = yield from read_bundle(found.body)
    # (5) A trusted key has signed it.
    opened = yield from opened_by(keys, bundle.envelope.signed_content, bundle.envelope.signature)
    yield
    # (6) It says that it is a signature.
    if predicate_type_of(bundle.envelope.payload if opened is None else payload_of(opened[1])) != SIGN_PREDICATE:
        return Unendorsed.ATTESTATION
    if opened is None:
        return Unendorsed.STRANGER
    # (7) It has one meaning only.
    expect_one_meaning(found.body)
    return _endorsement(bundle, *opened, digest)


def _endorsement(bundle: Bundle, by: TrustedKey, signed: SignedBytes, digest: Digest) -> Endorsement:
    name = by.names[0]
    # (7) So has the statement.
    statement = read_statement(payload_of(signed))
    # (8) Of the versions in which cosign signs.
    if not bundle.is_current:
        raise InvalidSignatureError(f'a bundle by key "{name}" is not of version 0.3', reason=Flaw.MEDIA_TYPE)
    if statement.type != STATEMENT_TYPE:
        raise InvalidSignatureError(
            f'key "{name}" signed a statement that is not of version 1', reason=Flaw.STATEMENT_TYPE
        )
    # (9) It is about this digest.
    if not statement.is_about(digest):
        raise InvalidSignatureError(f'key "{name}" signed another digest', reason=Flaw.DIGEST_MISMATCH)
    return Endorsement.of_key(by, signed, digest)
