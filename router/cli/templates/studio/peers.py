"""Which user of this machine has opened a connection over loopback, as Linux says it in `/proc/net/tcp`.

A URL that a browser is started with stands in the list of processes, and a cookie of 127.0.0.1 is sent to every port
there: other users of the machine could come to know both. What they can not do is to connect as somebody else.

Rules:
(1) The table's line is that of the other end: its own address is our peer's. Only an established connection counts: one
    that was left is nobody's, which the table shows as root's.
(2) Whoever runs the studio, root, and who became root by `sudo` to run it, are no strangers.
(3) Where the table can't be read, or does not show our own port (other systems, some sandboxes), nobody is a stranger.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

TABLE = Path("/proc/net/tcp")
_ESTABLISHED, _LISTENING = "01", "0A"
_OWN, _OTHER, _STATE, _USER = 1, 2, 3, 7
_NOBODY = "00000000:0000"


def is_stranger(peer: int, port: int, table: str, known: frozenset[int]) -> bool:
    """Whether the connection from this port of 127.0.0.1 to that one is of none of these users."""
    lines = [*_lines(table)]
    if (_address(port), _NOBODY, _LISTENING) not in {one[:3] for one in lines}:
        return False
    users = {user for *place, user in lines if tuple(place) == (_address(peer), _address(port), _ESTABLISHED)}
    return not users or not users <= known


def table() -> str:
    """The connections of this machine; empty where it does not say them."""
    try:
        return TABLE.read_text()
    except OSError:
        return ""


def known_users(environment: Mapping[str, str]) -> frozenset[int]:
    """Who is no stranger (2)."""
    sudo = environment.get("SUDO_UID", "") if os.geteuid() == 0 else ""
    return frozenset({0, os.geteuid(), *([int(sudo)] if sudo.isascii() and sudo.isdigit() else [])})


def _lines(table: str) -> Iterator[tuple[str, str, str, int]]:
    for line in table.splitlines()[1:]:
        parts = line.split()
        if len(parts) > _USER:
            yield parts[_OWN], parts[_OTHER], parts[_STATE], int(parts[_USER])


def _address(port: int) -> str:
    """127.0.0.1, as the table has it: the number in the machine's own order."""
    return f"{int.from_bytes(bytes([127, 0, 0, 1]), sys.byteorder):08X}:{port:04X}"
