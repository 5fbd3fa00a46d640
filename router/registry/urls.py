"""URLs that others wrote: an absolute http or https URL of a host and nothing that hides in it.

yarl reads the authority of a URL lazily and raises late: here it is read at once.
"""

from __future__ import annotations

import ipaddress

from yarl import URL

_SCHEMES = frozenset({"http", "https"})


def sound_url(url: URL) -> URL:
    """The URL itself.

    Raises:
        ValueError: It is not http or https, has no host, a host or port that can't be one, or holds credentials.
    """
    host, port = url.raw_host, url.port
    if url.scheme not in _SCHEMES or not host or not port:
        raise ValueError("no http or https URL of a host")
    if url.raw_user is not None or url.raw_password is not None:
        raise ValueError("a URL with credentials")
    if ":" in host:
        ipaddress.IPv6Address(host)
    return url
