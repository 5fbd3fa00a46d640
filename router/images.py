r"""Image references and digests: parse, normalise, compare. Pure.

The grammar, and what a familiar name such as `nginx` stands for, are those of distribution/reference v0.6
(`reference.go`, `regexp.go`, `normalize.go`), because the kubelet's runtime reads the same text with it: a name
that we read differently would be judged as one image and run as another. Rules, in their order:

1. What a runtime takes for the id of an image that its node has already is refused, for no registry is asked about
   it: 64 lower-case hexadecimal digits alone, and a single path part that is a digest algorithm (`sha256:...`;
   containerd looks such a text up among its ids, prefixes of them too, before it reads it as a name). With a path or a
   registry before it (`library/sha256`) it is a name like any other.
2. The part before the first `/` is the registry if it is `localhost`, has a `.` or `:`, or has an upper-case
   letter. Otherwise, and without a `/`, the registry is `docker.io`.
3. The registry is brought into its canonical form (`router.hosts`).
4. On `docker.io` a single path part gets `library/` before it.
5. The whole must match NAME[:TAG][@DIGEST]; a repository (without its registry) has at most 255 characters.
6. A digest is sha256, sha384 or sha512 in lower case, with exactly as many lower-case digits as it needs.
7. Where neither tag nor digest stands, the tag is `latest`. Tag and digest are both kept; the digest decides.

Refused here, unlike in the Go code: ids (1), a first part that is a registry by rule 2 but by the grammar is no host
(`a_b.c/x`, which Go parses into a reference without registry), whatever
`router.hosts` refuses, and texts beyond 1024 characters.

Lengths are checked before anything is searched in a text. Only ASCII classes and full matches are used: Python's
`\w` is Unicode and its `$` matches before a newline.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from router.errors import InvalidReferenceError
from router.hosts import HUB, canonical_registry, is_host
from router.text import shown

TEXT_LIMIT = 1024
"""Characters of a reference: 255 of a host and its port, 255 of a path, 128 of a tag, 135 of a digest, and some."""
PATH_LIMIT = 255
"""Characters of a repository without its registry (RepositoryNameTotalLengthMax)."""
TAG_LIMIT = 128
"""Characters of a tag."""
REMEMBERED = 4096
"""Texts whose reference is remembered: about 4 MB at most, since longer ones are read anew."""
REMEMBERED_LENGTH = 256
"""Characters of a text that is remembered: more than honest names have."""

_HEX_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}
_ALGORITHMS = frozenset({*_HEX_DIGITS, "blake3"})
"""Digest algorithms of go-digest, which runtimes read ids with."""
_OFFICIAL = "library/"

_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PART}(?:/{_PART})*", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_HEX = re.compile(r"[0-9a-f]+", re.ASCII)
_IDENTIFIER = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Digest:
    """The hash that names some bytes. Constructing one that is none raises InvalidReferenceError."""

    algorithm: str
    hex: str

    def __post_init__(self) -> None:
        wanted = _HEX_DIGITS.get(self.algorithm)
        if wanted is None:
            known = ", ".join(_HEX_DIGITS)
            raise InvalidReferenceError(
                f"{shown(self.algorithm)} is not a digest algorithm that we know; known: {known}"
            )
        if len(self.hex) != wanted or _HEX.fullmatch(self.hex) is None:
            raise InvalidReferenceError(f"a {self.algorithm} digest is {wanted} lower-case hexadecimal digits")

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `ALGORITHM:HEX`; raises InvalidReferenceError."""
        algorithm, found, value = text.partition(":")
        if not found:
            raise InvalidReferenceError(f"{shown(text)} is not a valid digest; write ALGORITHM:HEX, such as sha256:...")
        return cls(algorithm, value)

    @classmethod
    def of(cls, data: bytes, algorithm: str = "sha256") -> Self:
        """The digest of these bytes; raises InvalidReferenceError for an algorithm that we do not know."""
        if algorithm not in _HEX_DIGITS:
            return cls(algorithm, "")
        return cls(algorithm, hashlib.new(algorithm, data).hexdigest())

    def matches(self, data: bytes) -> bool:
        """Whether these are the bytes that it names."""
        return hashlib.new(self.algorithm, data).hexdigest() == self.hex


