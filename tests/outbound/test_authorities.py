from __future__ import annotations

import ssl

from router.outbound.authorities import client_context
from tests.simulators.certificates import self_signed

OURS = self_signed().certificate.decode()


def test_only_the_named_authorities_vouch_unless_the_system_s_may_too() -> None:
    alone, beside, system = client_context(OURS), client_context(OURS, with_system=True), client_context()

    assert len(alone.get_ca_certs()) == 1
    assert len(beside.get_ca_certs()) == len(system.get_ca_certs()) + 1
    assert {one.verify_mode for one in (alone, beside, system)} == {ssl.CERT_REQUIRED}
    assert alone.check_hostname
    assert beside.check_hostname
