"""Addresses of names, without threads that hang: c-ares asks, by `/etc/hosts` and `/etc/resolv.conf`.

Rules:
(1) One lookup per name and family is under way, whoever waits for it. It has five seconds, and is dropped with the
    last who waits.
(2) What is neither a name that DNS can hold nor an address in its one form is refused without a lookup: resolvers
    read `127.1` as an address that nobody has written. See `addresses`.
(3) Hosts file, name servers, search domains, `ndots` and `rotate` are those of the files, as with `getaddrinfo`; a
    server has two seconds, twice; of nsswitch.conf only `files` and `dns` are known. IPv6 is asked for only where an
    interface other than loopback has it (`AI_ADDRCONFIG`). The order of addresses is that of RFC 6724. The hosts file
    is read here, because c-ares answers `localhost` without it.
(4) Of a name's addresses the best `MOST` are taken: whoever answers for a name may name thousands, each of which is
    judged whenever somebody connects.
(5) What was found serves for 30 seconds; a failure is never remembered.

How many lookups there are at once is bounded by those who ask: see `router.verification.turns`. One that was dropped
is forgotten by c-ares after its own patience, and costs one or two KiB until then.
"""

from __future__ import annotations

import asyncio
import socket
import time
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import aiodns
from aiodns import error as ares

from router.outbound.addresses import address_of

LOOKUP_SECONDS = 5.0
"""How long a lookup may take, all search domains and attempts together."""
REMEMBERED_SECONDS = 30.0
REMEMBERED = 1024
MOST = 16
"""Addresses of a name; large services have eight."""
_IPV4 = 4
_ATTEMPT_SECONDS, _ATTEMPTS = 2.0, 2
_NO_SUCH_NAME = frozenset({ares.ARES_ENOTFOUND, ares.ARES_ENODATA, ares.ARES_EBADNAME})
_INTERFACES = Path("/proc/net/if_inet6")

ResolvedAddresses: TypeAlias = tuple[tuple[socket.AddressFamily, str], ...]
"""Family and address, the best first."""


@dataclass(eq=False, slots=True)
class _Lookup:
    task: asyncio.Task[ResolvedAddresses]
    waiting: int = 0


