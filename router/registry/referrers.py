"""What refers to an image: the referrers API, its pages, and the index behind the fallback tag.

Rules:

1. The API is absent after 404, 400, 405, 406 and 422, after a 200 that is no image index, and after an index without a
   list (`{}`, `"manifests": null`). An empty list is an answer. Nothing is remembered: whoever deploys may name a
   repository that is not there, and must not hide the signatures of others; so the API and the fallback tag are both
   asked, and whoever asks decides the order.
2. Lists are never filtered, neither by the registry nor here: one real registry lists another artifact type than
   the manifest has. Media types, annotations, sizes and artifact types are hints: one of another type is none.
3. An entry that can't be read by itself (a half of a surrogate pair, a thousand levels), or without a digest that we
   know, is counted, and hides none of the others.
4. A list has at most 512 KiB, all its pages together, and no more than 100 pages. What is on later pages than that is
   left out, and that is told (`is_cut`); one whose first page has more is refused as a whole.
5. The next page is on the same origin.

Source: OCI distribution specification 1.1, "Listing Referrers" and "Referrers Tag Schema"; RFC 8288 (`Link`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct
from yarl import URL

from router.entries import UncutListError, cut_entries
from router.errors import InvalidReferenceError, MalformedAnswerError, TooLargeError
from router.images import Digest
from router.outbound.urls import read_url, sound_url
from router.registry.answers import RegistryAnswer, error_of

INDEX = "application/vnd.oci.image.index.v1+json"
INDEX_LIMIT = 512 * 1024
"""Bytes of a list of referrers: of the index behind the fallback tag, or of all pages of the API."""
PAGES_LIMIT = 100
"""Of a list; some registries put 20 entries on a page."""
_ENTRIES_LIMIT = 5000
"""Entries that are read at all: an honest one takes more than 100 bytes."""
_OK = 200
_ABSENT = frozenset({400, 404, 405, 406, 422})
_ALGORITHM_CHARACTERS, _HEX_CHARACTERS = 32, 64
_LINK = re.compile(r'<([^<>"\s]{1,4096})>\s*((?:;\s*[\w-]+\s*=\s*(?:"[^"]*"|[\w-]+)\s*)*)(?:,|\Z)', re.ASCII)
_NEXT = re.compile(r';\s*rel\s*=\s*(?:"\s*next\s*"|next)\s*(?:;|\Z)', re.ASCII | re.IGNORECASE)
_NOTHING = Raw(b"null")
_T = TypeVar("_T")


class _Index(Struct, gc=False, frozen=True):
    manifests: list[Raw] | None = None


class _Entry(Struct, gc=False, frozen=True, rename="camel"):
    digest: str
    media_type: Raw = _NOTHING
    size: Raw = _NOTHING
    artifact_type: Raw = _NOTHING
    annotations: Raw = _NOTHING


@dataclass(frozen=True, slots=True)
class Descriptor:
    """An entry of an index: what a registry says of a manifest. Only `digest` binds."""

    media_type: str
    digest: Digest
    size: int
    """Bytes, as is claimed; 0 where nothing is."""
    artifact_type: str
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ReferrerList:
    """What a list of referrers holds, as ordered there."""

    entries: tuple[Descriptor, ...] = ()
    unreadable: int = 0
    """Entries that can't be read, or without a digest that we know."""
    is_cut: bool = False
    """Whether there are more than are read."""

    def __add__(self, other: ReferrerList) -> ReferrerList:
        return ReferrerList(self.entries + other.entries, self.unreadable + other.unreadable)


def listed_in(answer: RegistryAnswer, what: str) -> ReferrerList | None:
    """What an answer of the API lists; None where it means that the API is not there (rule 1).

    Raises:
        MalformedAnswerError: It is no index.
        TooLargeError: It has more entries than are read.
        UnverifiableError: It is an error, by its status.
    """
    if answer.status in _ABSENT or (answer.status == _OK and answer.media_type != INDEX):
        return None
    if answer.status != _OK:
        raise error_of(answer, what)
    listed = _listed(answer.body, what)
    return None if listed is None else _listing(listed, what)


def fallback_tag(digest: Digest) -> str:
    """The tag of the index that lists referrers where there is no API: ALGORITHM-HEX, cut to 32 and 64 characters."""
    return f"{digest.algorithm[:_ALGORITHM_CHARACTERS]}-{digest.hex[:_HEX_CHARACTERS]}"


def next_page(answer: RegistryAnswer, url: URL, what: str) -> URL | None:
    """Where the next page is, or None; raises MalformedAnswerError where it is on another origin (rule 5)."""
    for header in answer.headers.getall("Link", []):
        for match in _LINK.finditer(header):
            if not _NEXT.search(match[2]):
                continue
            try:
                target = sound_url(url.join(read_url(match[1], is_encoded=True)))
                is_here = target.origin() == url.origin()
            except ValueError as error:
                raise MalformedAnswerError(f"{what}: the next page's address is none") from error
            if not is_here:
                raise MalformedAnswerError(f"{what}: the next page is on another host")
            return target
    return None


def parse_index(body: bytes, what: str) -> ReferrerList:
    """The entries of an image index.

    Raises:
        MalformedAnswerError: It is no index.
        TooLargeError: It has more entries than are read.
    """
    if (listed := _listed(body, what)) is None:
        raise MalformedAnswerError(f"{what}: the index has no list of manifests")
    return _listing(listed, what)


def _listed(body: bytes, what: str) -> Sequence[Raw] | None:
    """The entries of an index, unread; None where it has no list of them."""
    with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return msgspec.json.decode(body, type=_Index).manifests
    try:
        return cut_entries(body, "manifests", _ENTRIES_LIMIT)
    except UncutListError as error:
        raise MalformedAnswerError(f"{what}: the index can't be read") from error


def _listing(listed: Sequence[Raw], what: str) -> ReferrerList:
    if len(listed) > _ENTRIES_LIMIT:
        raise TooLargeError(f"{what}: more than {_ENTRIES_LIMIT} referrers")
    entries = tuple(entry for entry in map(_descriptor, listed) if entry is not None)
    return ReferrerList(entries, len(listed) - len(entries))


def _descriptor(raw: Raw) -> Descriptor | None:
    try:
        entry = msgspec.json.decode(raw, type=_Entry)
        digest = Digest.parse(entry.digest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, InvalidReferenceError):
        return None
    return Descriptor(
        _hint(entry.media_type, str, ""),
        digest,
        max(0, _hint(entry.size, int, 0)),
        _hint(entry.artifact_type, str, ""),
        _hint(entry.annotations, dict[str, str], {}),
    )


def _hint(raw: Raw, kind: type[_T], default: _T) -> _T:
    if raw is _NOTHING:
        return default
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return default
