"""What stands beneath a verifier of kind `notation`: trust stores, identities, and how strictly each check binds. Pure.

Rules:
(1) Certificates are read while the configuration is checked, so that `config check` tells of a bad one at its place.
(2) A store is never empty, no name stands twice, and its certificates can vouch for somebody: those of authorities, or
    self-signed ones that sign for themselves. Without a store that vouches for signers nothing could pass.
(3) Level `skip` needs neither stores nor identities, and takes no override: there is nothing to override.
(4) Revocation binds only where `override` says `enforce`: an answer depends on what others' servers say in time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    Field,
    model_validator,
)

from router.errors import ConfigurationError, InvalidSignatureError
from router.fields import Name, SettingsModel
from router.text import shown
from router.verification.anchors import Anchor
from router.verification.notation.certificates import read_certificate
from router.verification.notation.identities import WILDCARD, Identities
from router.verification.notation.scheme import NotationScheme
from router.verification.notation.trust import (
    CHECKS,
    Check,
    Level,
    NotationPolicy,
    Store,
    StoreType,
    Timestamps,
    subject_text,
)
from router.verification.outside import NOTHING_KNOWN, Outside
from router.verification.pki.certificates import Certificate, certificates_in
from router.verification.scheme import Demands
from router.verification.settings import Demandable, SchemeSettings, annotated
from router.verification.sources import Source, SourceReading
from router.verification.trust import Trust

_CERTIFICATES_LIMIT = 200
"""Certificates of one store: the whole web's authorities are fewer."""


def _certificates(pem: bytes) -> tuple[Certificate, ...]:
    if b"PRIVATE KEY-----" in pem:
        raise ValueError("holds a private key, which does not belong here; consider it as leaked")
    try:
        what = "a certificate of a trust store"
        found = tuple(read_certificate(der, what) for der in certificates_in(pem, what, _CERTIFICATES_LIMIT))
    except InvalidSignatureError as error:
        raise ValueError(f"can't be used: {error}; give certificates in PEM") from error
    for certificate in found:
        if not (certificate.is_authority or certificate.is_self_signed):
            subject = certificate.subject.rfc4514_string()
            raise ValueError(
                f"holds the certificate of {shown(subject)}, which is no authority's: whoever issued it belongs here"
            )
    return found


InlineCertificates: TypeAlias = Annotated[
    Source[tuple[Certificate, ...]],
    SourceReading(
        _certificates,
        'give certificates as PEM text that begins with "-----BEGIN CERTIFICATE-----"',
        pattern="-----BEGIN CERTIFICATE-----",
    ),
]
"""Certificates as PEM text."""

CertificatesFile: TypeAlias = Annotated[
    Source[tuple[Certificate, ...]],
    SourceReading(
        _certificates,
        "name the file of one or more certificates in PEM, such as supplier-ca.pem",
        file="the certificate file",
        example="supplier-ca.pem",
    ),
]
"""The path of a file with certificates in PEM; a relative one is relative to the configuration file."""


class TrustStoreSettings(SettingsModel):
    """Certificates of authorities, by what they vouch for; one or several in PEM."""

    name: Name
    """What rules (`required`), messages and events call the signers whom this store vouches for."""
    type: StoreType
    """`ca`: who issues signing certificates; `signing_authority`: who signs for others, and says when; `tsa`: who
    tells the time of signatures."""
    pem: InlineCertificates | None = None
    """The certificates themselves, in PEM."""
    file: CertificatesFile | None = None
    """A file that holds the certificates in PEM; relative to the configuration file."""

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.pem is None) == (self.file is None):
            raise ValueError("give exactly one of pem (the certificates themselves) and file (where they stand)")
        return self

    def loaded(self) -> Store:
        """The store; raises ConfigurationError where a file was not read with the configuration."""
        source = self.pem or self.file
        if source is None or source.value is None:
            raise ConfigurationError(f"the trust store {shown(self.name)} stands in a file that was not read")
        return Store(self.name, self.type, source.value)


class OverrideSettings(SettingsModel):
    """Checks that bind otherwise than the level says."""

    authenticity: Literal["enforce", "log"] | None = None
    """Whether a trust store and an identity must vouch for the signer."""
    authentic_timestamp: Literal["enforce", "log", "skip"] | None = None
    """Whether the signer's certificates must have been valid when they were used."""
    expiry: Literal["enforce", "log", "skip"] | None = None
    """Whether a signature counts only until the end that its signer gave it."""
    revocation: Literal["enforce", "log", "skip"] | None = None
    """Whether those who issued the signer's certificates are asked if they still stand by them: by OCSP, then by CRL,
    within the deadline of the request. Off at every level, since it makes answers depend on their servers: `enforce`
    turns it on, and a certificate of which nobody knows is then no proof."""

    def applied(self, level: Level) -> frozenset[Check]:
        """The checks that bind."""
        written: dict[Check, str | None] = {check: getattr(self, check.value) for check in Check}
        return frozenset(
            check for check, word in written.items() if (word == "enforce" if word else check in CHECKS[level])
        )


