"""What refers to an image: the referrers API, its pages, and the index behind the fallback tag.

Rules:

1. The API counts as absent after 404, 400, 405 or 406, and after a 200 that is no image index. That is remembered for
   an hour, unless the registry has given a list within one or says that only this name is unknown to it; and for this
   repository only: whoever deploys may name one that is not there, and must not hide the signatures of others.
2. Lists are never filtered, neither by the registry nor here: one real registry lists another artifact type than
   the manifest has. Annotations and artifact types are hints, and whoever reads the manifests decides.
3. At most 50 referrers: what has more is refused as a whole, because a list cut short could hide a signature.
4. The next page is on the same origin, and there are no more than 10 pages.

Source: OCI distribution specification 1.1, "Listing Referrers" and "Referrers Tag Schema"; RFC 8288 (`Link`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import orjson
from yarl import URL

from router.errors import InvalidReferenceError, MalformedAnswerError, TooLargeError
from router.images import Digest
from router.outbound.urls import sound_url
from router.registry.answers import Answer

INDEX = "application/vnd.oci.image.index.v1+json"
REFERRERS_LIMIT = 50
PAGES_LIMIT = 10
_INDEXES = frozenset({INDEX, "application/vnd.docker.distribution.manifest.list.v2+json"})
_MEMORY_SECONDS = 3600.0
_REMEMBERED = 4096
_OK = 200
_ABSENT = frozenset({400, 404, 405, 406})
_NAME_CODES = frozenset({"NAME_UNKNOWN", "MANIFEST_UNKNOWN", "NAME_INVALID", "DIGEST_INVALID"})
_ALGORITHM_CHARACTERS, _HEX_CHARACTERS = 32, 64
_LINK = re.compile(r'<([^<>"\s]{1,4096})>\s*((?:;\s*[\w-]+\s*=\s*(?:"[^"]*"|[\w-]+)\s*)*)(?:,|\Z)', re.ASCII)
_NEXT = re.compile(r';\s*rel\s*=\s*(?:"\s*next\s*"|next)\s*(?:;|\Z)', re.ASCII | re.IGNORECASE)
_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class Descriptor:
    """An entry of an index: what a registry says of a manifest. Only `digest` binds."""

    media_type: str
    digest: Digest
    size: int
    artifact_type: str
    annotations: Mapping[str, str]


class ReferrersSupport:
    """Which registries have the referrers API, as far as is known (rule 1)."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._absent: dict[tuple[str, str], float] = {}
        """Until when, by registry and repository."""
        self._there: dict[str, float] = {}
        """Until when, by registry."""

    def is_absent(self, registry: str, repository: str) -> bool:
        """Whether asking this registry about this repository would be in vain."""
        return self._absent.get((registry, repository), 0.0) > self._clock() and not self._is_there(registry)

    def note(self, registry: str, repository: str, answer: Answer) -> bool:
        """Whether the answer is a list of referrers; remembers what that says about the registry."""
        if answer.status == _OK and answer.media_type == INDEX:
            _remember(self._there, registry, self._clock() + _MEMORY_SECONDS)
            return True
        if says_absent(answer) and not _is_about_the_name(answer) and not self._is_there(registry):
            _remember(self._absent, (registry, repository), self._clock() + _MEMORY_SECONDS)
        return False

    def _is_there(self, registry: str) -> bool:
        return self._there.get(registry, 0.0) > self._clock()


def _remember(known: dict[_Key, float], key: _Key, until: float) -> None:
    if len(known) >= _REMEMBERED and key not in known:
        known.clear()
    known[key] = until


def says_absent(answer: Answer) -> bool:
    """Whether an answer that is no list means that the API is not there; otherwise it is an error."""
    return answer.status == _OK or answer.status in _ABSENT


def _is_about_the_name(answer: Answer) -> bool:
    """Whether a refusal is an error in the form of the specification that speaks of the name, not of the API."""
    try:
        document = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return False
    errors = document.get("errors") if isinstance(document, dict) else None
    if not isinstance(errors, list):
        return False
    return any(isinstance(error, dict) and str(error.get("code")) in _NAME_CODES for error in errors)


def fallback_tag(digest: Digest) -> str:
    """The tag of the index that lists referrers where there is no API: ALGORITHM-HEX, cut to 32 and 64 characters."""
    return f"{digest.algorithm[:_ALGORITHM_CHARACTERS]}-{digest.hex[:_HEX_CHARACTERS]}"


def next_page(answer: Answer, url: URL, what: str) -> URL | None:
    """Where the next page is, or None; raises MalformedAnswerError where it is on another origin (rule 4)."""
    for header in answer.headers.getall("Link", []):
        for match in _LINK.finditer(header):
            if not _NEXT.search(match[2]):
                continue
            try:
                target = sound_url(url.join(URL(match[1], encoded=True)))
                is_here = target.origin() == url.origin()
            except ValueError as error:
                raise MalformedAnswerError(f"{what}: the next page's address is none") from error
            if not is_here:
                raise MalformedAnswerError(f"{what}: the next page is on another host")
            return target
    return None


def is_index(media_type: str) -> bool:
    """Whether a manifest of this media type is an index."""
    return media_type in _INDEXES


def parse_index(body: bytes, what: str) -> tuple[Descriptor, ...]:
    """The entries of an image index, as ordered there.

    Raises:
        MalformedAnswerError: It is no index, or an entry has no media type, digest or size that can be understood.
        TooLargeError: It has more than 50 entries.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedAnswerError(f"{what}: the index is no JSON") from error
    listed = document.get("manifests") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise MalformedAnswerError(f"{what}: the index has no list of manifests")
    if len(listed) > REFERRERS_LIMIT:
        raise TooLargeError(f"{what}: {len(listed)} referrers, more than {REFERRERS_LIMIT}")
    return tuple(_descriptor(entry, what) for entry in listed)


def _descriptor(entry: object, what: str) -> Descriptor:
    if not isinstance(entry, dict):
        raise MalformedAnswerError(f"{what}: an entry of the index is no object")
    media_type, size, digest = entry.get("mediaType"), entry.get("size"), entry.get("digest")
    artifact_type, annotations = entry.get("artifactType") or "", entry.get("annotations") or {}
    if not (isinstance(media_type, str) and isinstance(digest, str) and isinstance(artifact_type, str)):
        raise _lacking(what)
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise _lacking(what)
    if not isinstance(annotations, dict) or not all(isinstance(value, str) for value in annotations.values()):
        raise _lacking(what)
    try:
        return Descriptor(media_type, Digest.parse(digest), size, artifact_type, annotations)
    except InvalidReferenceError as error:
        raise MalformedAnswerError(f"{what}: an entry of the index has no digest that we know ({error})") from error


def _lacking(what: str) -> MalformedAnswerError:
    return MalformedAnswerError(f"{what}: an entry of the index lacks what a descriptor must have")
