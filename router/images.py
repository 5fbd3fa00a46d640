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
3. The registry is brought into its canonical form, see below.
4. On `docker.io` a single path part gets `library/` before it.
5. The whole must match NAME[:TAG][@DIGEST]; a repository (without its registry) has at most 255 characters.
6. A digest is sha256, sha384 or sha512 in lower case, with exactly as many lower-case digits as it needs.
7. Where neither tag nor digest stands, the tag is `latest`. Tag and digest are both kept; the digest decides.

One host has one canonical form, in which names, patterns, credentials and caches meet. It leads where the text as
written leads:

a. in lower case;
b. a port has no leading zeros and is 1 to 65535. 443 is left out, since it is what a name without a port means;
   but a single label other than `localhost` keeps it (`registry:443`, also for `Registry/app`), because without one
   it would be read as a path. Port 80 always stays: which registries speak without TLS is no part of a name;
c. an IPv6 address is compressed (RFC 5952). An IPv4 address within one (`::ffff:7f00:1`) is read in just this form,
   and is the IPv4 address then; in any other it is refused;
d. a name whose last label is a number (`127.1`, `0177.0.0.1`, `0x7f.1`) is an IPv4 address to resolvers, to each in
   its own way: it is refused unless it is four numbers from 0 to 255 without leading zeros;
e. the names at which Docker Hub answers are `docker.io`. Its credentials still go to its own host only.

Refused here, unlike in the Go code: ids (1), a first part that is a registry by rule 2 but by the grammar is no host
(`a_b.c/x`, which Go parses into a reference without registry), hosts of more than 253 characters, which no name server
knows, ports and addresses that are none (b to d), and texts beyond 1024 characters.

Lengths are checked before anything is searched in a text. Only ASCII classes and full matches are used: Python's
`\w` is Unicode and its `$` matches before a newline.
"""

from __future__ import annotations

import hashlib
import ipaddress
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

HOST_LIMIT = 253
"""Characters of a host without its port: what a name in DNS can have (RFC 1035, clause 2.3.4)."""
TAG_LIMIT = 128
"""Characters of a tag."""
REMEMBERED = 4096
"""Texts whose reference is remembered: about 4 MB at most, since longer ones are read anew."""
REMEMBERED_LENGTH = 256
"""Characters of a text that is remembered: more than honest names have."""
HUB = "docker.io"
"""The canonical name of Docker Hub."""
HUB_NAMES = frozenset(
    {HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com", "registry.ipv6.docker.com"}
)
"""The names at which Docker Hub answers, all with the same repositories."""

_HEX_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}
_ALGORITHMS = frozenset({*_HEX_DIGITS, "blake3"})
"""Digest algorithms of go-digest, which runtimes read ids with."""
_OFFICIAL = "library/"
_DEFAULT_PORT, _HIGHEST_PORT, _HIGHEST_OCTET, _OCTETS = 443, 65535, 255, 4

_COMPONENT = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = rf"(?:{_COMPONENT}(?:\.{_COMPONENT})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REGISTRY = re.compile(_DOMAIN, re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
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
            raise InvalidReferenceError(f"{shown(self.algorithm)} is no digest algorithm that we know; known: {known}")
        if len(self.hex) != wanted or _HEX.fullmatch(self.hex) is None:
            raise InvalidReferenceError(f"a {self.algorithm} digest is {wanted} lower-case hexadecimal digits")

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `ALGORITHM:HEX`; raises InvalidReferenceError."""
        algorithm, found, value = text.partition(":")
        if not found:
            raise InvalidReferenceError(f"{shown(text)} is no digest; write ALGORITHM:HEX, such as sha256:...")
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


def is_registry(text: str) -> bool:
    """Whether a text can stand as the registry of a reference: HOST or HOST:PORT, an IPv6 address in brackets."""
    try:
        canonical_registry(text)
    except InvalidReferenceError:
        return False
    return is_host(text)


def is_host(first: str) -> bool:
    """Whether the first of several path parts is read as a registry (rule 2)."""
    return first == "localhost" or "." in first or ":" in first or first.lower() != first


