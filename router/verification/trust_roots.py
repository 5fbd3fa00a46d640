"""Which Sigstore instances are trusted, and where that stands: a file, a TUF repository, or with the package.

Rules:
(1) A trusted root in a file is read and checked while the configuration is read, so that nothing can fail later.
(2) "public-good" is Sigstore's own public instance. Its root comes with the package, as Sigstore's client had it on the
    day `PUBLIC_GOOD_AS_OF`, and is read only where a verifier uses it. Nobody can give the name another meaning.
(3) Verifiers name a root, or a file of their own. Which names there are stands under `trust_roots`.
(4) What comes from a repository (`public-good`, `tuf`) can be renewed while we run: whoever makes a scheme says what
    the repositories hold now (`Roots`). Without that, what came with the package counts; where nothing did, nothing can
    be proven (`trust_missing`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Self, TypeAlias

from pydantic import AfterValidator, Field, PrivateAttr, ValidationInfo, model_validator

from router.by_reference import RelativePath
from router.fields import Duration, Name, SettingsModel
from router.outbound.urls import read_url, sound_url
from router.pem import read_authorities
from router.verification.repositories import Repository, checked_beginning
from router.verification.sigstore.trusted_root import TrustedRoot, read_trusted_root
from router.verification.sources import Source, SourceReading

PUBLIC_GOOD = "public-good"
"""The name of Sigstore's public instance."""
PUBLIC_GOOD_URL = "https://tuf-repo-cdn.sigstore.dev"
PUBLIC_GOOD_AS_OF = dt.date(2026, 11, 29)
"""The day on which the newest release of Sigstore's client (4.5.1) had the very bytes that come with this package."""
_DAY = 86400.0
_OFTENEST, _SELDOMEST = 60.0, 30 * _DAY
_URL_LIMIT = 1000

Roots: TypeAlias = Mapping[str, TrustedRoot]
"""What repositories hold now, by their ids."""
NO_ROOTS: Roots = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RootSource:
    """Where a trusted root comes from, and what is known of it."""

    written: str
    """The path of the file, as it stands in the configuration, or the address of the repository."""
    root: TrustedRoot | None
    """None where there was nothing to read: a file without a reading context (schemas, settings built by hand), or a
    repository of which nothing came along."""
    repository: Repository | None = None
    """Where it is renewed from; None: nowhere."""

    def now(self, roots: Roots) -> TrustedRoot | None:
        """What it is by now."""
        return self.root if self.repository is None else roots.get(self.repository.id, self.root)


RootFile: TypeAlias = Annotated[
    Source[TrustedRoot],
    SourceReading(
        read_trusted_root,
        "name the file of a trusted root, such as trusted_root.json",
        file="the trusted root",
        example="trusted_root.json",
    ),
]
"""The path of a file in Sigstore's trusted_root JSON; a relative one is relative to the configuration file."""


def _not_built_in(name: str) -> str:
    if name == PUBLIC_GOOD:
        raise ValueError(f'"{name}" is built in and can not be defined again; choose another name')
    return name


class OwnRoot(SettingsModel):
    """A trusted root that only this verifier uses."""

    file: RootFile
    """A file in Sigstore's trusted_root JSON, as `cosign trusted-root create` writes it."""


def _repository_url(written: str) -> str:
    try:
        url = sound_url(read_url(written))
    except ValueError as error:
        raise ValueError(f"no address of a TUF repository: {error}; write https://HOST/PATH") from error
    if url.query_string or url.fragment or not written.isascii() or not written.isprintable():
        raise ValueError("no address of a TUF repository; leave out query, fragment and what is not ASCII")
    return written.rstrip("/")


def _bearable(seconds: float) -> float:
    if not _OFTENEST <= seconds <= _SELDOMEST:
        raise ValueError("a trusted root is refreshed every 1m to 30d, such as 24h")
    return seconds


