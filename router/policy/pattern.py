"""Patterns over image names: what they mean, what they match, and which of two is more specific. Pure.

Rules:
(1) A pattern is NAME[:TAG][@DIGEST] and must match the whole normalised name (`registry/repository`); there are no
    implicit wildcards. `*` stays within one path part, `**` crosses parts.
(2) NAME is normalised as an image's name is, wildcards being ordinary characters: without a `/` it stands below
    `docker.io/library`, and a first part that is no registry stands below `docker.io`. A first part is a registry if
    it is `localhost`, has a `.`, a `:` or an upper-case letter, or is `*`; whatever begins with `**` begins anywhere.
    So `team-*/app` is `docker.io/team-*/app`, `*.example/app` is a registry's, and `*` alone is
    `docker.io/library/*`; every image is `**`.
(3) A registry is brought into the canonical form of images (`router.hosts`): `Registry.Example:443/x` is
    `registry.example/x`, and `registry-1.docker.io/x` is `docker.io/library/x`. One with a wildcard is in lower case,
    without port 443 where it ends in a label of its own (`*.example:443`), and refused with it elsewhere (`reg*:443`),
    since without it it would match every port.
(4) A pattern with TAG speaks for images that have this tag and no digest, since the tag beside a digest decides
    nothing and nobody checks it. One with DIGEST (`*` allowed in it) speaks for images that have this digest, one with
    both for those that have both. `TAG@*` alone speaks for images with this tag, with and without a digest: what it
    lets pass, it lets pass under any digest. A pattern with neither speaks for all.
(5) A pattern that no image could ever match is refused: whoever wrote it meant something else.
(6) Specificity: more literal path parts first, then more literal characters of the name, then a tag or digest part
    (both are more than one).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from router.errors import InvalidReferenceError
from router.hosts import HUB, canonical_registry, is_host, is_registry
from router.images import Digest, ImageReference, is_tag, parse_reference
from router.policy.glob import NAMES, WORDS, Glob
from router.policy.matching import expression
from router.text import SHOWN, shown

TEXT_LIMIT = 1024
"""Characters of a pattern: as many as an image reference may have."""
_REGISTRY = re.compile(r"[A-Za-z0-9._*:\[\]-]+", re.ASCII)
_PORT = re.compile(r"[1-9*][0-9*]{0,10}", re.ASCII)
_DEFAULT_PORT = "443"
_WORD = r"[^ ]*"
_STARS = re.compile(r"\*+")
_PATH = re.compile(r"[a-z0-9._/*-]+", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_.*-]{1,128}", re.ASCII)
_CREDENTIALS = re.compile(r"\A([a-z]+://)?[^/@\s]*:[^/@\s]*@(?!sha\d)")
"""What people paste before a host, and nobody may read."""
_DIGEST = re.compile(r"(?:sha256|sha384|sha512|[a-z0-9]*\*[a-z0-9*]*)(?::[0-9a-f*]{1,128})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class ImagePattern:
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
        if "://" in text:
            raise _unmatchable(text, "names have no scheme; leave out everything up to ://")
        rest, at, digest = text.partition("@")
        path, slash, last = rest.rpartition("/")
        last, colon, tag = last.partition(":")
        name = _normalised(text, path + slash + last)
        _check_name(text, name)
        if colon:
            _check_tag(text, tag)
        if at:
            _check_digest(text, digest)
        return cls(
            text,
            Glob(name),
            Glob(_STARS.sub("*", tag)) if colon else None,
            Glob(_STARS.sub("*", digest)) if at else None,
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

    @property
    def is_digest_optional(self) -> bool:
        """Whether `@*` beside a tag says that a digest may follow (rule 4)."""
        return self.tag is not None and self.digest is not None and self.digest.text == "*"

    @property
    def ending(self) -> str:
        """The tag and digest that it asks for, as a regular expression over ` :TAG @DIGEST`, either of them empty."""
        if self.tag is None and self.digest is None:
            return f" {_WORD} {_WORD}"
        tag = _WORD if self.tag is None else f":{expression(self.tag.text)}"
        if self.is_digest_optional:
            return f" {tag} {_WORD}"
        return f" {tag} {'' if self.digest is None else f'@{expression(self.digest.text)}'}"

    def matches(self, image: ImageReference) -> bool:
        """Whether it names this image: the definition, which `router.policy.ranking` must agree with."""
        if not self.name.matches(image.name):
            return False
        if self.tag is not None and (image.tag is None or not self.tag.matches(image.tag)):
            return False
        if self.digest is None:
            return self.tag is None or image.digest is None
        return self.is_digest_optional or (image.digest is not None and self.digest.matches(str(image.digest)))

    def covers(self, other: ImagePattern) -> bool:
        """Whether it matches every image that the other matches; False where that can't be told cheaply."""
        return (
            _covers(self.tag, other.tag)
            and self._covers_digests(other)
            and self.name.covers(other.name, NAMES)  # the dearest comes last
        )

    def _covers_digests(self, other: ImagePattern) -> bool:
        if self.digest is None:
            return self.tag is None or other.digest is None
        return self.is_digest_optional or (not other.is_digest_optional and _covers(self.digest, other.digest))


