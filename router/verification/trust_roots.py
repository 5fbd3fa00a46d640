"""Which Sigstore instances are trusted, and where that stands: a file, or with the package.

Rules:
(1) A trusted root is read and checked while the configuration is read, so that nothing can fail later.
(2) "public-good" is Sigstore's own public instance. Its root comes with the package, as Sigstore's client had it when
    this version was made, and is read only where a verifier uses it. Nobody can give the name another meaning.
(3) Verifiers name a root, or a file of their own. Which names there are stands under `trust_roots`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from router.fields import Name, SettingsModel
from router.verification.sigstore.trusted_root import TrustedRoot, read_trusted_root
from router.verification.sources import Reading, Source

PUBLIC_GOOD = "public-good"
"""The name of Sigstore's public instance."""


RootFile: TypeAlias = Annotated[
    Source[TrustedRoot],
    Reading(
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


class TrustRootSettings(SettingsModel):
    """A Sigstore instance that verifiers may name."""

    @model_validator(mode="before")
    @classmethod
    def _is_a_file(cls, written: object) -> object:
        if isinstance(written, dict) and "tuf" in written:
            raise ValueError("tuf is not part of this version; give the repository's trusted_root.json as file")
        return written

    name: Annotated[Name, AfterValidator(_not_built_in)]
    """What verifiers call it; `public-good` is built in."""
    file: RootFile
    """A file in Sigstore's trusted_root JSON, as `cosign trusted-root create` writes it."""


TrustRootChoice: TypeAlias = Annotated[Name | OwnRoot, Field(union_mode="left_to_right")]
"""The name of a trusted root, or `{file: trusted_root.json}`."""


def root_by_choice(choice: str | OwnRoot, roots: Sequence[TrustRootSettings]) -> TrustedRoot | None:
    """The root that a verifier chose; None where there is no such name, or its file was not read."""
    if isinstance(choice, OwnRoot):
        return choice.file.value
    if choice == PUBLIC_GOOD:
        return public_good()
    return next((entry.file.value for entry in roots if entry.name == choice), None)


@cache
def public_good() -> TrustedRoot:
    """Sigstore's public instance, as shipped."""
    return read_trusted_root((Path(__file__).parent / "public_good.json").read_bytes())
