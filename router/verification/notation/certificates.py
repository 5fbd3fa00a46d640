"""Chains of certificates as the Notary Project wants them, for signing code and for timestamps. Pure.

Source: Notary Project signature specification, "Certificate Requirements"; RFC 3161 section 2.3; RFC 5280. Rules:

(1) A chain is ordered, the signer's certificate first, a self-signed root last, nothing beside it: each is issued by
    the next, by name and by signature, and none but the last is self-signed. A single certificate is signer and root.
(2) Keys are RSA's or on a curve, as in "Algorithm Selection": Ed25519 is not among them. What holds for every
    certificate is in `router.verification.pki.certificates`.
(3) An authority's basic constraints are there, critical, and say so; its path length holds for the authorities
    beneath it; its key usage is there and has keyCertSign.
(4) The signer's are no authority's; its key usage is there, has digitalSignature and none of those for encryption and
    for issuing. For code: no extended key usage for any use, TLS, mail, time stamping or OCSP. For timestamps:
    extended key usage is there, critical, and time stamping alone.
(5) Key usages of code signing are critical; for timestamps they should be, and need not.
(6) All of a chain is valid at the same moment, both ends included. Validity need not be nested.
(7) No other extension is honoured or refused: the specification says so, critical or not, so name constraints and
    policies mean nothing here. What can't be read at all is no certificate.

That certificates are a chain follows from their bytes and from the roots that a policy trusts, and from nothing else:
no time, no digest. `Chains` remembers it, so that the images of one signer do not check its authorities each time.

Trust is not said here: that one of the chain is, byte for byte, a certificate of a trust store.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from router.steps import Steps
from router.verification.pki.certificates import Certificate, Period, unfit
from router.verification.standing import Issued

CHAINS_LIMIT = 64
"""Chains that are remembered under one policy, of signers and of those who tell the time each."""
_NOT_FOR_CODE = frozenset(
    {
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.EMAIL_PROTECTION,
        ExtendedKeyUsageOID.TIME_STAMPING,
        ExtendedKeyUsageOID.OCSP_SIGNING,
    }
)


def read_certificate(der: bytes, what: str = "a certificate of a signature") -> Certificate:
    """Read one (rule 2); raises InvalidSignatureError (malformed, certificate)."""
    found = Certificate.from_der(der, what)
    if isinstance(found.key.material, ed25519.Ed25519PublicKey) or found.way is None:
        raise unfit(f"{what} has a key or a signature of a kind that is not accepted")
    return found


def expect_authority(certificate: Certificate, beneath: int, *, is_for_code: bool) -> None:
    """Check rule 3 for an authority with so many others beneath it; raises InvalidSignatureError(certificate)."""
    constraints, usage = certificate.held(x509.BasicConstraints), certificate.held(x509.KeyUsage)
    if constraints is None or not constraints.critical or not constraints.value.ca:
        raise unfit("a certificate of the chain is not that of an authority")
    if constraints.value.path_length is not None and beneath > constraints.value.path_length:
        raise unfit("an authority of the chain has more authorities beneath it than it may")
    if usage is None or not usage.value.key_cert_sign or (is_for_code and not usage.critical):
        raise unfit("an authority of the chain may not issue certificates")


def expect_signer(certificate: Certificate, *, is_for_code: bool) -> None:
    """Check rule 4; raises InvalidSignatureError(certificate)."""
    usage, extended = certificate.held(x509.KeyUsage), certificate.held(x509.ExtendedKeyUsage)
    if certificate.is_authority:
        raise unfit("the certificate of a signer is that of an authority")
    if usage is None or (is_for_code and not usage.critical) or not _is_for_signatures_only(usage.value):
        raise unfit("the certificate of a signer is not for signatures, or for other things, too")
    if is_for_code:
        if extended is not None and _NOT_FOR_CODE & set(extended.value):
            raise unfit("the certificate of a signer is for other things than signing code")
    elif extended is None or not extended.critical or list(extended.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise unfit("the certificate of a timestamp is not for timestamps alone")


@dataclass(frozen=True, slots=True)
class Chain:
    """Certificates that are a chain by all rules above, the signer's first."""

    certificates: tuple[Certificate, ...]

    @classmethod
    def checked(
        cls, certificates: Sequence[Certificate], known_roots: Collection[bytes] = (), *, is_for_code: bool = True
    ) -> Steps[Self]:
        """Check that they are one, a certificate in a step; raises InvalidSignatureError(certificate).

        Args:
            certificates: The signer's first.
            known_roots: Certificates that are known to be self-signed, in DER: that does not change.
            is_for_code: Whether they are to sign code, or else timestamps.
        """
        last = len(certificates) - 1
        for index, certificate in enumerate(certificates):
            yield
            if index == 0:
                expect_signer(certificate, is_for_code=is_for_code)
            else:
                expect_authority(certificate, index - 1, is_for_code=is_for_code)
            is_root = certificate.der in known_roots or certificate.is_self_signed
            if index == last and not is_root:
                raise unfit("the chain of a signature does not end in a root")
            if index < last:
                if not certificate.is_issued_by(certificates[index + 1]):
                    raise unfit("a certificate of the chain is not issued by the next")
                if is_root:
                    raise unfit("the chain of a signature goes on behind a root")
        return cls(tuple(certificates))

    @property
    def signer(self) -> Certificate:
        """Whose key has signed."""
        return self.certificates[0]

    @property
    def issued(self) -> tuple[Issued, ...]:
        """Each certificate with that of who issued it; not the root, which nobody else vouches for."""
        pairs = zip(self.certificates, self.certificates[1:], strict=False)
        return tuple(Issued(one.der, above.der) for one, above in pairs)

    @property
    def period(self) -> Period:
        """When all of it is valid; covers nothing where there is no such time."""
        return reduce(and_, (entry.period for entry in self.certificates))


class Chains:
    """Chains that were found to be some, by the bytes that they were read of, under one policy.

    Only what holds is remembered, and by every byte that it follows from: whoever brings other bytes is checked anew.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        """Know none."""
        self._known: dict[Hashable, Chain] = {}

    def get(self, written: Hashable) -> Chain | None:
        """The chain, where it is remembered."""
        return self._known.get(written)

    def put(self, written: Hashable, chain: Chain) -> Chain:
        """Remember that these bytes are this chain; the eldest makes room."""
        while len(self._known) >= CHAINS_LIMIT:
            self._known.pop(next(iter(self._known)), None)
        self._known[written] = chain
        return chain


def _is_for_signatures_only(usage: x509.KeyUsage) -> bool:
    others = usage.key_encipherment, usage.data_encipherment, usage.key_agreement, usage.key_cert_sign, usage.crl_sign
    return usage.digital_signature and not any(others)  # encipher_only and decipher_only want key_agreement
