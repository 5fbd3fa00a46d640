"""What one envelope of Notation proves about a digest. Pure.

Source: Notary Project trust store and trust policy specification, "Signature Verification, Steps". In this order, cheap
before dear; what the policy's level does not bind is left out (`trust`):

(1) The bytes are those that the manifest names, and an envelope.
(2) Some certificate of the chain is one of a trust store, byte for byte. Else it is a stranger's, and nothing more is
    done for it: anybody can push those.
(3) The key of the first certificate has signed header and payload, by its one algorithm.
(4) The header is understood as a whole; unknown critical attributes are refused.
(5) The payload names the digest in question.
(6) The chain keeps the rules for signing code. It leads to a store of the type that the signing scheme asks for.
(7) The signer's subject is one of the identities.
(8) The signature has not expired.
(9) The chain was valid when it was used: at the authentic time that a signing authority has signed; or in the range of
    a timestamp, where there is a store for timestamps and one is asked for; or else now. A timestamp that is not asked
    for is not looked at.

(10) Where the policy asks for it, every certificate of the chain must still stand by whoever issued it. That is asked
    by whoever does I/O, of what is named here; of the chains of timestamps it is not asked.

Not checked are the descriptor's size and media type (`payload` says why). A proof is good until the
first end that it was found to depend on: that of the signature, or that of a certificate that counts as of now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509

from router.errors import InvalidSignatureError, UntrustedSignatureError
from router.images import Digest
from router.reasons import EvidenceFlaw
from router.steps import Steps
from router.verification.evidence import NotationEnvelope
from router.verification.keys import SignedBytes
from router.verification.notation.algorithms import SigningKey
from router.verification.notation.attributes import Attributes, SigningScheme, read_attributes
from router.verification.notation.certificates import Chain, read_certificate
from router.verification.notation.envelopes import UncheckedEnvelope, expect_one_meaning, read_envelope
from router.verification.notation.payload import Target, read_target
from router.verification.notation.timestamps import stamped_range
from router.verification.notation.trust import Check, NotationPolicy, StoreType, Timestamps, subject_text
from router.verification.pki.certificates import Certificate
from router.verification.scheme import Endorsement, Signer
from router.verification.sigstore.proof import Witnesses
from router.verification.standing import Issued

_STORES = {SigningScheme.X509: StoreType.CA, SigningScheme.SIGNING_AUTHORITY: StoreType.SIGNING_AUTHORITY}
_UNKNOWN = "unknown"
"""What a signer is called whom no store vouches for, where authenticity does not bind."""


@dataclass(frozen=True, slots=True)
class _Opened:
    """An envelope that its own first certificate has signed, about the digest in question."""

    envelope: UncheckedEnvelope
    signed: SignedBytes
    leaf: Certificate
    subject: x509.Name
    attributes: Attributes
    target: Target


@dataclass(frozen=True, slots=True)
class _Times:
    """Until when an envelope counts, and since when it is proven to be there, in Unix time in seconds."""

    until: float | None
    """None: for as long as its signer is trusted."""
    proven: tuple[float, ...] = ()
    """By a signing authority, or by a timestamp: the end of its range."""


@dataclass(frozen=True, slots=True)
class NotationProof:
    """What an envelope proves, if all of the certificates still stand that are to be asked about (10)."""

    endorsement: Endorsement
    asks: tuple[Issued, ...] = ()


def examine(piece: NotationEnvelope, policy: NotationPolicy, digest: Digest, now: float) -> Steps[NotationProof | None]:
    """Say what one envelope is; None: no store vouches for its signer. `now` is Unix time in seconds.

    Raises:
        InvalidSignatureError: It is broken, about another digest, or not of a time that counts.
        UntrustedSignatureError: A store vouches for its signer, who is none of the identities.
    """
    # (1) These bytes, an envelope.
    if not piece.digest.matches(piece.body):
        raise InvalidSignatureError(
            "an envelope has another digest than its layer", reason=EvidenceFlaw.DIGEST_MISMATCH
        )
    envelope = read_envelope(piece.media_type, piece.body)
    yield
    # (2) Somebody whom we know has something to do with it.
    is_authentic = Check.AUTHENTICITY in policy.binding
    if is_authentic and not any(policy.names_of(type_, envelope.chain) for type_ in _STORES.values()):
        return None
    # (3) (4) (5) Integrity.
    known = policy.signing_chains.get(envelope.chain)
    opened = _opened(envelope, digest, read_certificate(envelope.chain[0]) if known is None else known.signer)
    yield
    # (6) (7) Authenticity.
    needs_chain = {Check.AUTHENTICITY, Check.AUTHENTIC_TIMESTAMP, Check.REVOCATION}
    chain = yield from _chain(opened, policy, is_checked=not needs_chain.isdisjoint(policy.binding))
    names = policy.names_of(_STORES[opened.attributes.scheme], envelope.chain)
    if is_authentic and not names:
        return None
    if is_authentic and not policy.identities.include(opened.subject):
        raise UntrustedSignatureError(
            "a trust store vouches for a signer whose subject is none of the identities that are trusted"
        )
    # Nobody has signed the envelope itself, but what counts is read in one way only.
    expect_one_meaning(envelope.media_type, piece.body)
    # (8) (9) Times.
    times = yield from _times(opened, chain, policy, now)
    asks = chain.issued if Check.REVOCATION in policy.binding else ()  # (10)
    return NotationProof(_endorsement(opened, names, policy, times), asks)


def _times(opened: _Opened, chain: Chain, policy: NotationPolicy, now: float) -> Steps[_Times]:
    """Check the times (8) (9)."""
    end = _unexpired(opened.attributes, now) if Check.EXPIRY in policy.binding else None
    if Check.AUTHENTIC_TIMESTAMP not in policy.binding:
        return _Times(end)
    used = yield from _time_of_use(opened, chain, policy, now)
    return _Times(min((one for one in (end, used.until) if one is not None), default=None), used.proven)


def _endorsement(opened: _Opened, names: Sequence[str], policy: NotationPolicy, times: _Times) -> Endorsement:
    first, *others = names or (_UNKNOWN,)
    who = subject_text(opened.subject)
    return Endorsement(
        Signer(first, None, who, _issuer(opened, policy)),
        opened.signed,
        opened.target.digest,
        (*others, who),
        opened.target.annotations,
        Witnesses(times.proven),
        times.until,
    )


def _issuer(opened: _Opened, policy: NotationPolicy) -> str:
    above = opened.envelope.chain[1:2]
    known = policy.names.get(above[0]) if above else None
    return subject_text(opened.leaf.issuer) if known is None else known


def _opened(envelope: UncheckedEnvelope, digest: Digest, leaf: Certificate) -> _Opened:
    key = SigningKey.of(leaf.key)
    if (signed := SignedBytes.opened(key, envelope.content, envelope.signature)) is None:
        raise InvalidSignatureError(
            "a certificate came along that has not signed what it is said to", reason=EvidenceFlaw.SIGNATURE
        )
    statement = envelope.opened(signed)
    attributes = read_attributes(statement, envelope.media_type, key.algorithm)
    target = read_target(statement)
    if target.digest != digest:
        raise InvalidSignatureError(
            f"a signature of Notation is about another digest, {target.digest}", reason=EvidenceFlaw.DIGEST_MISMATCH
        )
    return _Opened(envelope, signed, leaf, leaf.subject, attributes, target)


def _chain(opened: _Opened, policy: NotationPolicy, *, is_checked: bool) -> Steps[Chain]:
    if not is_checked:
        return Chain((opened.leaf,))
    written = opened.envelope.chain
    if (known := policy.signing_chains.get(written)) is not None:
        return known
    others = [policy.known.get(der) or read_certificate(der) for der in written[1:]]
    chain = yield from Chain.checked((opened.leaf, *others), policy.roots)
    return policy.signing_chains.put(written, chain)


def _unexpired(attributes: Attributes, now: float) -> float | None:
    if attributes.expiry is not None and now >= attributes.expiry:
        raise InvalidSignatureError(
            "a signature has expired: its signer gave it an end, which has passed", reason=EvidenceFlaw.EXPIRED
        )
    return attributes.expiry


def _time_of_use(opened: _Opened, chain: Chain, policy: NotationPolicy, now: float) -> Steps[_Times]:
    """Check that the chain was valid when it was used (9)."""
    valid = chain.period
    if (moment := opened.attributes.authentic_time) is not None:
        if not valid.covers(moment):
            raise _out_of_time("when its authority says that it signed")
        return _Times(None, (moment,))
    asked = policy.timestamps is Timestamps.ALWAYS or now > valid.end
    if not policy.clocks or not asked:
        if not valid.covers(now):
            raise _out_of_time("now, and no timestamp says when it signed")
        return _Times(valid.end)
    if opened.envelope.timestamp is None:
        raise InvalidSignatureError("a signature has no timestamp, and one is wanted", reason=EvidenceFlaw.TIMESTAMP)
    stamped = yield from stamped_range(
        opened.envelope.timestamp, opened.envelope.signature, policy.clocks, policy.timing_chains
    )
    if not (valid.covers(stamped.begin) and valid.covers(stamped.end)):
        raise _out_of_time("at the time of its timestamp")
    return _Times(None, (stamped.end,))


def _out_of_time(when: str) -> InvalidSignatureError:
    return InvalidSignatureError(f"the certificates of a signature were not valid {when}", reason=EvidenceFlaw.TIME)
