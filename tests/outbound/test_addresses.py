from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import ForbiddenAddressError
from router.outbound.addresses import AddressGuard, address_of, is_forbidden

IPV4 = st.ip_addresses(v=4) | st.ip_addresses(network="169.254.0.0/16") | st.ip_addresses(network="10.0.0.0/8")
GUARD = AddressGuard()
FORBIDDEN = ["169.254.169.254", "169.254.0.1", "100.100.100.200", "168.63.129.16", "0.0.0.0", "224.0.0.1"]  # noqa: S104 - an address that is refused
FORBIDDEN += ["255.255.255.255", "240.0.0.1", "0.0.0.1", "fe80::1", "fe80::1%eth0", "::", "ff02::1", "fec0::1"]
FORBIDDEN += ["fd00:ec2::254", "fd00:ec2::254%1", "fd00:ec2::253", "fd00:ec2::23", "fd20:ce::254", "fd00:c1::a9fe:a9fe"]
FORBIDDEN += ["fd00:42::42", "fd00:a9fe:a9fe::1", "fd00:100::100:200"]
FORBIDDEN += ["::ffff:169.254.169.254", "::169.254.169.254", "::ffff:0:169.254.169.254", "2002:a9fe:a9fe::1"]
FORBIDDEN += ["64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "64:ff9b:1:a9fe:a9:fe00::", "::1:0:0:1"]
FORBIDDEN += [
    "2001:0:a9fe:a9fe::1",
    "2001:0:808:808::5601:5601",
    "2606:4700::5efe:a9fe:a9fe",
    "fd00::200:5efe:a9fe:a9fe",
]
ALLOWED = ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "fd00::1", "93.184.216.34"]
ALLOWED += ["2606:4700::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "::ffff:0:10.0.0.1", "2002:808:808::1"]
MISREAD = ["2130706433", "0177.0.0.1", "127.1", "0x7f.1", "0x7F000001", "0X7f.1", "127.0.0.1.", "127.1.", "1.2.3", "0x"]
MISREAD += ["256.0.0.1", "1.2.3.4.5", "01.2.3.4", "a.127.1", "registry.0x1", "127.0.0.0x1"]
NO_NAMES = [
    "",
    ".",
    "a..b",
    "%31%32%37.1",
    "127%2e1",
    "a b",
    "fd00::1%" + "x" * 250,
    "a/b",
    "a@b",
    "x" * 64,
    ".".join(["x" * 60] * 5),
    "::x",
]
NO_NAMES += [
    "fd00::1%" + "x" * 250,
    "[::1",
    "\N{FULLWIDTH DIGIT ONE}27.1",
    "\N{LATIN SMALL LETTER O WITH DIAERESIS}.example",
]


@pytest.mark.parametrize("host", [*FORBIDDEN, "[::]", "[fe80::1]"])
def test_these_addresses_are_never_connected_to(host: str) -> None:
    with pytest.raises(ForbiddenAddressError, match="never connected to"):
        GUARD.check(host)


@pytest.mark.parametrize(
    "host", [*ALLOWED, "[::1]", "registry.example", "registry.example.", "localhost", "a_b.c", "1a"]
)
def test_registries_may_live_here(host: str) -> None:
    GUARD.check(host)


@pytest.mark.parametrize("host", MISREAD)
def test_a_number_that_only_some_read_as_an_address_is_no_host(host: str) -> None:
    """Resolvers and proxies take it for the address of loopback or of metadata, each in its own way."""
    with pytest.raises(ValueError, match="four numbers"):
        address_of(host)
    with pytest.raises(ForbiddenAddressError):
        GUARD.check(host)


@pytest.mark.parametrize("host", NO_NAMES)
def test_what_dns_can_not_hold_is_no_host(host: str) -> None:
    """What reads it last, such as a proxy, may find an address in it that we have not seen."""
    with pytest.raises(ValueError, match=r"DNS|IPv6|expected|segment|part|[Aa]t|Only"):
        address_of(host)


@given(IPV4)
def test_an_embedded_address_is_judged_as_itself(address: ipaddress.IPv4Address) -> None:
    low, expected = int(address), is_forbidden(address)
    forms = [int(ipaddress.IPv6Address(prefix)) | low for prefix in ("::ffff:0:0", "64:ff9b::", "::ffff:0:0:0")]

    for form in [*forms, (0x2002 << 112) | low << 80]:
        assert is_forbidden(ipaddress.IPv6Address(form)) == expected


@given(IPV4)
def test_an_address_that_carries_a_forbidden_one_is_forbidden(address: ipaddress.IPv4Address) -> None:
    """Teredo carries its server and, with all bits turned, its client; ISATAP any, in the last half."""
    low, expected = int(address), is_forbidden(address)
    good, turned = int(ipaddress.IPv4Address("8.8.8.8")), 0xFFFF_FFFF
    teredo, isatap = 0x2001_0000 << 96, 0x2606_4700 << 96 | 0x5EFE << 32
    forms = [teredo | low << 64 | good ^ turned, teredo | good << 64 | low ^ turned, isatap | low]

    for form in [*forms, isatap | 0x0200_0000 << 32 | low]:
        assert is_forbidden(ipaddress.IPv6Address(form)) == expected


@given(st.text(max_size=30) | st.ip_addresses().map(str))
def test_no_host_crashes_the_guard(host: str) -> None:
    try:
        GUARD.check(host)
    except ForbiddenAddressError:
        return

    assert address_of(host) is None or GUARD.allows(ipaddress.ip_address(host.strip("[]")))
