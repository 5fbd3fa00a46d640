"""Makes certificates: what all that we sign ourselves have in common.

Each says what its key is for, and by which key it was signed (RFC 5280, 4.2.1.1 to 4.2.1.3 and 4.2.1.9): Python 3.13
takes no CA that does not.
"""

from __future__ import annotations

import datetime as dt
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import NameOID

IssuingKey: TypeAlias = (
    rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
)
"""What can sign a certificate."""


def common_name(text: str) -> x509.Name:
    """A name that is nothing but this, of which 64 characters count (X.520, ub-common-name)."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def begun(
    subject: x509.Name, key: IssuingKey, issuer: x509.Name, begins: dt.datetime, ends: dt.datetime
) -> x509.CertificateBuilder:
    """A certificate of this key, between these times; what it is for is still to be said."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def signed_authority(builder: x509.CertificateBuilder, key: IssuingKey) -> bytes:
    """The PEM of a CA that signs itself and vouches for leaves only."""
    return _signed(_of_use(builder, vouches=True), key)


def signed_leaf(builder: x509.CertificateBuilder, key: IssuingKey) -> bytes:
    """The PEM of a certificate that vouches for nobody, signed with the key of its CA."""
    by = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return _signed(_of_use(builder, vouches=False).add_extension(by, critical=False), key)


def written(key: IssuingKey) -> bytes:
    """The PEM of a private key, unencrypted."""
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _of_use(builder: x509.CertificateBuilder, *, vouches: bool) -> x509.CertificateBuilder:
    usage = x509.KeyUsage(
        digital_signature=not vouches,
        key_cert_sign=vouches,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    basic = x509.BasicConstraints(ca=vouches, path_length=0 if vouches else None)
    return builder.add_extension(basic, critical=True).add_extension(usage, critical=True)


def _signed(builder: x509.CertificateBuilder, key: IssuingKey) -> bytes:
    is_edwards = isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    return builder.sign(key, None if is_edwards else hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
