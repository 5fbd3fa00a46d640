"""Who a certificate says has signed, and whom an operator wants. Pure.

Sources: sigstore/fulcio docs/oid-info.md and docs/certificate-specification.md (extensions, OtherName).

Rules:
(1) Issuer and subject are of one certificate, and both must be wanted: a subject is a name that an issuer gave, and
    means nothing without it.
(2) A certificate names exactly one subject: a URI, a mail address, or Fulcio's OtherName. Of several one could not say
    who signed (others look at the first, or at any).
(3) The issuer is the one of Fulcio's second form; the first, deprecated one must not contradict it.
(4) What is wanted is equal, or an expression that matches in full (`router.expressions`). `$` before a newline, or a
    match in the middle, is none.
(5) All wanted extensions must be there and equal. Which there are is the table below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography import x509

from router.errors import InvalidSignatureError
from router.expressions import full_match
from router.reasons import EvidenceFlaw
from router.verification.pki.certificates import Certificate
from router.verification.pki.der import UTF8, read

_ARC = "1.3.6.1.4.1.57264.1."
_ISSUER_V1, _OTHER_NAME, _ISSUER_V2 = "1", "7", "8"
EXTENSIONS: Mapping[str, str] = {
    "github_workflow_trigger": "2",
    "github_workflow_sha": "3",
    "github_workflow_name": "4",
    "github_workflow_repository": "5",
    "github_workflow_ref": "6",
    "build_signer_uri": "9",
    "build_signer_digest": "10",
    "runner_environment": "11",
    "source_repository_uri": "12",
    "source_repository_digest": "13",
    "source_repository_ref": "14",
    "source_repository_identifier": "15",
    "source_repository_owner_uri": "16",
    "source_repository_owner_identifier": "17",
    "build_config_uri": "18",
    "build_config_digest": "19",
    "build_trigger": "20",
    "run_invocation_uri": "21",
    "source_repository_visibility_at_signing": "22",
    "deployment_environment": "23",
    "token_subject": "24",
}
"""Fulcio's extensions by name, with the last number of their object identifiers."""
_RAW = frozenset({_ISSUER_V1, *"23456"})
"""Extensions whose bytes are the text; in all others it is a UTF8String in DER."""

NAME_LIMIT = 2000
"""Characters of an issuer or a subject: they stand in events."""


@dataclass(frozen=True, slots=True)
class SignerIdentity:
    """Who a certificate says has signed."""

    issuer: str
    subject: str
    extensions: Mapping[str, str] = field(hash=False, compare=False)
    """Fulcio's, by name."""


def identity_of(certificate: Certificate) -> SignerIdentity | None:
    """Who the certificate is about; None where it names nobody whom an issuer vouches for.

    Raises:
        InvalidSignatureError: It contradicts itself, or names several (identity).
    """
    texts: dict[str, str] = {}
    subject: str | None = None
    for entry in certificate.extensions:
        if isinstance(entry.value, x509.SubjectAlternativeName):
            subject = _subject(list(entry.value))
        elif entry.oid.dotted_string.startswith(_ARC) and isinstance(entry.value, x509.UnrecognizedExtension):
            number = entry.oid.dotted_string.removeprefix(_ARC)
            texts[number] = _text(entry.value.value, is_raw=number in _RAW)
    first, issuer = texts.get(_ISSUER_V1), texts.get(_ISSUER_V2)
    if issuer is None:
        issuer = first
    elif first is not None and first != issuer:
        raise _contradiction("a certificate names two issuers")
    if not issuer or not subject:
        return None
    if max(len(issuer), len(subject)) > NAME_LIMIT:
        raise _contradiction("a certificate names somebody at too great a length")
    return SignerIdentity(
        issuer, subject, {name: texts[number] for name, number in EXTENSIONS.items() if number in texts}
    )


class IdentityPattern:
    """A text that another must be equal to, or an expression that must match it in full (rule 4)."""

    __slots__ = ("_matches", "written")

    def __init__(self, written: str, *, is_expression: bool) -> None:
        """Compile; raises ValueError where it is no expression of RE2, is too long, or is empty."""
        if not written:
            raise ValueError("an empty text matches nobody")
        self.written = written
        self._matches = full_match(written) if is_expression else None

    def matches(self, text: str) -> bool:
        """Whether the whole text is what is wanted."""
        if self._matches is None:
            return text == self.written
        return self._matches(text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IdentityPattern) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return f"{'regex' if self._matches else 'equal'}:{self.written!r}"

    @property
    def _key(self) -> tuple[str, bool]:
        return self.written, self._matches is None


@dataclass(frozen=True, slots=True)
class WantedIdentity:
    """Whom an operator trusts, by one name."""

    name: str
    issuer: IdentityPattern
    subject: IdentityPattern
    extensions: tuple[tuple[str, str], ...] = ()

    def is_met_by(self, identity: SignerIdentity) -> bool:
        """Whether issuer, subject and every wanted extension are those of this certificate."""
        return (
            self.issuer.matches(identity.issuer)
            and self.subject.matches(identity.subject)
            and all(identity.extensions.get(name) == value for name, value in self.extensions)
        )


def _subject(names: list[x509.GeneralName]) -> str:
    if len(names) != 1:
        raise _contradiction(f"a certificate names {len(names)} subjects instead of one")
    match names[0]:
        case x509.UniformResourceIdentifier(value=text) | x509.RFC822Name(value=text):
            return text
        case x509.OtherName(type_id=kind, value=der) if kind.dotted_string == _ARC + _OTHER_NAME:
            return _text(der, is_raw=False)
        case _:
            return ""  # a host or an address signs nothing


def _text(der: bytes, *, is_raw: bool) -> str:
    content = der if is_raw else _utf8_string(der)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _contradiction("a certificate names somebody in no text") from error


def _utf8_string(der: bytes) -> bytes:
    """The content of a UTF8String (X.690 section 8.23)."""
    try:
        found = read(der, "an extension of Fulcio's")
    except InvalidSignatureError as error:
        raise _no_text() from error
    if found.tag != UTF8:
        raise _no_text()
    return found.content


def _no_text() -> InvalidSignatureError:
    return _contradiction("a certificate has an extension of Fulcio's that is not a text")


def _contradiction(text: str) -> InvalidSignatureError:
    return InvalidSignatureError(text, reason=EvidenceFlaw.IDENTITY)