def _identities(written: tuple[str, ...]) -> tuple[str, ...]:
    if written:
        Identities.parse(written)
    return written


class NotationSettings(SchemeSettings):
    """Images signed with Notation (Notary Project), by somebody for whom a trust store vouches."""

    kind: Literal["notation"]
    """The scheme."""
    trust_stores: tuple[TrustStoreSettings, ...] = ()
    """Who vouches for signers and for times; at least one of type `ca` or `signing_authority`, unless the level is
    `skip`."""
    level: Level = Level.STRICT
    """`strict`: all checks bind; `permissive`: integrity and authenticity; `audit`: integrity only, so that whoever can
    push can sign; `skip`: no signature is looked for, and every image passes."""
    override: OverrideSettings = OverrideSettings()
    """Checks that bind otherwise than the level says, as in Notation's trust policy; `log` and `skip`: not at all."""
    identities: Annotated[tuple[Annotated[str, Field(max_length=1000)], ...], AfterValidator(_identities)] = ()
    """Subjects of signing certificates that are trusted: `x509.subject: C=..., ST=..., O=...`, all parts of which must
    stand in the subject; or `*` alone, for everybody whom the stores vouch for."""
    verify_timestamp: Timestamps = Timestamps.ALWAYS
    """When a timestamp is asked for, where there is a store of type `tsa`: `always`, or `after_cert_expiry`."""

    @model_validator(mode="after")
    def _can_prove(self) -> Self:
        if self.level is Level.SKIP:
            if self.override != OverrideSettings():
                raise ValueError("nothing is checked at level skip, so nothing can be overridden; drop override")
            return self
        if all(store.type is StoreType.TSA for store in self.trust_stores):
            raise ValueError("name a trust store of type ca or signing_authority; without one nothing could pass")
        if not self.identities:
            raise ValueError(f'name identities; write ["{WILDCARD}"] for everybody whom the trust stores vouch for')
        if len({store.name for store in self.trust_stores}) < len(self.trust_stores):
            raise ValueError("two trust stores have the same name; a rule could not tell them apart")
        return self

    def scheme(self, outside: Outside = NOTHING_KNOWN) -> NotationScheme:
        """Signatures by whom these stores vouch for, who are trusted for as long as that stands here."""
        stores = tuple(store.loaded() for store in self.trust_stores)
        identities = Identities.parse(self.identities) if self.identities else Identities(())
        binding = self.override.applied(self.level)
        is_skipped = self.level is Level.SKIP
        policy = NotationPolicy(stores, identities, binding, self.verify_timestamp, is_skipped=is_skipped)
        content = [
            [[store.name, store.type, *(entry.der.hex() for entry in store.certificates)] for store in stores],
            self.identities,
            sorted(binding),
            self.verify_timestamp,
            is_skipped,
        ]
        trust = Trust(hashlib.sha256(json.dumps(content).encode()).hexdigest(), policy)
        return NotationScheme(trust, outside.ask_standing)

    def wants(self, demands: Demands) -> str:
        """By whom."""
        if self.level is Level.SKIP:
            return "no signature: every image passes"
        count = demands.threshold or 1
        said = "a signature of Notation" if count == 1 else f"signatures of Notation by {count} signers"
        if Check.AUTHENTICITY not in self.override.applied(self.level):
            return f"{said} by anybody{annotated(demands)}"
        whose = "" if WILDCARD in self.identities else f" to {_either(self.identities)}"
        including = f", including {' and '.join(demands.required)}" if demands.required else ""
        return f"{said} with a certificate issued{whose} by {_either(self._vouching)}{including}{annotated(demands)}"

    @property
    def demandable(self) -> Demandable:
        """The stores that vouch for signers."""
        return Demandable(authorities=self._vouching)

    @property
    def _vouching(self) -> tuple[str, ...]:
        return tuple(store.name for store in self.trust_stores if store.type is not StoreType.TSA)

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        """The certificates of its stores."""
        return tuple(
            Anchor("certificate", store.name, subject_text(entry.subject), entry.period.begin, entry.period.end)
            for store in (each.loaded() for each in self.trust_stores)
            for entry in store.certificates
        )

    @property
    def caution(self) -> tuple[str, str] | None:
        """Where anybody's signature counts."""
        if self.level is Level.SKIP or Check.AUTHENTICITY in self.override.applied(self.level):
            return None
        return "level", "authenticity does not bind: whoever can push to a repository can sign what he pushes"

    @property
    def ruling(self) -> bool | None:
        """Every image passes at level skip."""
        return True if self.level is Level.SKIP else None


def _either(names: Iterable[str]) -> str:
    return " or ".join(f'"{name}"' for name in names)
