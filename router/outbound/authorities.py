"""Whom we believe that the other side is who it says."""

from __future__ import annotations

import ssl


def client_context(authorities: str | None = None, *, with_system: bool = False) -> ssl.SSLContext:
    """The context of connections to servers.

    Args:
        authorities: PEM of the only CAs that may vouch for a server; the system's where it is None.
        with_system: The system's CAs may vouch, too.
    """
    context = ssl.create_default_context(cadata=None if with_system else authorities)
    if with_system and authorities is not None:
        context.load_verify_locations(cadata=authorities)
    return context