def canonical_registry(text: str) -> str:
    """HOST or HOST:PORT in the one form in which it is compared (a to e); raises InvalidReferenceError."""
    is_long = len(text) > HOST_LIMIT + len(":65535") or len(text.partition(":")[0]) > HOST_LIMIT
    if is_long or _REGISTRY.fullmatch(text) is None:
        problem = f": it has more than {HOST_LIMIT} characters" if is_long else ""
        raise InvalidReferenceError(f"{shown(text)} is no registry host{problem}")
    lowered = text.lower()
    host, bracket, port = lowered.rpartition("]")
    if bracket:
        host, port = _ipv6(text, host[1:]), port[1:]
    else:
        host, _, port = lowered.partition(":")
        _check_number(text, host)
    number = _port(text, port) if port else _DEFAULT_PORT
    if number == _DEFAULT_PORT:
        if host in HUB_NAMES:
            return HUB
        if is_host(host):
            return host
    return f"{host}:{number}"


def is_misread_number(host: str) -> bool:
    """Whether a host ends in a number, and is no IPv4 address in the one form that everybody reads alike (rule d)."""
    labels = host.split(".")
    last = host.lower().removesuffix(".").rpartition(".")[2]
    return _NUMBER.fullmatch(last) is not None and not (len(labels) == _OCTETS and all(map(_is_octet, labels)))


def is_tag(text: str) -> bool:
    """Whether a text can be a tag: at most 128 of A-Z a-z 0-9 _ . - and neither . nor - first."""
    return len(text) <= TAG_LIMIT and _TAG.fullmatch(text) is not None


def shown(text: str) -> str:
    """A text that others wrote, as an error repeats it."""
    return repr(text) if len(text) <= SHOWN else repr(text[:SHOWN]) + "..."


def _parsed(text: str) -> ImageReference:
    if len(text) > TEXT_LIMIT:
        raise InvalidReferenceError(f"{shown(text)} is no image reference: more than {TEXT_LIMIT} characters")
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
            f"{shown(text)} is no image reference: the tag {shown(tag)} is not 1 to {TAG_LIMIT} of A-Z a-z 0-9 _ . - "
            "with no . or - first"
        )
    try:
        named = Digest.parse(digest) if at else None
    except InvalidReferenceError as error:
        raise InvalidReferenceError(f"{shown(text)} is no image reference: {error}") from error
    return ImageReference(registry, path, tag if colon else None if named else "latest", named)


_remembered = lru_cache(maxsize=REMEMBERED)(_parsed)


def _check_id(text: str, first: str, *, is_alone: bool) -> None:
    """Rule 1."""
    if _IDENTIFIER.fullmatch(text):
        raise InvalidReferenceError(f"{text!r} is no image reference: 64 hexadecimal digits alone are an image ID")
    name = first.partition("@")[0].partition(":")[0]
    if is_alone and name in _ALGORITHMS:
        raise InvalidReferenceError(
            f"{shown(text)} is no image reference: runtimes take {name}:... for an image ID; name its repository"
        )


def _registry(text: str, first: str) -> str:
    try:
        return canonical_registry(first)
    except InvalidReferenceError as error:
        raise InvalidReferenceError(f"{shown(text)} is no image reference: {error}") from error


def _ipv6(text: str, host: str) -> str:
    """Rule c."""
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError as error:
        raise InvalidReferenceError(f"{shown(text)} is no registry host: no IPv6 address") from error
    within = address.ipv4_mapped
    if within is None:
        return f"[{address.compressed}]"
    high, low = divmod(int(within), 1 << 16)
    if not text.startswith(f"[::ffff:{high:x}:{low:x}]"):
        raise InvalidReferenceError(f"{shown(text)} is no registry host: write the IPv4 address {within} itself")
    return str(within)


def _check_number(text: str, host: str) -> None:
    if is_misread_number(host):
        raise InvalidReferenceError(
            f"{shown(text)} is no registry host: a name that ends in a number is an IPv4 address, "
            "and that is written as four numbers from 0 to 255"
        )


def _is_octet(label: str) -> bool:
    return label.isdecimal() and str(int(label)) == label and int(label) <= _HIGHEST_OCTET


def _port(text: str, port: str) -> int:
    """Rule b."""
    number = int(port)
    if not 0 < number <= _HIGHEST_PORT:
        raise InvalidReferenceError(f"{shown(text)} is no registry host: a port is 1 to {_HIGHEST_PORT}")
    return number


def _check(text: str, path: str) -> None:
    """Rule 5, with the commonest mistakes in words."""
    if not text:
        problem = "it is empty"
    elif len(path) > PATH_LIMIT:
        problem = f"its repository has more than {PATH_LIMIT} characters"
    elif _PATH.fullmatch(path) is None:
        problem = "a repository is in lower case" if path.lower() != path else f"{shown(path)} is no repository"
    else:
        return
    raise InvalidReferenceError(f"{shown(text)} is no image reference: {problem}")
