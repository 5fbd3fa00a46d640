"""What stands beneath a verifier of kind `cosign`: who may sign. Pure.

Rules:
(1) Keys are read and parsed while the configuration is checked, so that `config check` tells of a bad key at its
    place and nothing can fail later.
(2) There is at least one key or identity, and no name stands twice. A key may stand under two names: it is one signer
    then, whatever a threshold hopes for.
(3) A log is asked of identities unless it is said otherwise, and of keys only where it is said: a key that leaks is
    taken out here, a certificate that was issued wrongly is found by whoever watches the log.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    Field,
    PrivateAttr,
    ValidationInfo,
    model_validator,
)

from router.errors import ConfigurationError, InvalidReferenceError
from router.fields import Name, SettingsModel
from router.images import parse_reference
from router.text import shortened, shown
from router.verification.anchors import Anchor
from router.verification.awaiting import AwaitingRoot
from router.verification.cosign.identity_settings import AttestationSettings, IdentitySettings
from router.verification.cosign.scheme import CosignScheme
from router.verification.cosign.signatories import Signatories, trusted
from router.verification.evidence import SIGN_PREDICATE
from router.verification.keys import PublicKey, distinct_keys
from router.verification.outside import NOTHING_KNOWN, Outside
from router.verification.scheme import AnyScheme, Demands
from router.verification.settings import DeclaredSigner, Demandable, SchemeSettings, annotated
from router.verification.sigstore.proof import Requirements
from router.verification.sources import Source, SourceReading
from router.verification.trust_roots import (
    PUBLIC_GOOD,
    RootSource,
    TrustRootChoice,
    TrustRootSettings,
    root_by_choice,
)

InlineKey: TypeAlias = Annotated[
    Source[PublicKey],
    SourceReading(
        PublicKey.from_pem,
        'a key is a PEM text that begins with "-----BEGIN PUBLIC KEY-----"',
        pattern="-----BEGIN (RSA )?PUBLIC KEY-----",
    ),
]
"""A public key as PEM text."""

KeyFile: TypeAlias = Annotated[
    Source[PublicKey],
    SourceReading(
        PublicKey.from_pem,
        "name the file of a public key in PEM, such as release.pub",
        file="the key file",
        example="release.pub",
    ),
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

    @model_validator(mode="before")
    @classmethod
    def _is_read_here(cls, written: object) -> object:
        for name in ("kms", "secret"):
            if isinstance(written, dict) and name in written:
                raise ValueError(
                    f"{name} is not part of this version; export the public key (cosign public-key) and give it as "
                    "pem or file"
                )
        return written

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.pem is None) == (self.file is None):
            raise ValueError("give exactly one of pem (the key itself) and file (where it stands)")
        return self

    @property
    def key(self) -> PublicKey | None:
        """The key, or None where it stands in a file that nobody has read."""
        source = self.pem or self.file
        return None if source is None else source.value

    @property
    def who(self) -> str:
        """What is the same for the same key; of one that nobody has read, the name of its file."""
        return repr(self.file and self.file.written) if self.key is None else self.key.fingerprint

    def loaded(self) -> PublicKey:
        """The key.

        Raises:
            ConfigurationError: It stands in a file that was not read with the configuration.
        """
        if (key := self.key) is None:
            raise ConfigurationError(f"the key {shown(self.name)} stands in a file that was not read")
        return key


def _repository(text: str) -> str:
    if not re.fullmatch(r"[^:@]+(:[0-9]+/[^:@]+)?", text, re.ASCII):
        raise ValueError(f"{shown(text, 200)} names more than a repository; leave tag and digest out")
    try:
        parse_reference(text)
    except InvalidReferenceError as error:
        raise ValueError(f"{shown(text, 200)} is not a valid repository: {error}") from error
    return text


def _somebody(keys: tuple[KeySettings, ...], info: ValidationInfo) -> tuple[KeySettings, ...]:
    if not keys and not info.data.get("keyless", ("somebody who is wrong",)):
        raise ValueError("a verifier needs at least one key or identity; without any nothing could pass")
    return keys


class CosignSettings(SchemeSettings):
    """Images signed with cosign by one of these, whichever format: `.sig` tag or bundle."""

    kind: Literal["cosign"]
    """The scheme."""
    keyless: tuple[IdentitySettings, ...] = ()
    """Identities that may sign, with short-lived certificates of the trust root's authorities."""
    keys: Annotated[tuple[KeySettings, ...], AfterValidator(_somebody), Field(validate_default=True)] = ()
    """Keys that may sign. One of all keys and identities suffices unless the rule's `with` says more."""
    trust_root: TrustRootChoice = PUBLIC_GOOD
    """Whose certificate authorities, logs and timestamp authorities count: a name under `trust_roots`, or `{file:
    trusted_root.json}`. Read only where identities, a log or timestamps are asked for."""
    transparency_log: Literal["required", "ignore"] | None = None
    """Whether a signature must be in a log of the trust root. None: `required` for identities, `ignore` for keys."""
    timestamp: Literal["required", "if_present"] = "if_present"
    """Whether a signature must have a timestamp (RFC 3161) of the trust root's authorities. An identity needs a proven
    time in any case: a timestamp, or the one that a log of the first generation has signed."""
    sct: Literal["required", "ignore"] = "required"
    """Whether a certificate log of the trust root must have promised to hold an identity's certificate."""
    attestation: AttestationSettings | None = None
    """Asks for an attestation in place of a signature."""
    signature_repository: Annotated[str, AfterValidator(_repository)] | None = None
    """The repository that holds the signatures, such as registry.example/signatures, where they do not lie beside the
    image (cosign's COSIGN_REPOSITORY). It is asked with the credentials for that repository."""
    _root: RootSource | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _names_every_signer_once(self) -> Self:
        names = self._names
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f'two signers are called "{name}"; a rule could not tell them apart')
        return self

    @property
    def _names(self) -> list[str]:
        return [*(entry.name for entry in self.keys), *(entry.name for entry in self.keyless)]

    def bind(self, roots: Sequence[TrustRootSettings], verifiers: Sequence[SchemeSettings] = ()) -> None:  # noqa: ARG002 - it names none
        """Look up the trust root that is used, if one is."""
        if self.uses_root:
            self._root = root_by_choice(self.trust_root, roots)

    @property
    def named_root(self) -> str | None:
        """The trust root, where it is named and is no file."""
        return self.trust_root if isinstance(self.trust_root, str) else None

    @property
    def demandable(self) -> Demandable:
        """Every key and every identity."""
        return Demandable(tuple(one.name for one in self.keys), tuple(one.name for one in self.keyless))

    @property
    def uses_root(self) -> bool:
        """Whether anything is asked for that only a trust root can prove."""
        return bool(self.keyless) or self.transparency_log == "required" or self.timestamp == "required"

    @property
    def root_source(self) -> RootSource | None:
        """Where its trusted root stands, where one is used."""
        return self._root

    def scheme(self, outside: Outside = NOTHING_KNOWN) -> AnyScheme:
        """Signatures by these keys and identities, which are trusted for as long as they stand here."""
        root = None if self._root is None else self._root.now(outside.roots)
        if self.uses_root and root is None:
            if self._root is not None and self._root.repository is not None:
                return AwaitingRoot(self._root.repository.name)
            raise ConfigurationError(f"the trust root of the verifier {shown(self.name)} was not read")
        keys = distinct_keys((entry.name, entry.loaded()) for entry in self.keys)
        is_timed = self.timestamp == "required"
        who = Signatories(
            keys,
            tuple(entry.wanted for entry in self.keyless),
            root,
            Requirements(log=self.transparency_log == "required", timestamp=is_timed, sct=False),
            Requirements(log=self.transparency_log != "ignore", timestamp=is_timed, sct=self.sct == "required"),
            SIGN_PREDICATE if self.attestation is None else self.attestation.predicate_type,
            None if self.attestation is None else self.attestation.condition,
            None if self.signature_repository is None else parse_reference(self.signature_repository),
        )
        return CosignScheme(trusted(who))

    def wants(self, demands: Demands) -> str:
        """By whom, and what."""
        names = self._names
        kind = "key" if not self.keyless else "identity" if not self.keys else "signer"
        words = _described(names, demands, kind)
        if self.attestation is not None:
            wanted = f"attestation{{}} of {self.attestation.predicate_type} by"
            words = words.replace("a signature by", f"an {wanted.format('')}", 1)
            words = words.replace("signatures by", wanted.format("s"), 1)
        return words + "".join(self._besides) + annotated(demands)

    @property
    def _besides(self) -> Iterator[str]:
        """What else is asked of a signature, as far as it does not go without saying."""
        if self.attestation is not None and (where := self.attestation.where) is not None:
            yield f" where {shortened(where)}"
        if self.transparency_log == "required":
            yield ", in a transparency log"
        if self.timestamp == "required":
            yield ", with a timestamp"
        if self.signature_repository is not None:
            yield f", in {self.signature_repository}"

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        """The keys."""
        return tuple(Anchor("key", entry.name, entry.loaded().fingerprint) for entry in self.keys)

    @property
    def signers(self) -> tuple[DeclaredSigner, ...]:
        """The keys, which are the same by their fingerprint, and the identities, by what they ask of a certificate."""
        keys = [DeclaredSigner(entry.name, entry.who, "key", ("keys", index)) for index, entry in enumerate(self.keys)]
        identities = [
            DeclaredSigner(entry.name, repr(replace(entry.wanted, name="")), "identity", ("keyless", index))
            for index, entry in enumerate(self.keyless)
        ]
        return (*keys, *identities)


def _described(names: Sequence[str], demands: Demands, kind: str) -> str:
    threshold = demands.threshold or 1
    asked = [name for name in names if name in demands.required]
    if len(asked) >= threshold:  # the required ones meet the threshold by themselves
        names, threshold, asked = asked, len(asked), []
    listed = ", ".join(names)
    if len(names) == 1:
        return f'a signature by {kind} "{names[0]}"'
    if threshold == 1:
        return f"a signature by one of: {listed}"
    if threshold >= len(names):
        return f"signatures by all of: {listed}"
    including = f", including {' and '.join(asked)}" if asked else ""
    return f"signatures by {threshold} of: {listed}{including}"
