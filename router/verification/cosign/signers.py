"""Who of those that are trusted has made one signature, whichever format it came in. Pure.

Steps:
(1) Pinned keys are tried, each in a step of its own. A certificate beside a key's signature proves nothing about it.
(2) Where none has signed and identities are trusted, the certificate that came along is read. Whom it names decides,
    before any signature is checked: by nobody who is wanted, it is a stranger's. So what strangers sign is cheap.
(3) Only then is all that came along read, and it must prove what is asked (`router.verification.sigstore.proof`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from router.steps import Steps
from router.verification.cosign.signatories import Signatories
from router.verification.keys import SignedBytes
from router.verification.scheme import Signer
from router.verification.sigstore.certificates import read_certificate
from router.verification.sigstore.identities import identity_of
from router.verification.sigstore.material import Material
from router.verification.sigstore.proof import SignatureClaim, Witnesses, certified, witnessed


@dataclass(frozen=True, slots=True)
class OpenedSignature:
    """A signature by somebody who is trusted; what was signed may now be read."""

    signer: Signer
    aliases: tuple[str, ...]
    signed: SignedBytes
    witnesses: Witnesses

    @property
    def by(self) -> str:
        """Who it was, for texts."""
        return f'key "{self.signer.name}"' if self.signer.identity is None else f'identity "{self.signer.name}"'


def opened_by(
    who: Signatories, claim: SignatureClaim, certificate: bytes | None, material: Callable[[], Material]
) -> Steps[OpenedSignature | None]:
    """Who has signed; None: nobody who is trusted.

    Args:
        who: Those who are trusted, and what is asked of their signatures.
        claim: The signature.
        certificate: The signer's, in DER; None without one.
        material: Reads what else came along; asked only where somebody who is trusted may have signed.

    Raises:
        InvalidSignatureError: The evidence contradicts itself.
        UntrustedSignatureError: It lacks something that is asked for.
    """
    by_key = yield from _by_key(who, claim, material)
    if by_key is not None or certificate is None or not who.identities:
        return by_key
    return (yield from _by_identity(who, claim, certificate, material))


def _by_key(who: Signatories, claim: SignatureClaim, material: Callable[[], Material]) -> Steps[OpenedSignature | None]:
    for entry in who.keys:
        yield
        if (signed := SignedBytes.opened(entry.key, claim.content, claim.signature)) is None:
            continue
        witnesses = Witnesses()
        if who.root is not None and (who.of_keys.log or who.of_keys.timestamp):
            logged = claim.as_logged(entry.key.der, is_certificate=False)
            witnesses = yield from witnessed(claim, logged, material(), who.root, who.of_keys)
        first, *others = entry.names
        return OpenedSignature(Signer(first, entry.key.fingerprint, None, None), tuple(others), signed, witnesses)
    return None


def _by_identity(
    who: Signatories, claim: SignatureClaim, certificate: bytes, material: Callable[[], Material]
) -> Steps[OpenedSignature | None]:
    yield
    leaf = read_certificate(certificate)
    identity = identity_of(leaf)
    names = [] if identity is None else [entry.name for entry in who.identities if entry.is_met_by(identity)]
    if identity is None or not names or who.root is None:
        return None
    yield
    signed, witnesses = yield from certified(claim, leaf, material(), who.root, who.of_identities)
    first, *others = names
    return OpenedSignature(Signer(first, None, identity.subject, identity.issuer), tuple(others), signed, witnesses)
