"""Signed certificate timestamps: a certificate log's promise that a certificate is there for everybody to see. Pure.

Sources: RFC 6962 sections 3.2 and 3.3 (version 1, precertificates); sigstore client specification, "Certificate".

Rules:
(1) The list stands in the certificate (embedded). What was signed is the certificate without the list, and the SHA-256
    of its issuer's key, so that a promise about another certificate, or another issuer's, is none.
(2) A log is trusted for the time that the trust root says; the promise must have been made within it.
(3) One promise by one trusted log suffices. Promises by logs that nobody here knows prove nothing and harm nothing; a
    wrong one by a known log is no promise.
"""

from __future__ import annotations

import calendar
import hashlib
import struct
from collections.abc import Mapping

from cryptography import x509

from router.verification.libraries import reading
from router.verification.pki.certificates import Certificate
from router.verification.sigstore.logs import Log

SCT_LIMIT = 8
"""Promises in one certificate that are looked at: Fulcio's have one."""
_PRECERTIFICATE = 1


def is_logged(certificate: Certificate, issuer: Certificate, logs: Mapping[bytes, Log]) -> bool:
    """Whether a trusted log has promised to hold this certificate by this issuer.

    Raises:
        InvalidSignatureError: A promise can't be read (malformed).
    """
    with reading("a promise of a certificate log"):  # the library reads each member when it is asked for
        for promise in _promises(certificate)[:SCT_LIMIT]:
            log = logs.get(promise.log_id)
            if log is None or promise.version is not x509.certificate_transparency.Version.v1:
                continue
            made = calendar.timegm(promise.timestamp.utctimetuple()) * 1000 + promise.timestamp.microsecond // 1000
            if log.period.covers(made / 1000) and log.key.has_signed(
                _signed_content(certificate, issuer, promise, made), promise.signature
            ):
                return True
    return False


def _promises(certificate: Certificate) -> list[x509.certificate_transparency.SignedCertificateTimestamp]:
    for entry in certificate.extensions:
        if isinstance(entry.value, x509.PrecertificateSignedCertificateTimestamps):
            return list(entry.value)
    return []


def _signed_content(
    certificate: Certificate,
    issuer: Certificate,
    promise: x509.certificate_transparency.SignedCertificateTimestamp,
    made: int,
) -> bytes:
    """RFC 6962 section 3.2, `digitally-signed struct`, for an entry of a precertificate."""
    body = certificate.parsed.tbs_precertificate_bytes
    head = (
        struct.pack(">BBQH", 0, 0, made, _PRECERTIFICATE)
        + hashlib.sha256(issuer.key.der).digest()
        + len(body).to_bytes(3, "big")
    )
    return head + body + struct.pack(">H", len(promise.extension_bytes)) + promise.extension_bytes
