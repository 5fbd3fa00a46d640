"""Makes a CA and a certificate that it vouches for; the CA's key is gone when this returns.

Each certificate has a CA of its own, whose key signs once. Whoever reads the Secret can then be the webhook until the
certificate ends, but can make no other certificate that the API server would believe.

The CA is valid for longer than what it vouches for, so that it is never what ends first. Both begin an hour ago: clocks
differ.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from router.errors import ConfigurationError
from router.issuing import begun, common_name, signed_authority, signed_leaf, written
from router.pem import KeyPair, all_certificates, dns_names, first_certificate
from router.tls import show

SERVING = 90 * 86400.0
"""Seconds that a certificate is valid."""
AUTHORITY = 365 * 86400.0
"""Seconds that its CA is."""
SKEW = 3600.0
"""Seconds before now at which both begin to be."""


@dataclass(frozen=True)
class HeldCertificate:
    """A certificate, its key, and the CA that vouches for it."""

    pair: KeyPair
    authority: bytes
    """PEM."""

    @cached_property
    def mark(self) -> str:
        """What it is known by: of the SHA-256 of its certificate."""
        return mark_of(self.pair.certificate)

    @cached_property
    def validity(self) -> tuple[float, float]:
        """From when to when both are valid, in Unix time; raises ValueError where one is no certificate."""
        both = [first_certificate(pem) for pem in (self.pair.certificate, self.authority)]
        return (
            max(one.not_valid_before_utc.timestamp() for one in both),
            min(one.not_valid_after_utc.timestamp() for one in both),
        )

    def check(self) -> None:
        """Raise ValueError where the CA does not vouch for it, the key is another's, or no server can show it."""
        certificate = first_certificate(self.pair.certificate)
        authority, *_ = all_certificates(self.authority)
        try:
            certificate.verify_directly_issued_by(authority)
            key = serialization.load_pem_private_key(self.pair.key, None)
            is_its_own = key.public_key() == certificate.public_key()
        except (InvalidSignature, TypeError, UnsupportedAlgorithm) as error:
            raise ValueError("the CA has not signed this certificate, or there is no key") from error
        if not is_its_own:
            raise ValueError("the key is that of another certificate")
        try:
            show(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.pair)
        except ConfigurationError as error:
            raise ValueError(str(error)) from error

    def is_for(self, hosts: Sequence[str]) -> bool:
        """Whether somebody who calls one of these names can believe it, whichever it is."""
        return all({host, f"*.{host.partition('.')[2]}"} & self._names for host in hosts)

    @cached_property
    def _names(self) -> frozenset[str]:
        try:
            return frozenset(name.lower() for name in dns_names(first_certificate(self.pair.certificate)))
        except ValueError:
            return frozenset()


def mark_of(certificate: bytes) -> str:
    """What a certificate (PEM) is known by."""
    return hashlib.sha256(certificate.strip()).hexdigest()[:32]


def make(names: Sequence[str], now: float, serving: float = SERVING, skew: float = SKEW) -> HeldCertificate:
    """A certificate for a server of these DNS names.

    Args:
        names: They.
        now: Unix time.
        serving: Seconds that it is valid.
        skew: Seconds before now at which it begins to be.
    """
    begins, ends, authority_ends = (
        dt.datetime.fromtimestamp(int(at), dt.UTC) for at in (now - skew, now + serving, now + max(AUTHORITY, serving))
    )
    key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    subject = common_name("gatecrier webhook CA")
    certificate = (
        begun(common_name(names[0]), leaf_key, subject, begins, ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    authority = signed_authority(begun(subject, key, subject, begins, authority_ends), key)
    return HeldCertificate(KeyPair(signed_leaf(certificate, key), written(leaf_key)), authority)
