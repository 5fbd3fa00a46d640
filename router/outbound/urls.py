"""URLs that others wrote: an absolute http or https URL of a host and nothing that hides in it. Pure.

yarl reads the authority of a URL lazily and raises late, and IndexError of some: here it is read at once, and whatever
is none is ValueError. A host that only some read as an
address (`127.1`, `0x7f.1`) is refused here, and not left to whatever reads it last.
"""

from __future__ import annotations

from yarl import URL

from router.outbound.addresses import address_of

_SCHEMES = frozenset({"http", "https"})


def read_url(text: str, *, is_encoded: bool = False) -> URL:
    """A text as a URL.

    Args:
        text: What somebody wrote.
        is_encoded: Whether it is taken as it stands, and not quoted where it has to be.

    Raises:
        ValueError: It can't be one.
    """
    try:
        return URL(text, encoded=is_encoded)
    except IndexError as error:  # yarl's, of brackets before an @
        raise ValueError("no URL") from error


def sound_url(url: URL, *, with_credentials: bool = False) -> URL:
    """The URL itself.

    Args:
        url: What is checked.
        with_credentials: Whether it may hold a user and a password, as that of a proxy does.

    Raises:
        ValueError: It is not http or https, has no host, a host or port that can't be one, or holds credentials.
    """
    host, port = url.raw_host, url.port
    if url.scheme not in _SCHEMES or not host or not port:
        raise ValueError("no http or https URL of a host")
    if not with_credentials and (url.raw_user is not None or url.raw_password is not None):
        raise ValueError("a URL with credentials")
    address_of(host)
    return url
