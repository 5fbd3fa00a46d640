from __future__ import annotations

import datetime as dt
import warnings

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from router.errors import InvalidSignatureError
from router.verification.libraries import reading
from router.verification.pki.certificates import Certificate

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


def named_oddly() -> bytes:
    """A certificate from a country of ten letters, as nobody may be."""
    key = ec.generate_private_key(ec.SECP256R1())
    with warnings.catch_warnings(action="ignore"):
        name = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "clock root", _validate=False)])
        return (
            x509.CertificateBuilder(name, name, key.public_key(), 7, NOW, NOW + dt.timedelta(1))
            .sign(key, hashes.SHA256())
            .public_bytes(Encoding.DER)
        )


def test_a_name_that_nobody_may_have_is_no_line_of_the_log() -> None:
    """The library warns of each, and strangers push as many as they like."""
    with warnings.catch_warnings(record=True, action="always") as warned:
        name = Certificate.from_der(named_oddly()).issuer

    assert next(iter(name)).value == "clock root"
    assert warned == []


@pytest.mark.parametrize("error", [KeyError("no such type"), AttributeError("lazy"), OverflowError("year")])
def test_whatever_a_library_raises_of_bytes_becomes_ours(error: Exception) -> None:
    """Anything else would be a defect of ours, in the log and in the answer."""
    with pytest.raises(InvalidSignatureError, match="can't be read"), reading("a certificate"):
        raise error
