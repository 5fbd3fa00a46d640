"""The TLS context of the webhook, and a certificate for trials where no other is given.

Rules:
(1) TLS 1.2 or newer; the API server speaks 1.3.
(2) A context is made once and never changed: who is trusted could only be added to. A changed pair makes a new one,
    for new handshakes; a pair that does not fit is an error and the old context stays.
(3) TLS 1.3 gives no tickets: nothing is resumed, neither in another context nor in the same.
(4) A self-signed certificate is for trials: it lives in memory only.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from router.pem import KeyPair, first_certificate

SELF_SIGNED_DAYS = 365
SOON = 14 * 86400.0
"""Seconds before its end at which a certificate should have been renewed, or a fifth of its life where that is less."""


@dataclass(frozen=True, slots=True)
class Validity:
    """From when to when a certificate is valid, in seconds since 1970."""

    begins: float
    ends: float

    def ending(self, now: float) -> float | None:
        """Its end where that is near or past, else None."""
        return self.ends if now >= self.ends - min(SOON, (self.ends - self.begins) / 5) else None


def validity(chain: bytes) -> Validity:
    """Of the first certificate of a chain in PEM; raises ValueError where there is none."""
    leaf = first_certificate(chain)
    return Validity(leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp())


def self_signed(names: Iterable[str], now: dt.datetime) -> KeyPair:
    """A pair for these DNS names and addresses, valid from an hour before `now`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gatecrier (self-signed, for trials)")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=SELF_SIGNED_DAYS))
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return KeyPair(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def new_context() -> ssl.SSLContext:
    """A server context without a certificate yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.num_tickets = 0
    return context
