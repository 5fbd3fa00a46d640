from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import pytest

from router.outbound import lookups as module
from router.outbound.addresses import AddressGuard
from router.outbound.lookups import Lookups, SharedLookups
from router.outbound.resolving import GuardedResolver
from tests.simulators.names import NameServer

FOUND = ((socket.AF_INET, "10.1.2.3"),)


@pytest.fixture
def nowhere(tmp_path: Path) -> Path:
    return tmp_path / "hosts"


async def test_a_name_server_is_asked(nowhere: Path) -> None:
    async with NameServer({"registry.example": ["10.1.2.3"]}).running() as server:
        lookups = Lookups([server.address], hosts=nowhere)
        found = await lookups.addresses("Registry.example", socket.AF_INET)
        await lookups.close()

    assert found == FOUND
    assert server.asked == ["registry.example"]


async def test_no_more_of_a_name_is_taken_than_somebody_may_need(nowhere: Path) -> None:
    """Each address is judged whenever somebody connects: thousands would hold up all the others."""
    many = [f"10.1.2.{number}" for number in range(60)]
    async with NameServer({"registry.example": many}).running() as server:
        lookups = Lookups([server.address], hosts=nowhere)
        found = await lookups.addresses("registry.example", socket.AF_INET)
        await lookups.close()

    assert len(found) == 16
    assert {address for _, address in found} <= {*many}


