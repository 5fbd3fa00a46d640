"""Certificates for servers on loopback, made on the spot."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

_START = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
_END = dt.datetime(2099, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class SelfSigned:
    """A certificate that vouches for itself, and its key, both PEM."""

    certificate: bytes
    key: bytes

    def server_context(self, folder: Path) -> ssl.SSLContext:
        """A context for a server on 127.0.0.1; `folder` holds the files that OpenSSL wants."""
        (folder / "server.pem").write_bytes(self.certificate + self.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem")
        return context


def self_signed(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None) -> SelfSigned:
    """A certificate for 127.0.0.1, localhost and registry.test, of a P-256 key unless one is given."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    names = [
        x509.DNSName("localhost"),
        x509.DNSName("registry.test"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_START)
        .not_valid_after(_END)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return SelfSigned(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def stored(folder: Path, name: str, certificate: SelfSigned) -> Path:
    """The certificate in a file; its key lies beside it, NAME.key."""
    (folder / f"{name}.pem").write_bytes(certificate.certificate)
    (folder / f"{name}.key").write_bytes(certificate.key)
    return folder / f"{name}.pem"
