r"""Distinguished names: how an operator writes one, and whether a certificate's subject has all of its parts. Pure.

Sources: Notary Project trust store and trust policy specification, "Trusted Identities Constraints"; RFC 4514. Rules:

(1) `x509.subject:` and parts separated by commas, each a type and a value; blanks around a part mean nothing. In a
    value `\`, `,`, `;`, `+`, `"`, `<`, `>`, `=` and blanks at its ends are escaped by `\\`, or by `\\` and two
    hexadecimal digits of UTF-8. No `#` values, no parts with several types, no type twice.
(2) Country, state (`ST` or `S`) and organisation are there.
(3) A subject matches if it has every part, equal to the letter, whatever else it has. It is compared part by part,
    never as a text, so that no value can play another part. A subject that has a type twice, or several in one part,
    has no meaning in one way only and matches nothing.
(4) `*` stands alone, for every subject.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from cryptography import x509
from cryptography.x509.oid import NameOID

from router.text import shown

WILDCARD = "*"
_PREFIX = "x509.subject:"
_TYPES = {
    "C": NameOID.COUNTRY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "S": NameOID.STATE_OR_PROVINCE_NAME,
    "L": NameOID.LOCALITY_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "CN": NameOID.COMMON_NAME,
    "STREET": NameOID.STREET_ADDRESS,
    "POSTALCODE": NameOID.POSTAL_CODE,
    "SERIALNUMBER": NameOID.SERIAL_NUMBER,
    "DC": NameOID.DOMAIN_COMPONENT,
    "UID": NameOID.USER_ID,
}
_MANDATORY = (NameOID.COUNTRY_NAME, NameOID.STATE_OR_PROVINCE_NAME, NameOID.ORGANIZATION_NAME)
_PART = re.compile(r"\s*([A-Za-z]+|[0-9]+(?:\.[0-9]+)+)\s*=\s*((?:\\.|[^\\,;+\"<>=])*)(,|\Z)", re.ASCII | re.DOTALL)
_ESCAPED = re.compile(rb"\\([0-9A-Fa-f]{2}|.)", re.DOTALL)
_BLANK_AT_END = re.compile(r"((?:\\.|[^\\])*?) *", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SubjectParts:
    """Parts that the subject of a certificate must have."""

    parts: Mapping[x509.ObjectIdentifier, str]

    @classmethod
    def parse(cls, written: str) -> Self:
        """Read `x509.subject: C=..., ST=..., O=...`; raises ValueError, whose text says what is wrong."""
        if not written.startswith(_PREFIX):
            raise ValueError(f'begins with "{_PREFIX}", or is "*" for everybody whom the trust stores vouch for')
        text = written.removeprefix(_PREFIX)
        found: dict[x509.ObjectIdentifier, str] = {}
        position = 0
        while position < len(text):
            part = _PART.match(text, position)
            if part is None or part[2].startswith("#") or (part[3] and part.end() == len(text)):
                raise ValueError(f"can't be read as parts TYPE=VALUE separated by commas (RFC 4514): {shown(written)}")
            kind = _TYPES.get(part[1].upper())
            if kind is None:
                raise ValueError(f"has a part of unknown type {shown(part[1])}; known are {', '.join(_TYPES)}")
            if kind in found:
                raise ValueError(f"has two parts of type {shown(part[1])}")
            if not (value := _unescaped(part[2])):
                raise ValueError(f"has no value for {shown(part[1])}")
            found[kind] = value
            position = part.end()
        if not all(kind in found for kind in _MANDATORY):
            raise ValueError("needs at least C, ST and O: a name without them is not of one organisation")
        return cls(found)

    def __le__(self, other: SubjectParts) -> bool:
        """Whether whoever matches the other one matches this one, too."""
        return self.parts.items() <= other.parts.items()

    def matches(self, subject: x509.Name) -> bool:
        """Whether the subject of a certificate has all of these parts (3)."""
        held: dict[x509.ObjectIdentifier, object] = {}
        for part in subject.rdns:
            attributes = list(part)
            if len(attributes) != 1 or attributes[0].oid in held:
                return False
            held[attributes[0].oid] = attributes[0].value
        return all(held.get(kind) == value for kind, value in self.parts.items())


@dataclass(frozen=True, slots=True)
class Identities:
    """Whose certificates may sign, of those that a trust store vouches for."""

    subjects: tuple[SubjectParts, ...] | None
    """None: everybody's."""

    @classmethod
    def parse(cls, written: Sequence[str]) -> Self:
        """Read a list as the configuration has it; raises ValueError, whose text says what is wrong."""
        if WILDCARD in written:
            if len(written) > 1:
                raise ValueError('"*" stands for everybody, so nobody else can be named beside it')
            return cls(None)
        if not written:
            raise ValueError('names nobody, so nothing could pass; write "*" for everybody whom the stores vouch for')
        subjects = tuple(map(SubjectParts.parse, written))
        for index, one in enumerate(subjects):
            if any(one <= other or other <= one for other in subjects[:index]):
                raise ValueError("has two identities that one certificate can match; leave out the narrower one")
        return cls(subjects)

    def include(self, subject: x509.Name) -> bool:
        """Whether this subject is one of them."""
        return self.subjects is None or any(entry.matches(subject) for entry in self.subjects)


def _unescaped(value: str) -> str:
    trimmed = _BLANK_AT_END.fullmatch(value)
    text = trimmed[1] if trimmed is not None else value

    def plain(found: re.Match[bytes]) -> bytes:
        return bytes.fromhex(found[1].decode()) if len(found[1]) > 1 else found[1]

    try:
        return _ESCAPED.sub(plain, text.encode()).decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"has a value that is not valid UTF-8: {shown(value)}") from error