class HostsFile:
    """Names that need no server; read again when the file changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._known: dict[str, list[tuple[socket.AddressFamily, str]]] = {}

    def addresses(self, host: str, family: int) -> ResolvedAddresses:
        """The addresses of a name in the order of the file; none where it is not there."""
        try:
            status = self._path.stat()
            if (seen := (status.st_mtime_ns, status.st_size)) != self._seen:
                self._known = _hosts_in(self._path.read_text("utf-8", "replace"))
                self._seen = seen
        except OSError:
            return ()
        known = self._known.get(host.rstrip("."), ())
        return tuple(entry for entry in known if family in {socket.AF_UNSPEC, entry[0]})


class Lookups:
    """Looks names up."""

    def __init__(self, servers: Sequence[str] | None = None, hosts: Path = Path("/etc/hosts")) -> None:
        """Ask nobody yet.

        Args:
            servers: Name servers (`ADDRESS` or `ADDRESS:PORT`) in place of those of the file.
            hosts: The hosts file.
        """
        self._servers = servers
        self._hosts = HostsFile(hosts)
        self._resolver: aiodns.DNSResolver | None = None
        self._under_way: dict[tuple[str, int], _Lookup] = {}
        self._remembered: OrderedDict[tuple[str, int], tuple[ResolvedAddresses, float]] = OrderedDict()

    def __len__(self) -> int:
        """How many lookups are under way."""
        return len(self._under_way)

    async def addresses(self, host: str, family: int = socket.AF_UNSPEC) -> ResolvedAddresses:
        """Every address of a name; raises socket.gaierror where it has none, or none can be found out."""
        try:
            literal = _literal(host)
        except ValueError as error:
            raise socket.gaierror(socket.EAI_NONAME, str(error)) from error
        if literal is not None:
            return (literal,)
        key = host.lower(), family
        kept = self._remembered.get(key)
        if kept is not None and kept[1] > time.monotonic():
            return kept[0]
        lookup = self._under_way.get(key)
        if lookup is None:
            task = asyncio.get_running_loop().create_task(self._asked(*key), name="look a name up")
            lookup = self._under_way[key] = _Lookup(task)
            task.add_done_callback(lambda done: self._settled(key, done))
        return await self._waited(key, lookup)

    async def close(self) -> None:
        """End every lookup."""
        for lookup in self._under_way.values():
            lookup.task.cancel()
        if self._resolver is not None:
            resolver, self._resolver = self._resolver, None
            await resolver.close()

    async def _waited(self, key: tuple[str, int], lookup: _Lookup) -> ResolvedAddresses:
        lookup.waiting += 1
        try:
            await asyncio.wait({lookup.task})
        finally:
            lookup.waiting -= 1
            if not lookup.waiting and not lookup.task.done():
                self._forget(key, lookup.task)
                lookup.task.cancel()
        if lookup.task.cancelled():
            raise socket.gaierror(socket.EAI_AGAIN, "the lookup was ended")
        return lookup.task.result()

    def _settled(self, key: tuple[str, int], done: asyncio.Task[ResolvedAddresses]) -> None:
        self._forget(key, done)
        if done.cancelled() or done.exception() is not None:
            return
        self._remembered[key] = done.result(), time.monotonic() + REMEMBERED_SECONDS
        self._remembered.move_to_end(key)
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)

    def _forget(self, key: tuple[str, int], task: asyncio.Task[ResolvedAddresses]) -> None:
        lookup = self._under_way.get(key)
        if lookup is not None and lookup.task is task:
            del self._under_way[key]

    async def _asked(self, host: str, family: int) -> ResolvedAddresses:
        wanted = socket.AF_INET if family == socket.AF_UNSPEC and not _has_ipv6() else family
        if found := self._hosts.addresses(host, wanted):
            return found
        resolver = self._resolver or self._open()
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                answer = await resolver.getaddrinfo(
                    host, family=socket.AddressFamily(wanted), type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
                )
        except TimeoutError as error:
            raise socket.gaierror(socket.EAI_AGAIN, "the name servers did not answer in time") from error
        except ares.DNSError as error:
            code, text = error.args
            is_unknown = code in _NO_SUCH_NAME
            raise socket.gaierror(socket.EAI_NONAME if is_unknown else socket.EAI_AGAIN, text) from error
        found = tuple(
            (socket.AddressFamily(node.family), node.addr[0].decode("ascii"))
            for node in answer.nodes
            if node.family in {socket.AF_INET, socket.AF_INET6}
        )
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "the name has no address")
        return tuple(dict.fromkeys(found))[:MOST]

    def _open(self) -> aiodns.DNSResolver:
        self._resolver = aiodns.DNSResolver(self._servers, timeout=_ATTEMPT_SECONDS, tries=_ATTEMPTS)
        return self._resolver


def _hosts_in(text: str) -> dict[str, list[tuple[socket.AddressFamily, str]]]:
    known: dict[str, list[tuple[socket.AddressFamily, str]]] = {}
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        try:
            literal = _literal(address)
        except ValueError:
            continue
        if literal is not None:
            for name in names:
                entries = known.setdefault(name.lower(), [])
                if literal not in entries:
                    entries.append(literal)
    return known


def _literal(host: str) -> tuple[socket.AddressFamily, str] | None:
    address = address_of(host)
    if address is None:
        return None
    return (socket.AF_INET if address.version == _IPV4 else socket.AF_INET6), str(address)


def _has_ipv6() -> bool:
    """Whether an interface other than loopback has an IPv6 address."""
    try:
        lines = _INTERFACES.read_text("ascii").splitlines()
    except OSError:
        return False
    return any(line.split()[-1] != "lo" for line in lines if line)


_SHARED: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Lookups, list[int]]] = weakref.WeakKeyDictionary()


class SharedLookups:
    """The lookups of the running loop, which all clients share; they end when the last client lets go."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lookups: Lookups | None = None

    def held(self) -> Lookups:
        """Take part in them."""
        if self._lookups is None:
            self._loop = asyncio.get_running_loop()
            self._lookups, holders = _SHARED.setdefault(self._loop, (Lookups(), [0]))
            holders[0] += 1
        return self._lookups

    async def let_go(self) -> None:
        """Take no part any more."""
        if self._lookups is None or self._loop is None:
            return
        lookups, self._lookups = self._lookups, None
        _, holders = _SHARED[self._loop]
        holders[0] -= 1
        if not holders[0]:
            del _SHARED[self._loop]
            await lookups.close()
