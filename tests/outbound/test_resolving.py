from __future__ import annotations

import ipaddress
import socket

import pytest

from router.errors import ForbiddenAddressError
from router.outbound.addresses import AddressGuard
from router.outbound.resolving import GuardedResolver
from tests.simulators.names import know

PUBLIC_ONLY = AddressGuard(())


async def test_localhost_resolves_to_loopback() -> None:
    resolver = GuardedResolver(AddressGuard())

    found = await resolver.resolve("localhost", 5000, socket.AF_INET)
    await resolver.close()

    assert [(one["hostname"], one["host"], one["port"]) for one in found] == [("localhost", "127.0.0.1", 5000)]


@pytest.mark.parametrize("host", [f"{'a' * 64}.example", "127.1", "2852039166", "169.254.169.254."])
async def test_what_is_no_host_is_no_such_name(host: str) -> None:
    resolver = GuardedResolver(AddressGuard())

    with pytest.raises(socket.gaierror) as caught:
        await resolver.resolve(host)
    await resolver.close()

    assert caught.value.errno == socket.EAI_NONAME


@pytest.mark.parametrize(
    ("found", "is_reached"),
    [
        (["8.8.8.8"], True),
        (["8.8.8.8", "10.0.0.1"], False),
        (["169.254.169.254"], False),
        (["127.0.0.1"], False),
        (["2606:4700::1", "64:ff9b:1::a00:1"], False),
    ],
)
async def test_a_name_is_reached_where_all_its_addresses_may_be(
    found: list[str],
    is_reached: bool,  # noqa: FBT001 - a case
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One address that leads inside is enough for whoever owns the name."""
    know(monkeypatch, {"siem.example": found})
    resolver = GuardedResolver(PUBLIC_ONLY)

    if is_reached:
        assert [entry["host"] for entry in await resolver.resolve("siem.example", 443)] == found
    else:
        with pytest.raises(ForbiddenAddressError, match="leads to"):
            await resolver.resolve("siem.example", 443)
    await resolver.close()


async def test_no_network_that_is_allowed_opens_the_way_to_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    know(monkeypatch, {"siem.example": ["fd00:ec2::254"]})
    resolver = GuardedResolver(AddressGuard((ipaddress.ip_network("::/0"),)))

    with pytest.raises(ForbiddenAddressError, match="never connected to"):
        await resolver.resolve("siem.example", 443)
    await resolver.close()
