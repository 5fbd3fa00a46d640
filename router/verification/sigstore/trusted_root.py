"""A Sigstore instance that is trusted, as a value: its certificate authorities, logs and timestamp authorities. Pure.

Source: sigstore/protobuf-specs, sigstore_trustroot.proto, `TrustedRoot` as ProtoJSON, versions 0.1 and 0.2.

Rules:
(1) Whatever stands in it is read and checked once; what can't be used (a kind of key that nobody accepts here) is told
    in `unusable` and left out, so that a newer root with one more log still works.
(2) A root without a certificate authority and without a log is refused: nothing could be proven with it.
(3) `validFor` includes both ends, and its start is required for logs and authorities; a root is no place for guesses.
(4) The id is the SHA-256 of its content in one spelling, so that the same root written otherwise is the same.
(5) What proves nothing by itself is not read: subjects, URIs of authorities, hash algorithms that follow from keys.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key

from router.errors import InvalidSignatureError
from router.text import shown
from router.verification.documents import malformed, object_at, objects_at, protobuf_base64, read_object, text_at
from router.verification.keys import PublicKey, UnusableKeyError
from router.verification.pki.certificates import Certificate, Period
from router.verification.sigstore.certificates import CODE_SIGNING, Authority, read_certificate
from router.verification.sigstore.logs import Log
from router.verification.sigstore.timestamps import TimestampAuthority

ROOT_LIMIT = 256 * 1024
"""Bytes of a trusted root: the public-good one has some 7,000."""
ENTRIES_LIMIT = 64
"""Authorities or logs of one kind."""
_WHAT = "a trusted root"
_KNOWN = re.compile(r"application/vnd\.dev\.sigstore\.trustedroot(?:\+json;version=0\.[12]|\.v0\.[12]\+json)", re.ASCII)
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
_SCHEME = re.compile(r"https?://", re.ASCII)


class UnusableRootError(ValueError):
    """A file is no trusted root that anything could be proven with; the message says why."""


@dataclass(frozen=True, slots=True)
class TrustedRoot:
    """One instance. Equal by id."""

    id: str
    authorities: tuple[Authority, ...]
    certificate_logs: Mapping[bytes, Log]
    logs: Mapping[bytes, Log]
    timestamp_authorities: tuple[TimestampAuthority, ...]
    unusable: tuple[str, ...] = ()
    """What was left out, in words."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TrustedRoot) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)


def read_trusted_root(body: bytes) -> TrustedRoot:
    """Read one; raises UnusableRootError."""
    if len(body) > ROOT_LIMIT:
        raise UnusableRootError(f"has more than {ROOT_LIMIT} bytes")
    try:
        document = read_object(body, _WHAT)
        if _KNOWN.fullmatch(text_at(document, "mediaType", _WHAT)) is None:
            raise malformed(_WHAT, "does not say a known version in `mediaType`")
        return _root(document)
    except InvalidSignatureError as error:
        raise UnusableRootError(f"can't be used: {error}") from error


def _root(document: Mapping[str, object]) -> TrustedRoot:
    unusable: list[str] = []
    authorities = tuple(
        Authority.of(_chain(entry), _period(entry), CODE_SIGNING)
        for entry in _entries(document, "certificateAuthorities")
    )
    clocks = tuple(
        TimestampAuthority.of(_chain(entry), _period(entry)) for entry in _entries(document, "timestampAuthorities")
    )
    logs = _logs(document, "tlogs", unusable)
    if not authorities and not logs:
        raise malformed(_WHAT, "names neither a certificate authority nor a log")
    content = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    return TrustedRoot(
        hashlib.sha256(content).hexdigest(),
        authorities,
        _logs(document, "ctlogs", unusable),
        logs,
        clocks,
        tuple(unusable),
    )


def _entries(document: Mapping[str, object], name: str) -> list[Mapping[str, object]]:
    found = list(objects_at(document, name, _WHAT))
    if len(found) > ENTRIES_LIMIT:
        raise malformed(_WHAT, f"has more than {ENTRIES_LIMIT} entries in `{name}`")
    return found


def _chain(entry: Mapping[str, object]) -> list[Certificate]:
    written = objects_at(object_at(entry, "certChain", _WHAT), "certificates", _WHAT)
    return [
        read_certificate(protobuf_base64(text_at(each, "rawBytes", _WHAT), _WHAT), "an authority's certificate")
        for each in written
    ]


def _logs(document: Mapping[str, object], name: str, unusable: list[str]) -> Mapping[bytes, Log]:
    found: dict[bytes, Log] = {}
    for entry in _entries(document, name):
        origin = _SCHEME.sub("", text_at(entry, "baseUrl", _WHAT), count=1).rstrip("/")
        written = object_at(entry, "publicKey", _WHAT)
        identifier = protobuf_base64(text_at(object_at(entry, "logId", _WHAT), "keyId", _WHAT), _WHAT)
        try:
            parsed = load_der_public_key(protobuf_base64(text_at(written, "rawBytes", _WHAT), _WHAT))
            key = PublicKey.of(parsed)
        except (ValueError, TypeError, UnsupportedAlgorithm, UnusableKeyError) as error:
            unusable.append(f"the key of the log {shown(origin, 100)}: {error}")
            continue
        if not identifier or identifier in found:
            raise malformed(_WHAT, "has two logs of one id, or one without")
        found[identifier] = Log(identifier, key, _period(written), origin)
    return found


def _period(entry: Mapping[str, object]) -> Period:
    written = object_at(entry, "validFor", _WHAT)
    end = text_at(written, "end", _WHAT)
    return Period(_moment(text_at(written, "start", _WHAT)), _moment(end) if end else math.inf)


def _moment(text: str) -> float:
    match = _MOMENT.fullmatch(text)
    try:
        if match is not None:
            return dt.datetime.fromisoformat(match[1] + match[3]).timestamp() + float(match[2] or 0)
    except ValueError as error:
        raise malformed(_WHAT, "has a time that can't be read") from error
    raise malformed(_WHAT, "has a `validFor` without a time")
