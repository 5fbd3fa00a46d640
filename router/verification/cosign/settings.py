"""What stands beneath a verifier of kind `cosign`: who may sign. Pure.

Rules:
(1) Keys are read and parsed while the configuration is checked, so that `config check` tells of a bad key at its
    place and nothing can fail later.
(2) A set of keys is never empty, and no name stands twice. A key may stand under two names: it is one signer then,
    whatever a threshold hopes for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from router.errors import ConfigurationError
from router.fields import Name, SettingsModel, read_reference
from router.verification.cosign.scheme import CosignKeyScheme
from router.verification.keys import PublicKey, UnusableKeyError, trust_in
from router.verification.scheme import Demands
from router.verification.settings import SchemeSettings


@dataclass(frozen=True, slots=True)
class KeySource:
    """A public key as it was written, with what was read there."""

    written: str
    """The PEM text, or the path of the file, as it stands in the configuration."""
    key: PublicKey | None
    """None only where a file could not be looked at: no reading context (schemas, settings built by hand)."""


def _inline_key(value: object) -> KeySource:
    if isinstance(value, KeySource):
        return value
    if not isinstance(value, str):
        raise ValueError('a key is a PEM text that begins with "-----BEGIN PUBLIC KEY-----"')  # noqa: TRY004 - pydantic reports ValueError
    try:
        return KeySource(value, PublicKey.from_pem(value.encode()))
    except UnusableKeyError as error:
        raise ValueError(f"the text {error}") from error


def _key_file(value: object, info: ValidationInfo) -> KeySource:
    if isinstance(value, KeySource):
        return value
    if not isinstance(value, str | Path) or not str(value):
        raise ValueError("name the file of a public key in PEM, such as release.pub")
    if (content := read_reference(Path(value), info, "the key file")) is None:
        return KeySource(str(value), None)
    try:
        return KeySource(str(value), PublicKey.from_pem(content))
    except UnusableKeyError as error:
        raise ValueError(f"the key file {str(value)!r} {error}") from error


def _as_written(source: KeySource | None) -> str | None:
    return None if source is None else source.written


InlineKey = Annotated[
    KeySource,
    PlainValidator(_inline_key),
    PlainSerializer(_as_written),
    WithJsonSchema({"type": "string", "pattern": "-----BEGIN (RSA )?PUBLIC KEY-----"}),
]
"""A public key as PEM text."""

KeyFile = Annotated[
    KeySource,
    PlainValidator(_key_file),
    PlainSerializer(_as_written),
    WithJsonSchema({"type": "string", "minLength": 1, "examples": ["release.pub"]}),
]
"""The path of a file with one public key in PEM; a relative one is relative to the configuration file."""


class KeySettings(SettingsModel):
    """One public key with a name: EC P-256, P-384 or P-521, RSA from 2048 bits, or Ed25519."""

    name: Name
    """What rules (`required`), messages and events call this signer."""
    pem: InlineKey | None = None
    """The key itself, in PEM."""
    file: KeyFile | None = None
    """A file that holds the key in PEM; relative to the configuration file."""

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.pem is None) == (self.file is None):
            raise ValueError("give exactly one of pem (the key itself) and file (where it stands)")
        return self

    @property
    def key(self) -> PublicKey | None:
        """The key, or None where it stands in a file that nobody has read."""
        source = self.pem or self.file
        return None if source is None else source.key

    def loaded(self) -> PublicKey:
        """The key.

        Raises:
            ConfigurationError: It stands in a file that was not read with the configuration.
        """
        if (key := self.key) is None:
            raise ConfigurationError(f"the key {self.name!r} stands in a file that was not read")
        return key


def _at_least_one(keys: tuple[KeySettings, ...]) -> tuple[KeySettings, ...]:
    if not keys:  # said here and not by `min_length`, which complains as well where a key is merely wrong
        raise ValueError("a verifier needs at least one key; without keys nothing could pass")
    return keys


class CosignSettings(SchemeSettings):
    """Images signed with cosign and one of these keys, whichever format: `.sig` tag or bundle."""

    kind: Literal["cosign"]
    """The scheme."""
    keys: Annotated[tuple[KeySettings, ...], AfterValidator(_at_least_one), Field(json_schema_extra={"minItems": 1})]
    """Who may sign. One of them suffices unless the rule's `with` says more."""

    @model_validator(mode="after")
    def _names_every_key_once(self) -> Self:
        by_name: set[str] = set()
        for entry in self.keys:
            if entry.name in by_name:
                raise ValueError(f'two keys are called "{entry.name}"; a rule could not tell them apart')
            by_name.add(entry.name)
        return self

    def scheme(self) -> CosignKeyScheme:
        """Signatures by these keys, which are trusted for as long as they stand here."""
        return CosignKeyScheme(trust_in((entry.name, entry.loaded()) for entry in self.keys))

    def wants(self, demands: Demands) -> str:
        """By whom."""
        return _described([entry.name for entry in self.keys], demands)

    @property
    def signers(self) -> tuple[tuple[str, str], ...]:
        """The keys, which are the same by their fingerprint."""
        return tuple((entry.name, entry.loaded().fingerprint) for entry in self.keys)


def _described(names: Sequence[str], demands: Demands) -> str:
    threshold = demands.threshold or 1
    asked = [name for name in names if name in demands.required]
    if len(asked) >= threshold:  # the required ones meet the threshold by themselves
        names, threshold, asked = asked, len(asked), []
    listed = ", ".join(names)
    if len(names) == 1:
        return f'a signature by key "{names[0]}"'
    if threshold == 1:
        return f"a signature by one of: {listed}"
    if threshold >= len(names):
        return f"signatures by all of: {listed}"
    including = f", including {' and '.join(asked)}" if asked else ""
    return f"signatures by {threshold} of: {listed}{including}"
