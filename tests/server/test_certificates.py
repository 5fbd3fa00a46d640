from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from router.errors import ConfigurationError
from router.server.certificates import load_files, load_pair, new_context, self_signed

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


def pair(folder: Path, name: str) -> tuple[Path, Path]:
    certificate, key = self_signed([name], NOW)
    (folder / f"{name}.crt").write_bytes(certificate)
    (folder / f"{name}.key").write_bytes(key)
    return folder / f"{name}.crt", folder / f"{name}.key"


def test_a_self_signed_certificate_names_hosts_and_addresses() -> None:
    certificate = x509.load_pem_x509_certificate(self_signed(["localhost", "127.0.0.1", "::1"], NOW)[0])
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]


def test_a_certificate_for_trials_can_be_trusted_by_itself() -> None:
    """Its PEM is what a webhook configuration's caBundle needs."""
    authority, key = self_signed(["localhost"], NOW)
    load_pair(new_context(), authority, key)
    client = ssl.create_default_context(cadata=authority.decode())

    assert len(client.get_ca_certs()) == 1


def test_files_that_fit_are_taken(tmp_path: Path) -> None:
    load_files(new_context(), *pair(tmp_path, "a"))


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    """While a Secret is being renewed, the pair may not fit for a moment."""
    certificate, _ = pair(tmp_path, "a")
    _, key = pair(tmp_path, "b")

    with pytest.raises(ConfigurationError, match=r"webhook\.tls: .*a\.crt and .*b\.key"):
        load_files(new_context(), certificate, key)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.crt"):
        load_files(new_context(), tmp_path / "none.crt", tmp_path / "none.key")


def test_old_protocols_are_refused() -> None:
    assert new_context().minimum_version is ssl.TLSVersion.TLSv1_2
