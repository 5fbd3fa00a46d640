"""Whom we believe that the other side is who it says: certificates of CAs, and the TLS contexts made of them."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationInfo

from router.fields import read_now, read_reference

_WHAT = "the CA file"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Who we are to a server that asks for it."""

    certificate: Path
    """The chain as PEM, leaf first."""
    key: Path
    """The unencrypted private key of the leaf."""


def authorities_in(path: Path, info: ValidationInfo) -> str | None:
    """The certificates of a CA file that the configuration names, as PEM; None without a reading context.

    Raises:
        ValueError: It can't be read, or holds no certificate; the text names it and says what to write.
    """
    content = read_reference(path, info, _WHAT)
    return None if content is None else _parsed(path, content)


def authorities_at(path: Path) -> str:
    """The same of a file that is read now; raises ValueError."""
    return _parsed(path, read_now(path, _WHAT))


def are_authorities(content: bytes) -> bool:
    """Whether these are certificates in PEM that can be read."""
    try:
        _load(content)
    except (ValueError, ssl.SSLError):
        return False
    return True


def _parsed(path: Path, content: bytes) -> str:
    try:
        return _load(content)
    except (ValueError, ssl.SSLError) as error:
        raise ValueError(
            f"{_WHAT} {str(path)!r} holds no certificate that can be read; "
            "write one or more certificates in PEM, -----BEGIN CERTIFICATE----- and so on"
        ) from error


def _load(content: bytes) -> str:
    text = content.decode("ascii")
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)  # refuses a text without any
    return text


def client_context(
    authorities: str | None = None, *, with_system: bool = False, shown: KeyPair | None = None
) -> ssl.SSLContext:
    """The context of connections to servers.

    Args:
        authorities: PEM of the only CAs that may vouch for a server; the system's where it is None.
        with_system: The system's CAs may vouch, too.
        shown: A certificate that we show.

    Raises:
        OSError: The pair can't be read or is none; ssl.SSLError is one.
        ValueError: The key is encrypted.
    """
    context = ssl.create_default_context(cadata=None if with_system else authorities)
    if with_system and authorities is not None:
        context.load_verify_locations(cadata=authorities)
    if shown is not None:
        context.load_cert_chain(shown.certificate, shown.key, password=_no_password)
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted; store it unencrypted and let file permissions protect it")
