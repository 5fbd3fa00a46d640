"""Patterns over image names: what they mean, what they match, and which of two is more specific. Pure.

Rules:
(1) A pattern is NAME[:TAG][@DIGEST] and must match the whole normalised name (`registry/repository`); there are no
    implicit wildcards. `*` stays within one path part, `**` crosses parts.
(2) NAME is normalised as an image's name is, wildcards being ordinary characters: without a `/` it stands below
    `docker.io/library`, and a first part that is no registry stands below `docker.io`. A first part is a registry if
    it is `localhost`, has a `.`, a `:` or an upper-case letter, or is `*`; whatever begins with `**` begins anywhere.
    `index.docker.io` is `docker.io`. So `team-*/app` is `docker.io/team-*/app`, `*.example/app` is a registry's, and
    `*` alone is `docker.io/library/*`; every image is `**`.
(3) A TAG or DIGEST (with `*` allowed in it) asks for that too; a pattern without matches any. An image that has both
    is matched by both kinds: nobody checks that the tag beside a digest ever belonged to it.
(4) A pattern that no image could ever match is refused: whoever wrote it meant something else.
(5) Specificity: more literal path parts first, then more literal characters of the name, then a tag or digest part
    (both are more than one).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from router.errors import InvalidReferenceError
from router.images import Digest, ImageReference, is_registry, is_tag, parse_reference
from router.policy.glob import NAMES, WORDS, Glob

TEXT_LIMIT = 1024
"""Characters of a pattern: as many as an image reference may have."""
SHOWN = 200
"""Characters of a refused pattern that an error repeats: enough to find it in the file."""

_REGISTRY = re.compile(r"[A-Za-z0-9._*:\[\]-]+", re.ASCII)
_PATH = re.compile(r"[a-z0-9._/*-]+", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_.*-]{1,128}", re.ASCII)
_DIGEST = re.compile(r"(?:sha256|sha384|sha512|[a-z0-9]*\*[a-z0-9*]*)(?::[0-9a-f*]{1,128})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a rule names."""

    text: str
    """As written."""
    name: Glob
    tag: Glob | None
    digest: Glob | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a pattern.

        Raises:
            ValueError: It is none, or no image could ever match it; the text says why and what to write.
        """
        if not text or len(text) > TEXT_LIMIT:
            raise ValueError(f"a pattern has 1 to {TEXT_LIMIT} characters, such as registry.example/shop/*")
        rest, at, digest = text.partition("@")
        path, slash, last = rest.rpartition("/")
        last, colon, tag = last.partition(":")
        name = _normalised(path + slash + last)
        _check_name(text, name)
        if colon:
            _check_tag(text, tag)
        if at:
            _check_digest(text, digest)
        return cls(
            text,
            Glob(name),
            Glob(tag.replace("**", "*")) if colon else None,
            Glob(digest.replace("**", "*")) if at else None,
        )

    @property
    def key(self) -> tuple[str, str | None, str | None]:
        """What makes two patterns the same."""
        tag = None if self.tag is None else self.tag.text
        return self.name.text, tag, None if self.digest is None else self.digest.text

    @property
    def specificity(self) -> tuple[int, int, int]:
        """Larger is more specific: literal path parts, literal characters, a tag or digest part."""
        literal_parts = sum("*" not in part for part in self.name.text.split("/"))
        return literal_parts, len(self.name.literals), (self.tag is not None) + (self.digest is not None)

    @property
    def registry(self) -> str | None:
        """The registry that every image it matches is in; None where there may be several."""
        first, slash, _ = self.name.text.partition("/")
        return first if slash and "*" not in first else None

    def matches(self, image: ImageReference) -> bool:
        """Whether it names this image."""
        if not self.name.matches(image.name):
            return False
        if self.tag is not None and (image.tag is None or not self.tag.matches(image.tag)):
            return False
        return self.digest is None or (image.digest is not None and self.digest.matches(str(image.digest)))

    def covers(self, other: Pattern) -> bool:
        """Whether it matches every image that the other matches; False where that can't be told cheaply."""
        return (
            _covers(self.tag, other.tag)
            and _covers(self.digest, other.digest)
            and self.name.covers(other.name, NAMES)  # the dearest comes last
        )


def _covers(wide: Glob | None, narrow: Glob | None) -> bool:
    return wide is None or (narrow is not None and wide.covers(narrow, WORDS))


def _normalised(name: str) -> str:
    if name.startswith("**"):
        return name
    first, slash, rest = name.partition("/")
    if not slash:
        return f"docker.io/library/{name}"
    if first != "*" and not _is_host(first):
        return f"docker.io/{name}"
    if first in {"docker.io", "index.docker.io"}:
        is_official = "/" not in rest and "**" not in rest
        return f"docker.io/library/{rest}" if is_official else f"docker.io/{rest}"
    return name


def _is_host(first: str) -> bool:
    return first == "localhost" or "." in first or ":" in first or first.lower() != first


def _check_name(text: str, name: str) -> None:
    if "://" in text:
        raise _unmatchable(text, "names have no scheme; leave out everything up to ://")
    first, slash, path = name.partition("/")  # whatever follows the first / is below a registry, after ** too
    if not all(name.split("/")):
        raise _unmatchable(text, "it has an empty path part; write a * for each part, or ** for any number of them")
    if not (_REGISTRY.fullmatch(first) if "*" in first else is_registry(first)):
        raise _unmatchable(text, f"{first[:100]!r} is no registry; write HOST or HOST:PORT")
    if slash and not _PATH.fullmatch(path):
        raise _unmatchable(
            text, "repositories are in lower case" if path.lower() != path else "repositories have other characters"
        )
    for part in path.split("/"):
        if part and "*" not in part:
            _check_part(text, part)


def _check_part(text: str, part: str) -> None:
    try:
        parse_reference(f"localhost/{part}")
    except InvalidReferenceError as error:
        raise _unmatchable(text, f"no repository has a part {part[:100]!r}") from error


def _check_tag(text: str, tag: str) -> None:
    if not (_TAG.fullmatch(tag) if "*" in tag else is_tag(tag)):
        raise _unmatchable(text, f"{tag[:100]!r} is no tag: 1 to 128 of A-Z a-z 0-9 _ . - with no . or - first")


def _check_digest(text: str, digest: str) -> None:
    problem = "a digest is ALGORITHM:HEX in lower case, such as sha256:*"
    if "*" not in digest:
        try:
            Digest.parse(digest)
        except InvalidReferenceError as error:
            raise _unmatchable(text, str(error)) from error
    elif not _DIGEST.fullmatch(digest):
        raise _unmatchable(text, f"{digest[:100]!r} is no digest; {problem}")


def _unmatchable(text: str, problem: str) -> ValueError:
    shown = repr(text) if len(text) <= SHOWN else f"{text[:SHOWN]!r}..."
    return ValueError(f"{shown} can match no image: {problem}")
