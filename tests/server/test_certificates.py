from __future__ import annotations

import datetime as dt
import ssl

from cryptography import x509

from router.server.certificates import new_context, self_signed
from router.tls import show

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


def test_a_self_signed_certificate_names_hosts_and_addresses() -> None:
    certificate = x509.load_pem_x509_certificate(self_signed(["localhost", "127.0.0.1", "::1"], NOW)[0])
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]


def test_a_certificate_for_trials_can_be_trusted_by_itself() -> None:
    """Its PEM is what a webhook configuration's caBundle needs."""
    pair = self_signed(["localhost"], NOW)
    show(new_context(), pair)
    client = ssl.create_default_context(cadata=pair.certificate.decode())

    assert len(client.get_ca_certs()) == 1


def test_old_protocols_are_refused() -> None:
    assert new_context().minimum_version is ssl.TLSVersion.TLSv1_2
