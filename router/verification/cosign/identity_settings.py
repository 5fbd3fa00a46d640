"""What stands beneath `keyless` and `attestation` of a cosign verifier: who may sign, and what is attested. Pure.

Rules:
(1) An identity is an issuer and a subject, each equal or by an expression that must match in full. Exactly one of each:
    a subject without its issuer is a name that anybody's issuer may give.
(2) Extensions are Fulcio's, by the names of `router.verification.sigstore.identities`; an unknown one is a mistake.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from router.expressions import LENGTH
from router.fields import Name, SettingsModel
from router.text import shown
from router.verification.evidence import SIGN_PREDICATE
from router.verification.sigstore.conditions import EXPRESSION_LIMIT, Condition
from router.verification.sigstore.identities import EXTENSIONS, IdentityPattern, WantedIdentity

_Text = Annotated[str, Field(min_length=1, max_length=LENGTH)]


def _expression(text: str) -> str:
    IdentityPattern(text, is_expression=True)
    return text


def _extension(name: str) -> str:
    if name not in EXTENSIONS:
        raise ValueError(f"{shown(name, 100)} is not an extension of Fulcio's; there are {', '.join(EXTENSIONS)}")
    return name


def _predicate(text: str) -> str:
    if text == SIGN_PREDICATE:
        raise ValueError("is what a signature says; leave `attestation` out to ask for one")
    return text


def _condition(text: str) -> str:
    Condition(text)
    return text


_Regex = Annotated[_Text, AfterValidator(_expression)]


class IdentitySettings(SettingsModel):
    """Somebody who signs with short-lived certificates: who vouches for them, and what they are called there."""

    name: Name
    """What rules (`required`), messages and events call this signer."""
    issuer: _Text | None = None
    """Who vouches for the identity: the issuer of its tokens, equal and case-sensitive."""
    issuer_regex: _Regex | None = None
    """An expression (RE2) that must match the whole issuer."""
    subject: _Text | None = None
    """The URI, mail address or name in the certificate, equal and case-sensitive."""
    subject_regex: _Regex | None = None
    """An expression (RE2) that must match the whole subject: nothing may stand before or after what it matches."""
    extensions: dict[Annotated[str, AfterValidator(_extension)], _Text] = Field(default_factory=dict)
    """What else the certificate must say, each equal: Fulcio's extensions in snake case (`source_repository_uri`,
    `source_repository_ref`, `build_trigger`, `runner_environment` ...)."""

    @model_validator(mode="after")
    def _says_both_once(self) -> Self:
        for name, one, other in (
            ("issuer", self.issuer, self.issuer_regex),
            ("subject", self.subject, self.subject_regex),
        ):
            if (one is None) == (other is None):
                raise ValueError(f"give exactly one of {name} and {name}_regex")
        return self

    @property
    def wanted(self) -> WantedIdentity:
        """Whom this describes."""
        return WantedIdentity(
            self.name,
            _pattern(self.issuer, self.issuer_regex),
            _pattern(self.subject, self.subject_regex),
            tuple(sorted(self.extensions.items())),
        )


class AttestationSettings(SettingsModel):
    """An attestation that is asked for in place of a signature."""

    predicate_type: Annotated[_Text, AfterValidator(_predicate)]
    """What is attested, such as https://slsa.dev/provenance/v1; equal and case-sensitive."""
    where: Annotated[str, AfterValidator(_condition), Field(max_length=EXPRESSION_LIMIT)] | None = None
    """What it must say, in CEL over `predicate`, `predicate_type` and `subject`; only `true` is yes, an error is no."""

    @property
    def condition(self) -> Condition | None:
        """The expression, compiled."""
        return None if self.where is None else Condition(self.where)


def _pattern(equal: str | None, expression: str | None) -> IdentityPattern:
    return IdentityPattern(expression or equal or "", is_expression=expression is not None)