@dataclass(frozen=True, slots=True)
class ImageReference:
    """An image as a registry knows it: normalised, so that equal images are equal values."""

    registry: str
    """Host and port in canonical form; `docker.io` for Docker Hub."""
    repository: str
    """Path without the registry."""
    tag: str | None
    digest: Digest | None

    @property
    def name(self) -> str:
        """Registry and repository, which is what policy patterns match."""
        return f"{self.registry}/{self.repository}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        digest = f"@{self.digest}" if self.digest is not None else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"


def parse_reference(text: str) -> ImageReference:
    """Read an image as a Pod names it. Remembers the last ones of usual length: the same few come again and again.

    Raises:
        InvalidReferenceError: The text is no reference; the error says which part is wrong.
    """
    return _remembered(text) if len(text) <= REMEMBERED_LENGTH else _parsed(text)


def is_tag(text: str) -> bool:
    """Whether a text can be a tag: at most 128 of A-Z a-z 0-9 _ . - and neither . nor - first."""
    return len(text) <= TAG_LIMIT and _TAG.fullmatch(text) is not None


def _parsed(text: str) -> ImageReference:
    if len(text) > TEXT_LIMIT:
        raise InvalidReferenceError(f"{shown(text)} is not a valid image reference: more than {TEXT_LIMIT} characters")
    first, slash, rest = text.partition("/")
    if slash and is_host(first):
        registry = _registry(text, first)
    else:
        _check_id(text, first, is_alone=not slash)
        registry, rest = HUB, text
    rest, at, digest = rest.partition("@")
    path, colon, tag = rest.partition(":")
    if registry == HUB and "/" not in path:
        path = _OFFICIAL + path
    _check(text, path)
    if colon and not is_tag(tag):
        raise InvalidReferenceError(
            f"{shown(text)} is not a valid image reference: the tag {shown(tag)} is not 1 to {TAG_LIMIT} of A-Z a-z "
            "0-9 _ . - with no . or - first"
        )
    try:
        named = Digest.parse(digest) if at else None
    except InvalidReferenceError as error:
        raise InvalidReferenceError(f"{shown(text)} is not a valid image reference: {error}") from error
    return ImageReference(registry, path, tag if colon else None if named else "latest", named)


_remembered = lru_cache(maxsize=REMEMBERED)(_parsed)


def _check_id(text: str, first: str, *, is_alone: bool) -> None:
    """Rule 1."""
    if _IDENTIFIER.fullmatch(text):
        raise InvalidReferenceError(
            f"{shown(text)} is not a valid image reference: 64 hexadecimal digits alone are an image ID"
        )
    name = first.partition("@")[0].partition(":")[0]
    if is_alone and name in _ALGORITHMS:
        raise InvalidReferenceError(
            f"{shown(text)} is not a valid image reference: runtimes take {name}:... for an image ID; "
            "name its repository"
        )


def _registry(text: str, first: str) -> str:
    try:
        return canonical_registry(first)
    except InvalidReferenceError as error:
        raise InvalidReferenceError(f"{shown(text)} is not a valid image reference: {error}") from error


def _check(text: str, path: str) -> None:
    """Rule 5, with the commonest mistakes in words."""
    if not text:
        problem = "it is empty"
    elif len(path) > PATH_LIMIT:
        problem = f"its repository has more than {PATH_LIMIT} characters"
    elif _PATH.fullmatch(path) is None:
        problem = (
            "a repository is in lower case" if path.lower() != path else f"{shown(path)} is not a valid repository"
        )
    else:
        return
    raise InvalidReferenceError(f"{shown(text)} is not a valid image reference: {problem}")