def _covers(wide: Glob | None, narrow: Glob | None) -> bool:
    return wide is None or (narrow is not None and wide.covers(narrow, WORDS))


def _normalised(text: str, name: str) -> str:
    first, slash, rest = name.partition("/")
    if name.startswith("**"):
        return _canonical_glob(text, first) + slash + rest if slash else name
    if not slash:
        return f"{HUB}/library/{name}"
    if first != "*" and not is_host(first):
        return f"{HUB}/{name}"
    registry = _canonical_glob(text, first) if "*" in first else _canonical(text, first)
    is_official = registry == HUB and "/" not in rest and "**" not in rest
    return f"{HUB}/library/{rest}" if is_official else f"{registry}/{rest}"


def _canonical(text: str, first: str) -> str:
    try:
        return canonical_registry(first)
    except InvalidReferenceError as error:
        raise _unmatchable(text, f"{error}; write HOST or HOST:PORT") from error


def _canonical_glob(text: str, first: str) -> str:
    """Rule 3 for a registry with wildcards."""
    lowered = first.lower()
    host, colon, port = lowered.partition(":")
    if not colon or "[" in host:
        return lowered
    if "*" not in port:
        port = port.lstrip("0")
    if not _PORT.fullmatch(port):
        raise _unmatchable(
            text, f"{_shown(first, 100)} is not a valid registry; write HOST or HOST:PORT, a port without zeros first"
        )
    if port != _DEFAULT_PORT:
        return f"{host}:{port}"
    if "." not in host.rpartition("*")[2]:
        raise _unmatchable(
            text,
            f"names are without port 443, and {_shown(host, 100)} matches other ports too; write whole labels, or none",
        )
    return host


def _check_name(text: str, name: str) -> None:
    first, slash, path = name.partition("/")  # whatever follows the first / is below a registry, after ** too
    if not all(name.split("/")):
        raise _unmatchable(text, "it has an empty path part; write a * for each part, or ** for any number of them")
    if not (_REGISTRY.fullmatch(first) if "*" in first else is_registry(first)) or first != first.lower():
        raise _unmatchable(text, f"{_shown(first, 100)} is not a valid registry; write HOST or HOST:PORT")
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
        raise _unmatchable(text, f"no repository has a part {_shown(part, 100)}") from error


def _check_tag(text: str, tag: str) -> None:
    if not (_TAG.fullmatch(tag) if "*" in tag else is_tag(tag)):
        raise _unmatchable(
            text, f"{_shown(tag, 100)} is not a valid tag: 1 to 128 of A-Z a-z 0-9 _ . - with no . or - first"
        )


def _check_digest(text: str, digest: str) -> None:
    problem = "a digest is ALGORITHM:HEX in lower case, such as sha256:*"
    if "*" not in digest:
        try:
            Digest.parse(digest)
        except InvalidReferenceError as error:
            raise _unmatchable(text, str(error)) from error
    elif not _DIGEST.fullmatch(digest):
        raise _unmatchable(text, f"{_shown(digest, 100)} is not a valid digest; {problem}")


def _unmatchable(text: str, problem: str) -> ValueError:
    return ValueError(f"{_shown(text)} can match no image: {problem}")


def _shown(text: str, most: int = SHOWN) -> str:
    return shown(_CREDENTIALS.sub(r"\1...@", text), most)