async def test_both_families_are_asked_where_this_host_has_both(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without IPv6 of our own an AAAA record is of no use, and one question more."""
    found = []
    for has_ipv6 in (True, False):
        monkeypatch.setattr(module, "_has_ipv6", lambda has_ipv6=has_ipv6: has_ipv6)
        async with NameServer({"registry.example": ["10.1.2.3", "fd00::1"]}).running() as server:
            lookups = Lookups([server.address], hosts=nowhere)
            found.append({address for _, address in await lookups.addresses("registry.example")})
            await lookups.close()

    assert found == [{"10.1.2.3", "fd00::1"}, {"10.1.2.3"}]


async def test_equal_lookups_are_one_and_are_remembered(nowhere: Path) -> None:
    async with NameServer({"registry.example": ["10.1.2.3"]}, delay=lambda _: 0.05).running() as server:
        lookups = Lookups([server.address], hosts=nowhere)
        found = await asyncio.gather(*(lookups.addresses("registry.example", socket.AF_INET) for _ in range(20)))
        again = await lookups.addresses("registry.example", socket.AF_INET)
        await lookups.close()

    assert {*found, again} == {FOUND}
    assert len(server.asked) == 1


async def test_a_lookup_ends_with_its_last_waiter(nowhere: Path) -> None:
    """Names that hang in DNS must hold nothing for those who have left."""
    async with NameServer(delay=lambda _: None).running() as server:
        lookups = Lookups([server.address], hosts=nowhere)
        waiting = [asyncio.create_task(lookups.addresses("hangs.example", socket.AF_INET)) for _ in range(2)]
        while not server.asked:  # noqa: ASYNC110 - the server is a real one
            await asyncio.sleep(0.01)
        waiting[0].cancel()
        await asyncio.wait(waiting[:1])
        between = len(lookups)
        waiting[1].cancel()
        await asyncio.wait(waiting)
        after = len(lookups)
        await lookups.close()

    assert (between, after) == (1, 0)


async def test_a_lookup_has_a_limit(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOKUP_SECONDS", 0.05)
    async with NameServer(delay=lambda _: None).running() as server:
        lookups = Lookups([server.address], hosts=nowhere)
        with pytest.raises(socket.gaierror) as caught:
            await lookups.addresses("hangs.example", socket.AF_INET)
        await lookups.close()

    assert (caught.value.errno, len(lookups)) == (socket.EAI_AGAIN, 0)


async def test_names_that_hang_hold_up_no_others(nowhere: Path) -> None:
    """Whoever runs a domain may let a thousand names of it hang."""
    records = {"registry.example": ["10.1.2.3"]}
    server = NameServer(records, delay=lambda name: None if name.endswith("hangs.example") else 0.0)
    async with server.running():
        lookups = Lookups([server.address], hosts=nowhere)
        hanging: list[asyncio.Task[object]] = []
        for first in range(0, 1000, 100):  # the kernel keeps a few hundred questions, and drops the others
            names = [f"n{number}.hangs.example" for number in range(first, first + 100)]
            hanging += [asyncio.create_task(lookups.addresses(name, socket.AF_INET)) for name in names]
            while len(set(server.asked)) < len(hanging):  # noqa: ASYNC110 - the server is a real one
                await asyncio.sleep(0.001)
        found = await lookups.addresses("registry.example", socket.AF_INET)
        for task in hanging:
            task.cancel()
        await asyncio.wait(hanging)
        left = len(lookups)
        await lookups.close()

    assert (found, left) == (FOUND, 0)


async def test_hanging_lookups_take_no_threads(nowhere: Path) -> None:
    import threading

    async with NameServer(delay=lambda _: None).running() as server:
        lookups = Lookups([server.address], hosts=nowhere)
        before = threading.active_count()
        hanging = [asyncio.create_task(lookups.addresses(f"n{i}.example", socket.AF_INET)) for i in range(200)]
        while len(server.asked) < 200:  # noqa: ASYNC110 - the server is a real one
            await asyncio.sleep(0.01)
        more = threading.active_count() - before
        await lookups.close()
        await asyncio.wait(hanging)

    assert more <= 2


async def test_a_name_that_nobody_knows_has_no_address(nowhere: Path) -> None:
    async with NameServer().running() as server:
        lookups = Lookups([server.address], hosts=nowhere)
        with pytest.raises(socket.gaierror) as caught:
            await lookups.addresses("nowhere.example", socket.AF_INET)
        await lookups.close()

    assert caught.value.errno == socket.EAI_NONAME


async def test_search_domains_are_tried(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a cluster `registry.shop` means `registry.shop.svc.cluster.local`.

    `LOCALDOMAIN` and `RES_OPTIONS` say what `/etc/resolv.conf` says otherwise (resolv.conf(5)).
    """
    monkeypatch.setenv("LOCALDOMAIN", "svc.cluster.local")
    monkeypatch.setenv("RES_OPTIONS", "ndots:5")
    records = {"registry.shop.svc.cluster.local": ["10.1.2.3"]}
    async with NameServer(records).running() as server:
        lookups = Lookups([server.address], hosts=nowhere)
        found = await lookups.addresses("registry.shop", socket.AF_INET)
        with pytest.raises(socket.gaierror):
            await lookups.addresses("registry.shop.", socket.AF_INET)
        await lookups.close()

    assert found == FOUND
    assert server.asked == ["registry.shop.svc.cluster.local", "registry.shop"]


async def test_the_hosts_file_comes_first_and_may_change(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text(
        "# names\n10.1.2.3 registry.example REGISTRY # here\n::1 localhost\n127.0.0.1\tlocalhost\nno address\n"
    )
    async with NameServer().running() as server:
        lookups = Lookups([server.address], hosts=hosts)
        first = await lookups.addresses("registry", socket.AF_INET)
        local = await lookups.addresses("localhost", socket.AF_INET)
        hosts.write_text("10.9.9.9 other.example\n")
        second = await lookups.addresses("other.example", socket.AF_INET)
        await lookups.close()

    assert (first, local, second) == (FOUND, ((socket.AF_INET, "127.0.0.1"),), ((socket.AF_INET, "10.9.9.9"),))
    assert server.asked == []


ODD = [f"{'a' * 64}.example", "a." * 127 + "ab", "", ".", "a..b", "a b.example", "ä.example", "a\n.example", "a/b"]
ODD += ["127.1", "1", "0x7f000001", "example.0x7f", "1.2.3.4.5", "registry.0177", "a.1."]


@pytest.mark.parametrize("host", ODD)
async def test_what_dns_can_not_hold_is_refused_without_a_lookup(host: str, nowhere: Path) -> None:
    async with NameServer().running() as server:
        lookups = Lookups([server.address], hosts=nowhere)
        with pytest.raises(socket.gaierror) as caught:
            await lookups.addresses(host)
        await lookups.close()

    assert caught.value.errno == socket.EAI_NONAME
    assert server.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "fd00::1"])
async def test_an_address_is_its_own(host: str, nowhere: Path) -> None:
    lookups = Lookups(["127.0.0.1:1"], hosts=nowhere)

    assert [address for _, address in await lookups.addresses(host)] == [host]


async def test_clients_share_lookups_until_the_last_has_gone() -> None:
    first, second = SharedLookups(), SharedLookups()
    shared = first.held()

    assert second.held() is shared
    await first.let_go()
    assert SharedLookups().held() is shared
    await first.let_go()  # once more is nothing


async def test_a_resolver_is_usable_again_after_it_was_closed() -> None:
    resolver = GuardedResolver(AddressGuard())
    began = time.monotonic()
    await resolver.resolve("127.0.0.1", 1)
    await resolver.close()
    found = await resolver.resolve("127.0.0.1", 1)
    await resolver.close()

    assert found[0]["host"] == "127.0.0.1"
    assert time.monotonic() > began
