from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from router.outbound.authorities import are_authorities, authorities_at, client_context
from tests.simulators.certificates import self_signed

OURS = self_signed().certificate.decode()


def test_only_the_named_authorities_vouch_unless_the_system_s_may_too() -> None:
    alone, beside, system = client_context(OURS), client_context(OURS, with_system=True), client_context()

    assert len(alone.get_ca_certs()) == 1
    assert len(beside.get_ca_certs()) == len(system.get_ca_certs()) + 1
    assert {one.verify_mode for one in (alone, beside, system)} == {ssl.CERT_REQUIRED}
    assert alone.check_hostname
    assert beside.check_hostname


@pytest.mark.parametrize(
    "content", [b"", b"secret", b"\xff", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_file_without_a_certificate_is_told_by_its_name(content: bytes, tmp_path: Path) -> None:
    """A context without any would trust nobody, and the cause would show only when an alert fails."""
    (tmp_path / "ca.pem").write_bytes(content)

    with pytest.raises(ValueError, match=r"ca\.pem' holds no certificate that can be read"):
        authorities_at(tmp_path / "ca.pem")
    assert not are_authorities(content)
