"""Shows a certificate to the other side of a connection, without a file of its own.

OpenSSL takes a pair from files only. It is given one that is in memory and has no name, so that a key is never written
to a disk; where the system has none, one in a private folder that is gone afterwards.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

from router.errors import ConfigurationError
from router.pem import KeyPair


def show(context: ssl.SSLContext, pair: KeyPair) -> None:
    """Have the context show this pair.

    Raises:
        ConfigurationError: It is none: no PEM, an encrypted key, the key of another certificate, a key that is too
            weak for OpenSSL.
    """
    # PEM blocks end in a line break, which an editor may have cut.
    with _as_file(pair.key + b"\n" + pair.certificate) as path:
        try:
            context.load_cert_chain(path, password=_no_password)
        except (ValueError, ssl.SSLError) as error:
            raise ConfigurationError(f"no certificate chain and its unencrypted key (PEM): {error}") from error


def _no_password() -> str:
    raise ValueError("the key is encrypted; store it unencrypted and let file permissions protect it")


@contextlib.contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """The name of a file with this content, for as long as it is needed."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("pair", os.MFD_CLOEXEC), "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
        return
    with tempfile.TemporaryDirectory(prefix="gatecrier-") as folder:
        path = Path(folder) / "pair.pem"
        path.touch(mode=0o600)
        path.write_bytes(content)
        yield str(path)
