"""The sockets that an address means: one for each of its families.

Rules:
(1) An empty host is every address of the machine, IPv4 and IPv6; a family that the machine does not have is passed
    over. A name may mean several addresses; each of them is taken.
(2) All or none: where one address can't be had, those that were taken are given back.
(3) The kernel holds at most `RECEIVE` bytes of a connection that nobody has read yet. Accepted sockets inherit it. It
    bounds what one read can bring, too, and so what a connection can make us hold.
"""

from __future__ import annotations

import asyncio
import errno
import socket

from router.errors import ConfigurationError
from router.fields import ListenAddress

BACKLOG = 1024
"""Connections that wait in the kernel until we take them."""
RECEIVE = 64 * 1024
"""Bytes; at a round trip of 2 ms that is 32 MiB a second, more than anybody needs for a review."""


async def listening_sockets(address: ListenAddress) -> list[socket.socket]:
    """Bound and listening, not blocking.

    Raises:
        ConfigurationError: The address is taken or is none of this machine's.
    """
    taken: list[socket.socket] = []
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, kind, protocol, _, target in dict.fromkeys(found):
            try:
                taken.append(_listening(socket.socket(family, kind, protocol), target))
            except OSError as error:
                is_missing = error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
                if address.host or family != socket.AF_INET6 or not is_missing:
                    raise
        if not taken:
            raise OSError(errno.EADDRNOTAVAIL, "no address to listen on")  # noqa: TRY301 - told like every other
    except OSError as error:
        for listening in taken:
            listening.close()
        raise ConfigurationError(f"can't listen on {address}: {error.strerror or error}") from error
    return taken


def _listening(made: socket.socket, target: tuple[str | int, ...] | tuple[int, bytes]) -> socket.socket:
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE)
        if made.family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(target)
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made
