from __future__ import annotations

import datetime as dt
import os
import ssl
from pathlib import Path

import pytest

from router.errors import ConfigurationError
from router.pem import KeyPair
from router.server.certificates import self_signed
from router.tls import show

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


def server() -> ssl.SSLContext:
    """A context that shows nothing yet."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


@pytest.mark.parametrize("has_nameless_files", [True, False])
def test_a_key_is_written_where_nobody_finds_it(
    has_nameless_files: bool,  # noqa: FBT001 - a case
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where the system has no files without a name."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    if not has_nameless_files:
        monkeypatch.delattr(os, "memfd_create")
    show(server(), self_signed(["a"], NOW))

    assert not list(tmp_path.iterdir())


def test_a_key_of_another_certificate_is_refused() -> None:
    """While a Secret is being renewed, the pair may not fit for a moment."""
    one, other = self_signed(["a"], NOW), self_signed(["b"], NOW)

    with pytest.raises(ConfigurationError, match="no certificate chain and its unencrypted key"):
        show(server(), KeyPair(one.certificate, other.key))


def test_a_chain_without_a_line_break_at_its_end_is_one() -> None:
    """Editors cut it."""
    pair = self_signed(["a"], NOW)
    show(server(), KeyPair(pair.certificate.rstrip(), pair.key.rstrip()))
