"""What an operator says about images and namespaces, and what is let in all the same."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from router.fields import Name, SettingsModel
from router.policy.ends import End
from router.policy.pattern import ImagePattern
from router.text import shown
from router.verdict import Mode

AnnotationName = Annotated[str, Field(min_length=1, max_length=200)]
REASON_LIMIT = 500
"""Characters."""
NAMESPACE_GLOB = r"^[a-z0-9*]([a-z0-9*-]{0,61}[a-z0-9*])?$"

Namespaces = tuple[Annotated[str, Field(pattern=NAMESPACE_GLOB)], ...]
_DNS_PART = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_LABEL = rf"({_DNS_PART}(\.{_DNS_PART}){{0,9}}/)?[A-Za-z0-9]([A-Za-z0-9._-]{{0,61}}[A-Za-z0-9])?"


def _label(text: str) -> str:
    if re.fullmatch(_LABEL, text, re.ASCII) is None:
        raise ValueError(f"{shown(text)} is no key of a label; expected one such as gatecrier.dev/mode")
    return text


LabelKey = Annotated[str, AfterValidator(_label), WithJsonSchema({"type": "string", "pattern": f"^{_LABEL}$"})]
"""The key of a Kubernetes label: a name of up to 63 characters, after a DNS domain and `/` or alone.

Source: Kubernetes, "Labels and Selectors", "Syntax and character set".
"""


def _in_force(mode: object) -> object:
    if mode == "off":
        raise ValueError(
            "`off` is said by a namespace's label alone: then the API server does not ask; write `detect` to judge and "
            "tell without blocking"
        )
    return mode


NamespaceMode = Annotated[Mode, BeforeValidator(_in_force)]


def _is_pattern(text: str) -> str:
    ImagePattern.parse(text)
    return text


def _offered(value: str) -> str:
    if value == "required":
        raise ValueError(
            "a transparency log is asked for at the verifier and not at the rule; "
            "write `transparency_log: required` beside its keys or keyless identities"
        )
    return value


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError('it says nothing; write who allowed it and why, such as "SEC-4711: signed from 1.8 on"')
    return text


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("a name stands twice; every required signer is named once")
    return names


class RuleDemands(SettingsModel):
    """What a rule asks of its verifier, beyond any one signature."""

    threshold: Annotated[int, Field(ge=1, le=100, strict=True)] | None = None
    """How many distinct signers must have signed; signatures of one signer count once. None: any one."""
    required: Annotated[tuple[Name, ...], AfterValidator(_distinct)] = ()
    """Names of signers who must be among them."""
    annotations: dict[AnnotationName, Annotated[str, Field(max_length=500)]] = Field(
        default_factory=dict, max_length=20
    )
    """Annotations that must all stand in one signature of each signer that counts, by name: cosign's `-a`."""
    transparency_log: Annotated[Literal["ignore", "required"], AfterValidator(_offered)] = "ignore"
    """A log is asked for at the verifier (its `transparency_log`), never here: `ignore` says nothing."""


class RuleSettings(SettingsModel):
    """One rule: which images, and what is asked of them."""

    pattern: Annotated[str, AfterValidator(_is_pattern)]
    """A glob over the whole name in its canonical form (lower-case host, no port 443, Docker Hub is `docker.io`): `*`
    stays within a path part, `**` crosses parts. With `@digest` it asks for that too, with `:tag` for that tag and no
    digest, with `:tag@*` for that tag with or without one. The most specific match wins; an image that no rule matches
    is denied."""
    verifier: Name
    """Name of the verifier; `allow` and `deny` are built in."""
    with_: Annotated[RuleDemands, Field(alias="with")] = RuleDemands()
    """What is asked beyond any one signature."""
    mode: Mode = Mode.ENFORCE
    """`detect` never blocks for this rule's images, whatever the namespace says; `enforce` leaves it to the
    namespace."""
    on_unverifiable: Literal["reject", "admit"] = "reject"
    """What happens, where it is enforced, to an image that could not be checked. `admit` lets pass only what its
    registry did to a question that was sent about it: no connection, 5xx, 429, or no answer for at least half of the
    time allowed. Name a registry in the pattern: whoever deploys chooses it otherwise."""


class EnforcementSettings(SettingsModel):
    """Where a failing verdict blocks."""

    default: NamespaceMode = Mode.DETECT
    """The mode of namespaces that no pattern names. Detect never blocks."""
    namespaces: dict[Annotated[str, Field(pattern=NAMESPACE_GLOB)], NamespaceMode] = Field(default_factory=dict)
    """Mode by namespace; `*` stands for any characters, and the most specific pattern (most literal characters)
    wins. Enforcing binds the node only together with `webhook.pin_digests`."""
    never_block: Namespaces = ()
    """Namespaces that are judged and reported, never refused, whatever else is said."""
    label: LabelKey | None = None
    """The label of namespaces, such as `gatecrier.dev/mode`, by which the webhook configurations choose between
    `/validate/enforce` and `/validate/detect` (`namespaceSelector`): say it where they do. It may raise what is said
    above. Absent: namespaces are told apart by what is said above alone."""
    label_may_lower: Namespaces = ()
    """Namespaces whose label decides alone, also where it is less strict than what is said above. Elsewhere the label
    only raises."""

    @model_validator(mode="after")
    def _there_is_a_label(self) -> Self:
        if self.label_may_lower and self.label is None:
            raise ValueError("`label_may_lower` is about a label that is not named; add `label: gatecrier.dev/mode`")
        return self


class ExemptionSettings(SettingsModel):
    """Images that are let in although what they have to be fails, for a time, by somebody who says why."""

    pattern: Annotated[str, AfterValidator(_is_pattern)]
    """Which images: a pattern as a rule has one."""
    namespaces: Annotated[
        tuple[Annotated[str, Field(pattern=NAMESPACE_GLOB)], ...], Field(min_length=1, max_length=100)
    ]
    """Where; `*` stands for any characters."""
    until: End
    """When it ends: a date (the end of that day in UTC) or an RFC 3339 time. It is told a week before, and then."""
    reason: Annotated[str, Field(min_length=1, max_length=REASON_LIMIT), AfterValidator(_said)]
    """Who allowed it and why: it stands in every event and every warning that comes of it."""
    even_invalid: bool = False
    """Whether an image with an `invalid` signature is let in, too: that is the sign of an attack."""
