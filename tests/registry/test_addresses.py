from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import ForbiddenAddressError
from router.registry.addresses import GuardedResolver, is_forbidden, is_forbidden_literal, refuse_literal

IPV4 = st.ip_addresses(v=4) | st.ip_addresses(network="169.254.0.0/16") | st.ip_addresses(network="10.0.0.0/8")
FORBIDDEN = ["169.254.169.254", "169.254.0.1", "100.100.100.200", "168.63.129.16", "0.0.0.0", "224.0.0.1"]  # noqa: S104 - an address that is refused
FORBIDDEN += ["255.255.255.255", "240.0.0.1", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "fd00:ec2::254%1", "::"]
FORBIDDEN += ["ff02::1", "::ffff:169.254.169.254", "::169.254.169.254", "2002:a9fe:a9fe::1", "64:ff9b::a9fe:a9fe"]
ALLOWED = ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "fd00::1", "93.184.216.34"]
ALLOWED += ["2606:4700::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"]


@pytest.mark.parametrize("host", [*FORBIDDEN, "[::]", "[fe80::1]"])
def test_these_addresses_are_never_connected_to(host: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        refuse_literal(host)


@pytest.mark.parametrize("host", [*ALLOWED, "registry.example", "", "localhost", "1.2.3"])
def test_registries_may_live_here(host: str) -> None:
    refuse_literal(host)

    assert not is_forbidden_literal(host)


@given(IPV4)
def test_an_embedded_address_is_judged_as_itself(address: ipaddress.IPv4Address) -> None:
    expected = is_forbidden(address)

    for prefix in ("::ffff:0:0", "64:ff9b::"):
        assert is_forbidden(ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | int(address))) == expected


@given(st.text(max_size=30) | st.ip_addresses().map(str))
def test_no_host_crashes_the_guard(host: str) -> None:
    assert is_forbidden_literal(host) in {True, False}


async def test_localhost_resolves_to_loopback() -> None:
    resolver = GuardedResolver()

    found = await resolver.resolve("localhost", 5000, socket.AF_INET)
    await resolver.close()

    assert [(one["hostname"], one["host"], one["port"]) for one in found] == [("localhost", "127.0.0.1", 5000)]


async def test_a_label_that_dns_can_not_hold_is_no_such_name() -> None:
    resolver = GuardedResolver()

    with pytest.raises(socket.gaierror) as caught:
        await resolver.resolve(f"{'a' * 64}.example")
    await resolver.close()

    assert caught.value.errno == socket.EAI_NONAME