BeginningFile: TypeAlias = Annotated[
    Source[bytes],
    SourceReading(
        checked_beginning,
        "name the file of a TUF repository's root metadata, such as root.json",
        file="the root metadata",
        example="root.json",
    ),
]
"""The path of a file with root metadata of TUF; a relative one is relative to the configuration file."""


class TufSettings(SettingsModel):
    """A TUF repository that holds a trusted root as its target `trusted_root.json`."""

    url: Annotated[str, Field(max_length=_URL_LIMIT, examples=["https://tuf.example"]), AfterValidator(_repository_url)]
    """Where its metadata lies, such as https://tuf.example; targets lie in `targets/` below. It may be http: what comes
    from there counts by its signatures alone."""
    root: BeginningFile
    """Its root metadata (`root.json`) that all begins with, given to you on a way that you trust; relative to the
    configuration file. It may be an old one."""
    refresh: Annotated[Duration, AfterValidator(_bearable)] = _DAY
    """How often it is asked, from 1m to 30d."""
    ca: RelativePath | None = None
    """A PEM file of the only CAs that may vouch for the server; the system's CAs where it is absent."""
    _ca: str | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _read(self, info: ValidationInfo) -> Self:
        if self.ca is not None:
            self._ca = read_authorities(self.ca, info)
        return self

    def repository(self, name: str) -> Repository | None:
        """The repository of the trusted root with this name; None where files were not read."""
        beginning = self.root.value
        return None if beginning is None else Repository(name, self.url, beginning, self.refresh, self._ca)


class TrustRootSettings(SettingsModel):
    """A Sigstore instance that verifiers may name: a file, or a TUF repository."""

    name: Annotated[Name, AfterValidator(_not_built_in)]
    """What verifiers call it; `public-good` is built in."""
    file: RootFile | None = None
    """A file in Sigstore's trusted_root JSON, as `cosign trusted-root create` writes it."""
    tuf: TufSettings | None = None
    """A TUF repository, which is asked now and then while Gatecrier runs."""

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.file is None) == (self.tuf is None):
            raise ValueError("give exactly one of file (a trusted_root.json) and tuf (a repository that holds one)")
        return self

    @property
    def source(self) -> RootSource:
        """What is known of it."""
        if self.tuf is not None:
            return RootSource(self.tuf.url, None, self.tuf.repository(self.name))
        return RootSource("", None) if self.file is None else RootSource(self.file.written, self.file.value)


TrustRootChoice: TypeAlias = Annotated[Name | OwnRoot, Field(union_mode="left_to_right")]
"""The name of a trusted root, or `{file: trusted_root.json}`."""


def root_by_choice(choice: str | OwnRoot, roots: Sequence[TrustRootSettings]) -> RootSource | None:
    """The root that a verifier chose; None where there is no such name."""
    if isinstance(choice, OwnRoot):
        return RootSource(choice.file.written, choice.file.value)
    if choice == PUBLIC_GOOD:
        return public_good_source()
    return next((entry.source for entry in roots if entry.name == choice), None)


@cache
def public_good() -> TrustedRoot:
    """Sigstore's public instance, as shipped."""
    return read_trusted_root(_shipped("public_good.json"))


@cache
def public_good_source() -> RootSource:
    """The same with where it is renewed from."""
    as_of = dt.datetime.combine(PUBLIC_GOOD_AS_OF, dt.time(), dt.UTC).timestamp()
    # Byte for byte what Sigstore's root keys have signed. Its own notes in there can't be changed: whose each key is
    # (`x-tuf-on-ci-keyowner`), and where Sigstore keeps its online key (`gcpkms:...`), which nothing here asks.
    beginning = _shipped("public_good_root.json")
    repository = Repository(PUBLIC_GOOD, PUBLIC_GOOD_URL, beginning, _DAY, shipped_at=as_of)
    return RootSource(PUBLIC_GOOD_URL, public_good(), repository)


def _shipped(name: str) -> bytes:
    return (Path(__file__).parent / name).read_bytes()
