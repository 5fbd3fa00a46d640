from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.destinations.egress import Address, EgressGuard, EgressResolver, EgressSettings
from router.errors import ForbiddenAddressError
from tests.simulators.names import know

EVERYTHING = EgressGuard(EgressSettings.model_validate({"allow": ["0.0.0.0/0", "::/0"]}))
NOTHING = EgressGuard(EgressSettings())
NEVER = st.sampled_from(["169.254.0.0/16", "fe80::/10", "224.0.0.0/4"]).flatmap(
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
        ("169.254.169.254", ["0.0.0.0/0"], False),
        ("fd00:ec2::254", ["::/0"], False),
        ("::ffff:10.0.0.1", [], False),
        ("::ffff:169.254.169.254", ["::/0", "0.0.0.0/0"], False),
        ("fe80::1", ["::/0"], False),
        ("64:ff9b::a00:1", [], False),
        ("64:ff9b::a00:1", ["10.0.0.0/8"], True),
        ("64:ff9b::a9fe:a9fe", ["::/0", "0.0.0.0/0"], False),
        ("2002:a00:1::", ["::/0"], False),
        ("2002:808:808::", [], True),
        ("100.64.0.1", [], False),
        ("siem.example", [], True),
    ],
)
def test_events_go_only_where_they_may(address: str, allow: list[str], is_allowed: bool) -> None:  # noqa: FBT001 - a case
    guard = EgressGuard(EgressSettings.model_validate({"allow": allow}))
    if is_allowed:
        guard.check(address)
        return
    with pytest.raises(ForbiddenAddressError, match=r"egress\.allow"):
        guard.check(address)


@given(NEVER)
def test_no_setting_opens_the_way_to_metadata(address: Address) -> None:
    assert not EVERYTHING.allows(address)


@given(st.ip_addresses(v=4), st.lists(st.ip_addresses(v=4).map(lambda base: f"{base}/32"), max_size=3))
def test_an_address_in_the_clothes_of_ipv6_is_judged_as_itself(
    address: ipaddress.IPv4Address, allow: list[str]
) -> None:
    guard = EgressGuard(EgressSettings.model_validate({"allow": allow}))
    six_to_four = ipaddress.IPv6Address((0x2002 << 112) | int(address) << 80)
    clothed = [ipaddress.ip_address(f"::ffff:{address}"), ipaddress.ip_address(f"64:ff9b::{address}"), six_to_four]

    assert {guard.allows(one) for one in clothed} == {guard.allows(address)}


@pytest.mark.parametrize(
    ("found", "is_reached"),
    [(["8.8.8.8"], True), (["8.8.8.8", "10.0.0.1"], False), (["169.254.169.254"], False), (["127.0.0.1"], False)],
)
async def test_a_name_is_reached_where_all_its_addresses_may_be(
    found: list[str],
    is_reached: bool,  # noqa: FBT001 - a case
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One address that leads inside is enough for whoever owns the name."""
    know(monkeypatch, {"siem.example": found})
    resolver = EgressResolver(NOTHING)

    if is_reached:
        assert [entry["host"] for entry in await resolver.resolve("siem.example", 443)] == found
    else:
        with pytest.raises(ForbiddenAddressError):
            await resolver.resolve("siem.example", 443)
    await resolver.close()
