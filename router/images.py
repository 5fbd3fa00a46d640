r"""Image references and digests: parse, normalise, compare. Pure.

The grammar, and what a familiar name such as `nginx` stands for, are those of distribution/reference v0.6
(`reference.go`, `regexp.go`, `normalize.go`), because the kubelet's runtime reads the same text with it: a name
that we read differently would be judged as one image and run as another. Rules, in their order:

1. 64 lower-case hexadecimal digits alone are refused: runtimes take them for an image ID.
2. The part before the first `/` is the registry if it is `localhost`, has a `.` or `:`, or has an upper-case
   letter. Otherwise, and without a `/`, the registry is `docker.io`. `index.docker.io` is `docker.io`.
3. On `docker.io` a single path part gets `library/` before it.
4. The whole must match NAME[:TAG][@DIGEST]; a repository (without its registry) has at most 255 characters.
5. A digest is sha256, sha384 or sha512 in lower case, with exactly as many lower-case digits as it needs.
6. Where neither tag nor digest stands, the tag is `latest`. Tag and digest are both kept; the digest decides.

Two things are refused here that the Go code lets pass: a first part that is a registry by rule 2 but by the
grammar is no host (`a_b.c/x`, which Go parses into a reference without registry), and texts beyond 1024 characters.

Only ASCII classes and full matches are used: Python's `\w` is Unicode and its `$` matches before a newline.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from router.errors import InvalidReferenceError

TEXT_LIMIT = 1024
"""Characters of a reference: 255 of a host and its port, 255 of a path, 128 of a tag, 135 of a digest, and some."""
PATH_LIMIT = 255
"""Characters of a repository without its registry (RepositoryNameTotalLengthMax)."""
SHOWN = 200
"""Characters of a refused text that an error repeats: whoever deploys chooses it."""

_HEX_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}
_HUB, _HUB_LEGACY, _OFFICIAL = "docker.io", "index.docker.io", "library/"

_COMPONENT = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = rf"(?:{_COMPONENT}(?:\.{_COMPONENT})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REGISTRY = re.compile(_DOMAIN, re.ASCII)
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
            raise InvalidReferenceError(f"{_shown(self.algorithm)} is no digest algorithm that we know; known: {known}")
        if len(self.hex) != wanted or _HEX.fullmatch(self.hex) is None:
            raise InvalidReferenceError(f"a {self.algorithm} digest is {wanted} lower-case hexadecimal digits")

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `ALGORITHM:HEX`; raises InvalidReferenceError."""
        algorithm, found, value = text.partition(":")
        if not found:
            raise InvalidReferenceError(f"{_shown(text)} is no digest; write ALGORITHM:HEX, such as sha256:...")
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
    """Host, with its port where the text had one; `docker.io` for Docker Hub."""
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
    """Read an image as a Pod names it. Remembers the last ones: the same few come again and again.

    Raises:
        InvalidReferenceError: The text is no reference; the error says which part is wrong.
    """
    return _parsed(text)


def is_registry(text: str) -> bool:
    """Whether a text can stand as the registry of a reference: HOST or HOST:PORT, an IPv6 address in brackets."""
    return _is_host(text) and _REGISTRY.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    """Whether a text can be a tag: at most 128 of A-Z a-z 0-9 _ . - and neither . nor - first."""
    return _TAG.fullmatch(text) is not None


@lru_cache(maxsize=4096)
def _parsed(text: str) -> ImageReference:
    if len(text) > TEXT_LIMIT:
        raise InvalidReferenceError(f"{_shown(text)} is no image reference: more than {TEXT_LIMIT} characters")
    if _IDENTIFIER.fullmatch(text):
        raise InvalidReferenceError(f"{text!r} is no image reference: 64 hexadecimal digits alone are an image ID")
    registry, rest = _split(text)
    rest, at, digest = rest.partition("@")
    path, colon, tag = rest.partition(":")
    _check(text, registry, path)
    if colon and not is_tag(tag):
        raise InvalidReferenceError(
            f"{_shown(text)} is no image reference: the tag {_shown(tag)} is not 1 to 128 of A-Z a-z 0-9 _ . - "
            "with no . or - first"
        )
    try:
        named = Digest.parse(digest) if at else None
    except InvalidReferenceError as error:
        raise InvalidReferenceError(f"{_shown(text)} is no image reference: {error}") from error
    return ImageReference(registry, path, tag if colon else None if named else "latest", named)


def _split(text: str) -> tuple[str, str]:
    """Rules 2 and 3: the registry, and everything after it."""
    first, slash, rest = text.partition("/")
    if not slash:
        return _HUB, _OFFICIAL + text
    if not _is_host(first):
        return _HUB, text
    if first == _HUB_LEGACY:
        first = _HUB
    if first == _HUB and "/" not in rest:
        rest = _OFFICIAL + rest
    return first, rest


def _is_host(first: str) -> bool:
    return first == "localhost" or "." in first or ":" in first or first.lower() != first


def _check(text: str, registry: str, path: str) -> None:
    """Rule 4, with the commonest mistakes in words."""
    if not text:
        problem = "it is empty"
    elif _REGISTRY.fullmatch(registry) is None:
        problem = f"{_shown(registry)} is no registry host"
    elif _PATH.fullmatch(path) is None:
        problem = "a repository is in lower case" if path.lower() != path else f"{_shown(path)} is no repository"
    elif len(path) > PATH_LIMIT:
        problem = f"its repository has more than {PATH_LIMIT} characters"
    else:
        return
    raise InvalidReferenceError(f"{_shown(text)} is no image reference: {problem}")


def _shown(text: str) -> str:
    return repr(text) if len(text) <= SHOWN else repr(text[:SHOWN]) + "..."
