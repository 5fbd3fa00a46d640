"""Certificates and private keys as PEM, read with the configuration that names their files. Pure.

A file is read once, and what was read is what is used: two files that are renewed one after the other make no pair of
which one half is the old one.
"""

from __future__ import annotations

import codecs
import contextlib
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from cryptography import x509
from pydantic import PrivateAttr, ValidationInfo, field_validator, model_validator

from router.by_reference import RelativePath, read_reference, shown_file
from router.errors import ConfigurationError
from router.fields import SettingsModel

AUTHORITIES_LIMIT = 1024 * 1024
"""Bytes of a file of CAs: those of a system are some 220 KB, and one's own stand below them."""


class KeyPair(NamedTuple):
    """A certificate chain, leaf first, and the unencrypted private key of the leaf."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Pair(...)"


class PairSettings(SettingsModel):
    """A certificate chain and its key, in two files of PEM."""

    certificate: RelativePath
    """The chain, leaf first."""
    key: RelativePath
    """The unencrypted private key of the leaf."""
    _pair: KeyPair | None = PrivateAttr(default=None)

    @field_validator("certificate", "key")
    @classmethod
    def _is_there(cls, value: Path, info: ValidationInfo) -> Path:
        read_reference(value, info, "the file")
        return value

    @model_validator(mode="after")
    def _read(self, info: ValidationInfo) -> Self:
        certificate = read_reference(self.certificate, info, "the file")
        key = read_reference(self.key, info, "the file")
        if certificate is not None and key is not None:
            self._pair = KeyPair(certificate, key)
        return self

    @property
    def pair(self) -> KeyPair:
        """What the files hold; raises ConfigurationError where they were not read with a configuration."""
        if self._pair is None:
            raise ConfigurationError(f"{self.certificate} and {self.key} were not read")
        return self._pair


def first_certificate(pem: bytes) -> x509.Certificate:
    """The first certificate, which is the leaf of a chain; raises ValueError where it can't be read."""
    with _of_a_version():
        return x509.load_pem_x509_certificate(pem)


def all_certificates(pem: bytes) -> Sequence[x509.Certificate]:
    """Every certificate, at least one; raises ValueError where any can't be read."""
    with _of_a_version():
        return x509.load_pem_x509_certificates(pem)


@contextlib.contextmanager
def _of_a_version() -> Iterator[None]:
    try:
        yield
    except x509.InvalidVersion as error:  # which is no ValueError
        raise ValueError("a certificate of a version that there is not") from error


def dns_names(certificate: x509.Certificate) -> Sequence[str]:
    """Its DNS names; raises ValueError where its extensions can't be read."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:  # which are no ValueErrors
        raise ValueError("a certificate with extensions that can't be read") from error
    return found.get_values_for_type(x509.DNSName)


def read_authorities(path: Path, info: ValidationInfo) -> str | None:
    """The certificates of the CAs in a file that the configuration names, as PEM; None without a reading context.

    Raises:
        ValueError: It can't be read, or holds no certificate; the text names it and says what to write.
    """
    if (content := read_reference(path, info, "the CA file", AUTHORITIES_LIMIT)) is None:
        return None
    lines = content.removeprefix(codecs.BOM_UTF8).splitlines(keepends=True)
    text = b"".join(line for line in lines if line.isascii()).decode()  # the others are words between certificates
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)  # refuses a text without any
    except (ValueError, ssl.SSLError) as error:
        raise ValueError(
            f"the CA file {shown_file(path, info)} holds no certificate that can be read; "
            "write one or more certificates in PEM, -----BEGIN CERTIFICATE----- and so on"
        ) from error
    return text
