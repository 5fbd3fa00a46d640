"""Certificates of a version that there is not: libraries raise an exception of its own, and OpenSSL shows them."""

from __future__ import annotations

import ssl


def of_no_version(pem: bytes) -> bytes:
    """The certificate (PEM) as one of X.509 version 6 (RFC 5280, clause 4.1.2.1), whose signature is wrong."""
    der = ssl.PEM_cert_to_DER_cert(pem.decode())
    changed = der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05", 1)
    if changed == der:
        raise ValueError("the certificate has no version")
    return ssl.DER_cert_to_PEM_cert(changed).encode()
