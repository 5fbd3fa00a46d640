"""What a client is shown at the door, and whose clients are let in.

Rules:
(1) A client's certificate is asked for only where `webhook.clients` says so. Then the handshake fails without one, with
    one that no CA of that file has issued (the system's CAs count for nothing), with one whose time is over or has not
    come, and with one whose extended key usage is there and lacks clientAuth (RFC 5280, 4.2.1.12: where it is absent,
    it restricts nothing). A CA of the file need not be a root.
(2) Names are equal or they are not: the common name as written, a DNS name of the subject alternative names in any
    case. There are no wildcards. More than one common name is none: nobody could say which is meant.
(3) What (2) refuses has a connection: it is answered 403. Refusing in the handshake would leave the operator of the API
    server without a word, and names are for telling apart clients of one CA.
(4) This is looked at once, when the connection begins, the certificate's time too: TLS 1.2 may resume a session without
    looking at the certificate again. TLS 1.3 resumes nothing (no tickets are given), and no context resumes what
    another has begun, so that new settings hold for every new connection.
"""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from router.errors import ConfigurationError
from router.pem import dns_names
from router.text import listed, shown

_SHOWN = 5
"""Names of a refused certificate that are told."""


@dataclass(frozen=True, slots=True)
class Clients:
    """Whose certificates are let in."""

    authority: str
    """PEM of the CAs."""
    names: frozenset[str] | None = None
    """None: any certificate of these CAs."""

    def refusal(self, certificate: bytes | None, now: dt.datetime) -> str:
        """Why the holder of this certificate (DER) is not answered; empty where it is."""
        if certificate is None:
            return "there is no client certificate"
        try:
            read = x509.load_der_x509_certificate(certificate)
            if not read.not_valid_before_utc <= now <= read.not_valid_after_utc:
                return "the client certificate is not valid at this time"
            common, dns = _names(read)
        except (ValueError, x509.InvalidVersion):
            return "the client certificate can't be read"
        if self.names is None or self.names & set(common):
            return ""
        if {name.lower() for name in self.names} & {name.lower() for name in dns}:
            return ""
        names = listed([shown(name, 100) for name in (*common, *dns)], _SHOWN) or "none"
        return f"the names of the client certificate ({names}) are not among webhook.clients.names"


def _names(certificate: x509.Certificate) -> tuple[Sequence[str], Sequence[str]]:
    """The common name, if there is exactly one, and the DNS names."""
    common = [str(found.value) for found in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return common if len(common) == 1 else [], dns_names(certificate)


@dataclass(frozen=True, slots=True)
class Entrance:
    """The door of one configuration: its certificate is shown, its clients are let in."""

    context: ssl.SSLContext
    clients: Clients | None = None

    def refusal(self, client: ssl.SSLObject) -> str:
        """Why this client is not answered although its handshake has succeeded; empty where it is."""
        if self.clients is None:
            return ""
        return self.clients.refusal(client.getpeercert(binary_form=True), dt.datetime.now(dt.UTC))


def asking(context: ssl.SSLContext, clients: Clients | None) -> Entrance:
    """An entrance that asks for these clients' certificates; `context` already has the certificate that is shown.

    Raises:
        ConfigurationError: The CA is none.
    """
    if clients is not None:
        try:
            context.load_verify_locations(cadata=clients.authority)
        except (ValueError, ssl.SSLError) as error:
            raise ConfigurationError(f"webhook.clients.ca: holds no certificate that can be read: {error}") from error
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return Entrance(context, clients)
