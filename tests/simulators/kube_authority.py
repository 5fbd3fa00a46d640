"""The CA of a cluster of tests, and what it vouches for."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from router.issuing import begun, common_name, signed_authority, signed_leaf, written
from router.pem import KeyPair


class Authority:
    """A CA that vouches for everybody in the cluster."""

    def __init__(self) -> None:
        self._key = _new_key()
        self._name = common_name("kubernetes")
        self.certificate = signed_authority(self._begun(self._name, self._key), self._key)

    def _begun(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return begun(subject, key, self._name, now - dt.timedelta(hours=1), now + dt.timedelta(days=2))

    def pair(self, name: str, group: str | None = None, *, hosts: Sequence[str] = ()) -> KeyPair:
        """Of a user in a group, who is a server on loopback, too, and of these names."""
        key = _new_key()
        names = [] if group is None else [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)]
        subject = x509.Name([*names, *common_name(name)])
        loopback = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        answers_for = x509.SubjectAlternativeName([*loopback, *map(x509.DNSName, hosts)])
        builder = self._begun(subject, key).add_extension(answers_for, critical=False)
        return KeyPair(signed_leaf(builder, self._key), written(key))


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())
