"""How replicas know each other: each is who holds the key of the webhook's certificate, and nobody else is.

All replicas of one product are given the same certificate for the webhook (a Secret that all mount), so that they have
a secret in common already, and nothing more has to be handed out, named or renewed:

(1) From that key follows an authority: a certificate of it, signed by itself, which is no more than a name for the key.
(2) Each replica makes a key of its own, and signs a certificate for it with the common one: for servers and clients
    (RFC 5280, 4.2.1.12), under the one name `NAME`, valid as long as the webhook's and an hour before: by no clock of
    ours, of which one that is ahead would make what nobody takes yet.
(3) Both sides of a connection show theirs, and each takes only what that authority has signed (TLS 1.3). The webhook's
    own certificate is not shown: it may be for servers only, and is for other names.
(4) What a replica shows is also in a file beside its outbox that only its own user can read (`keep`, `kept`), for
    commands that are run there: they have no other way to a certificate that no file of the configuration holds.
(5) Where the webhook's certificate is renewed, a replica that has the new one and one that has the old do not know each
    other until both have it: what is to be handed over waits that long.
"""

from __future__ import annotations

import datetime as dt
import ssl
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from router.errors import ConfigurationError, ReplicaError
from router.issuing import IssuingKey, begun, common_name, signed_authority, signed_leaf, written
from router.pem import KeyPair, first_certificate
from router.tls import show
from router.whole_files import write_whole

NAME = "replica.gatecrier.internal"
"""What each replica is called in its certificate; `.internal` is nobody's (ICANN, Board Resolution 2024.07.29.06)."""
_AUTHORITY = common_name("gatecrier replicas")
_HOUR = dt.timedelta(hours=1)
_EARLIEST = dt.datetime.fromtimestamp(0, dt.UTC)


@dataclass(frozen=True, slots=True)
class ReplicaIdentity:
    """What one replica shows, and whom it takes."""

    authority: str
    """PEM of the only certificate that may vouch for another replica."""
    pair: KeyPair

    def serving(self) -> ssl.SSLContext:
        """The context in which other replicas are answered."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.num_tickets = 0
        return self._closed(context)

    def asking(self) -> ssl.SSLContext:
        """The context in which another replica is asked, by the server name `NAME`."""
        return self._closed(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

    def _closed(self, context: ssl.SSLContext) -> ssl.SSLContext:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=self.authority)
        show(context, self.pair)
        return context


def identity(webhook: KeyPair) -> ReplicaIdentity:
    """A replica's identity by the webhook's certificate and key.

    Raises:
        ConfigurationError: That pair is none, or its key can sign no certificate.
    """
    try:
        known = first_certificate(webhook.certificate)
        common = serialization.load_pem_private_key(webhook.key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(f"webhook.tls: no certificate and its unencrypted key (PEM): {error}") from error
    if not isinstance(common, IssuingKey):
        raise ConfigurationError("webhook.tls: the key can sign no certificate; use an RSA, EC or Ed25519 key")
    own, ends = ec.generate_private_key(ec.SECP256R1()), known.not_valid_after_utc
    begins = min(max(known.not_valid_before_utc - _HOUR, _EARLIEST), ends)
    leaf = (
        begun(common_name(NAME), own, _AUTHORITY, begins, ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
    )
    authority = signed_authority(begun(_AUTHORITY, common, _AUTHORITY, begins, ends), common)
    return ReplicaIdentity(authority.decode(), KeyPair(signed_leaf(leaf, common), written(own)))


def keep(own: ReplicaIdentity, path: Path) -> None:
    """Put it into a file that only our user can read; raises OSError."""
    write_whole(path, msgspec.msgpack.encode(own))


def kept(path: Path) -> ReplicaIdentity:
    """What a replica has put there.

    Raises:
        ReplicaError: There is none: the replica has never run here, or may not be asked by this user.
    """
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=ReplicaIdentity)
    except (OSError, msgspec.MsgspecError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it can't be read"
        advice = "run the command where a replica runs, as its user, or at the collector itself"
        raise ReplicaError(f"{path}: {cause}; {advice}") from error
