from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.destinations.egress import EgressSettings
from router.errors import ForbiddenAddressError
from router.outbound.addresses import Address

EVERYTHING = EgressSettings.model_validate({"allow": ["0.0.0.0/0", "::/0"]}).guard()
NEVER = st.sampled_from(["169.254.0.0/16", "fe80::/10", "224.0.0.0/4", "fec0::/10", "fd00:ec2::/32"]).flatmap(
    lambda network: st.ip_addresses(network=network)
)


@pytest.mark.parametrize(
    ("address", "allow", "is_allowed"),
    [
        ("8.8.8.8", [], True),
        ("10.1.2.3", [], False),
        ("10.1.2.3", ["10.0.0.0/8"], True),
        ("127.0.0.1", [], False),
        ("::1", ["::1/128"], True),
        ("[fd00::1]", ["fd00::/8"], True),
        ("::ffff:10.0.0.1", [], False),
        ("::10.0.0.1", [], False),
        ("::ffff:0:10.0.0.1", [], False),
        ("::ffff:0:10.0.0.1", ["10.0.0.0/8"], True),
        ("64:ff9b::a00:1", [], False),
        ("64:ff9b::a00:1", ["10.0.0.0/8"], True),
        ("2002:a00:1::", ["::/0"], False),
        ("2002:808:808::", [], True),
        ("2001:0:808:808::f7f7:f7f7", ["2001::/32"], True),
        ("2001:0:808:808::f5ff:fffe", ["2001::/32"], False),
        ("2001:0:a00:1::f7f7:f7f7", ["2001::/32"], False),
        ("2606:4700::5efe:10.0.0.1", [], False),
        ("2606:4700::200:5efe:10.0.0.1", [], False),
        ("fd00::5efe:8.8.8.8", [], False),
        ("100.64.0.1", [], False),
        ("siem.example", [], True),
    ],
)
def test_events_go_only_where_they_may(address: str, allow: list[str], is_allowed: bool) -> None:  # noqa: FBT001 - a case
    guard = EgressSettings.model_validate({"allow": allow}).guard()
    if is_allowed:
        guard.check(address)
        return
    with pytest.raises(ForbiddenAddressError, match=r"egress\.allow"):
        guard.check(address)


@given(NEVER)
def test_no_setting_opens_the_way_to_metadata(address: Address) -> None:
    assert not EVERYTHING.allows(address)
    with pytest.raises(ForbiddenAddressError, match="never connected to"):
        EVERYTHING.check(str(address))


@given(st.ip_addresses(v=4), st.lists(st.ip_addresses(v=4).map(lambda base: f"{base}/32"), max_size=3))
def test_an_address_in_the_clothes_of_ipv6_is_judged_as_itself(
    address: ipaddress.IPv4Address, allow: list[str]
) -> None:
    guard = EgressSettings.model_validate({"allow": allow}).guard()
    six_to_four = ipaddress.IPv6Address((0x2002 << 112) | int(address) << 80)
    forms = (f"::ffff:{address}", f"64:ff9b::{address}", f"::ffff:0:{address}")
    clothed = [*map(ipaddress.ip_address, forms), six_to_four]

    assert {guard.allows(one) for one in clothed} == {guard.allows(address)}
