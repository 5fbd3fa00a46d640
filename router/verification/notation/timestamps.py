"""A timestamp over a signature of Notation: a trusted authority's word that the signature was there at a time. Pure.

Sources: Notary Project trust store and trust policy specification, "Validate Authentic Timestamp"; RFC 3161 section
2.4.2. What holds for every timestamp is in `router.verification.pki.timestamps`. Steps:

(1) A bare token, with its signer's certificate and at most 11 others. Its imprint is of these very bytes.
(2) The certificate leads by those that came along to a root of a store for timestamps; the chain keeps the rules of
    `certificates`. The root need not come along.
(3) The token's signature holds, and names the certificate by `signing-certificate-v2`: without that attribute the
    specification refuses, and SHA-1's does not suffice.
(4) The time with its accuracy, one second where the policy is the baseline and says none, lies in the validity of the
    authority's chain. The same range must lie in that of the signer's chain: whoever asks compares.
"""

from __future__ import annotations

from collections.abc import Sequence

from router.errors import InvalidSignatureError
from router.reasons import EvidenceFlaw
from router.steps import Steps
from router.verification.notation.certificates import Chain, Chains, read_certificate
from router.verification.pki.certificates import Certificate, Naming, Period
from router.verification.pki.timestamps import Stamp, read_token

_WHAT = "a timestamp of a signature"
_CHAIN_LIMIT = 6
CERTIFICATES_LIMIT = 12
"""Certificates that may come along, used or not."""
_BASELINE_POLICY = bytes.fromhex("04008f67010101")
"""0.4.0.2023.1.1, ETSI's baseline policy, encoded."""


def stamped_range(token: bytes, content: bytes, roots: Sequence[Certificate], chains: Chains) -> Steps[Period]:
    """Between which times these bytes were there, by one of these authorities.

    Args:
        token: The timestamp.
        content: What it must be of.
        roots: Whose word counts.
        chains: What was found out before of chains to these roots, and of no others.

    Raises:
        InvalidSignatureError: Nobody whom we know says that of these bytes (timestamp), or the token or one of its
            certificates can't be read or used (malformed, certificate).
    """
    stamp = read_token(token)
    if len(stamp.certificates) > CERTIFICATES_LIMIT:
        raise _wrong("brings more certificates than are looked at")
    if not stamp.is_over(content):
        raise _wrong("is of another signature")
    written = stamp.signer, stamp.certificates
    if (chain := chains.get(written)) is None:
        certificates = [read_certificate(der, "a certificate of a timestamp") for der in stamp.certificates]
        yield
        chain = chains.put(written, (yield from _chain(_named(certificates, stamp.signer), certificates, roots)))
    yield
    stamp.expect_signed_by(chain.signer, takes_sha1=False)
    around = _accuracy(stamp)
    stamped = Period(stamp.moment - around, stamp.moment + around)
    if not (chain.period.covers(stamped.begin) and chain.period.covers(stamped.end)):
        raise _wrong("was made when its authority's certificates were not valid")
    return stamped


def _accuracy(stamp: Stamp) -> float:
    if stamp.accuracy is None:
        return 1.0 if stamp.policy == _BASELINE_POLICY else 0.0
    return stamp.accuracy


def _named(certificates: Sequence[Certificate], named: Naming) -> Certificate:
    for certificate in certificates:
        if certificate.naming == named:
            return certificate
    raise _wrong("has not brought the certificate that it is signed with")


def _chain(leaf: Certificate, brought: Sequence[Certificate], roots: Sequence[Certificate]) -> Steps[Chain]:
    """From the leaf upwards to a root that is trusted, by whatever came along."""
    path = [leaf]
    while len(path) <= _CHAIN_LIMIT:
        yield
        if (root := next((entry for entry in roots if path[-1].is_issued_by(entry)), None)) is not None:
            complete = path if root.der == path[-1].der else [*path, root]
            return (yield from Chain.checked(complete, is_for_code=False))
        above = next((entry for entry in brought if entry not in path and path[-1].is_issued_by(entry)), None)
        if above is None:
            break
        path.append(above)
    raise _wrong("is by no authority that is trusted")


def _wrong(problem: str) -> InvalidSignatureError:
    return InvalidSignatureError(f"{_WHAT} {problem}", reason=EvidenceFlaw.TIMESTAMP)
