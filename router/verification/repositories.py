"""TUF repositories that trusted roots are taken from, as values. Pure.

Source: The Update Framework specification 1.0; Sigstore's repositories hold the root as the target `trusted_root.json`.

Rules:
(1) All begins with root metadata that came with the package or with the configuration. What a repository says counts
    only as far as a chain of signatures leads from there to it (`router.trust`).
(2) The id follows from address and beginning: a root that was taken from another repository of the same name is
    another repository's.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

from router.errors import InvalidSignatureError
from router.verification.documents import malformed, object_at, read_object, text_at

ROOT_LIMIT = 512 * 1000
"""Bytes of root metadata, as other clients have it."""
_WHAT = "TUF root metadata"


@dataclass(frozen=True)
class Repository:
    """A repository, and what is known of it without asking."""

    name: str
    """What the operator calls the trusted root; a folder is named after it."""
    url: str
    root: bytes = field(repr=False)
    """The root metadata that all begins with."""
    every: float
    """Seconds from one refresh to the next."""
    authorities: str | None = field(default=None, repr=False)
    """PEM of the only CAs that may vouch for the server; None: the system's."""
    shipped_at: float | None = None
    """Since when a trusted root is known without asking, in Unix time; None: none is known."""

    @cached_property
    def id(self) -> str:
        """Equal ids: the same address and the same beginning."""
        return hashlib.sha256(self.url.encode() + b"\n" + self.root).hexdigest()


def checked_beginning(body: bytes) -> bytes:
    """Root metadata itself. Its signatures are checked when it is used.

    Raises:
        ValueError: It can be none; the text follows the place.
    """
    try:
        signed = object_at(read_object(body, _WHAT), "signed", _WHAT)
        if text_at(signed, "_type", _WHAT) != "root":
            raise malformed(_WHAT, "is of another type; the repository's root.json is wanted")
    except InvalidSignatureError as error:
        raise ValueError(f"can't be used: {error}") from error
    return body
