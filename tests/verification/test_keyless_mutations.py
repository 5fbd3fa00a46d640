"""Thousands of changes to what real tools signed with certificates: none proves anything that the original did not.

Whether a change left the proof what it was is decided here without our readers: by plain `json` and `base64`, against a
table of what is nobody's word.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from router.errors import NotVerifiedError
from router.images import Digest
from router.verification.cosign.scheme import CosignScheme
from router.verification.evidence import (
    ATTESTATION_LAYER_TYPE,
    AttestationLayer,
    Beside,
    Evidence,
    SigstoreBundle,
    SimpleSigning,
)
from router.verification.scheme import Verified
from tests.verification.test_keyless_cases import CASES, FOLDER, settings_of
from tests.verification.world import proven, rule

SIGNED, ATTESTED = 350, 1000
"""Mutants of each signature, and of each attestation, of which there are fewer: thousands of both."""
ORIGINALS = {
    "bundle of Rekor v2": "bundle-email",
    "bundle of Rekor v1": "bundle-rekor-v1",
    "bundle of Rekor v1 with a timestamp": "bundle-rekor-v1-timestamp",
    "bundle with a timestamp only": "bundle-timestamp-only",
    "legacy": "legacy-email",
    "legacy with a timestamp": "legacy-email-timestamp",
    "attestation in a bundle": "bundle-attestation-only",
    "attestation behind a tag": "legacy-attestation-only",
}
NOBODYS_WORD: dict[str, tuple[str, ...]] = {
    "bundle-email": ("kindVersion", "tlogEntries.0.logIndex"),
    "bundle-rekor-v1": ("kindVersion",),
    "bundle-rekor-v1-timestamp": ("kindVersion", "inclusionPromise", "integratedTime", "tlogEntries.0.logIndex"),
    "bundle-timestamp-only": (),
    "legacy-email": ("chain",),
    "legacy-email-timestamp": ("chain",),
    "bundle-attestation-only": ("kindVersion", "tlogEntries.0.logIndex"),
    "legacy-attestation-only": ("chain",),
}
"""What may change or be taken away: hints, an index that the newer log does not sign, and the older log's promise where
a timestamp proves the time (a wrong promise is refused, and so only its absence is accepted)."""
_ANNOTATIONS = {
    "certificate": "dev.sigstore.cosign/certificate",
    "chain": "dev.sigstore.cosign/chain",
    "entry": "dev.sigstore.cosign/bundle",
    "timestamp": "dev.sigstore.cosign/rfc3161timestamp",
}
Place = tuple[str | int, ...]


def case_of(layout: str) -> dict[str, Any]:
    return next(case for case in CASES if case["name"] == layout)


@cache
def policy_of(layout: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        expected["policy"] for expected in reversed(case_of(layout)["expect"]) if expected["verdict"] == "verified"
    )
    return found


@cache
def written(layout: str) -> str:
    """The evidence as one JSON text: a bundle, or a layer's payload and annotations."""
    for path in sorted((FOLDER / "layouts" / layout / "blobs" / "sha256").iterdir()):
        body = path.read_bytes()
        if b"verificationMaterial" in body:
            return body.decode()
        if b"dev.cosignproject.cosign/signature" in body:
            (layer,) = json.loads(body)["layers"]
            payload = (path.parent / layer["digest"].partition(":")[2]).read_bytes()
            notes = layer["annotations"]
            found = {name: notes.get(key, "") for name, key in _ANNOTATIONS.items()}
            parts = {name: json.loads(found[name]) if found[name] else None for name in ("entry", "timestamp")}
            if layer["mediaType"] == ATTESTATION_LAYER_TYPE:
                return json.dumps({"attested": payload.decode(), **found, **parts})
            signature = notes["dev.cosignproject.cosign/signature"]
            held = {"payload": base64.b64encode(payload).decode(), "signature": signature}
            return json.dumps({**held, **found, **parts})
    raise AssertionError(layout)


def evidence_of(document: dict[str, Any]) -> Evidence:
    if not {"payload", "signature", "attested", "chain"} & document.keys():
        body = json.dumps(document).encode()
        return Evidence(bundles=(SigstoreBundle(Digest.of(body), body),))
    texts = {
        name: value if isinstance(value := document.get(name), str) else "" if value is None else json.dumps(value)
        for name in _ANNOTATIONS
    }
    if "signature" not in document and "payload" not in document:
        body = str(document.get("attested")).encode()
        return Evidence(attestation_layers=(AttestationLayer(Digest.of(body), body, Beside(**texts)),))
    try:
        payload = base64.b64decode(str(document.get("payload")), validate=True)
    except ValueError:
        payload = b""
    kind = "application/vnd.dev.cosign.simplesigning.v1+json"
    signing = SimpleSigning(kind, Digest.of(payload), str(document.get("signature")), payload, Beside(**texts))
    return Evidence((signing,))


def places_in(value: object, here: Place = ()) -> Iterator[Place]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, held in members:
        yield (*here, key)
        yield from places_in(held, (*here, key))


def held_at(document: Any, place: Place) -> Any:  # noqa: ANN401 - any part of a document
    for key in place:
        document = document[key]
    return document


def changed(layout: str, dice: random.Random) -> tuple[dict[str, Any], Place, str]:
    """A document with one change, where, and what kind."""
    document: dict[str, Any] = json.loads(written(layout))
    place = dice.choice(list(places_in(document)))
    parent, value = held_at(document, place[:-1]), held_at(document, place)
    other = json.loads(written(dice.choice([name for name in ORIGINALS.values() if name != layout])))
    match dice.choice(("drop", "byte", "byte", "byte", "cut", "other", "type", "text")):
        case "drop" if isinstance(parent, dict):
            del parent[place[-1]]
            return document, place, "drop"
        case "other" if place in list(places_in(other)):
            parent[place[-1]] = held_at(other, place)
            return document, place, "other"
        case "type":
            parent[place[-1]] = dice.choice([None, 5, -1, True, [], {}, "", "x", [None], 1e300, "9" * 400])
            return document, place, "type"
        case "text" if isinstance(value, str):
            parent[place[-1]] = value + dice.choice(["\n", " ", "=", "\x00", "A", "\u212a"])
            return document, place, "text"
        case kind if isinstance(value, str) and value:
            parent[place[-1]] = _damaged(value, kind, dice)
            return document, place, kind
    parent[place[-1]] = None
    return document, place, "drop"


def _damaged(value: str, kind: str, dice: random.Random) -> str:
    try:
        content = bytearray(base64.b64decode(value, validate=True))
    except ValueError:
        number = dice.randrange(len(value))
        return value[:number] if kind == "cut" else value[:number] + chr(dice.randrange(32, 127)) + value[number + 1 :]
    if content:
        at = dice.randrange(len(content))
        content = content[:at] if kind == "cut" else content
        if kind != "cut":
            content[at] ^= 1 << dice.randrange(8)
    return base64.b64encode(bytes(content)).decode()


def judged(layout: str, document: dict[str, Any]) -> bool:
    digest = Digest.parse(case_of(layout)["digest"])
    try:
        return isinstance(proven(scheme_of(layout), evidence_of(document), digest, rule()), Verified)
    except NotVerifiedError:
        return False


@cache
def scheme_of(layout: str) -> CosignScheme:
    scheme = settings_of(policy_of(layout)).scheme()
    assert isinstance(scheme, CosignScheme)
    return scheme


def essence(layout: str, document: dict[str, Any]) -> object:
    """What is somebody's word: everything but hints, spelling, and what is told again elsewhere."""
    found = {}
    for place in places_in(document):
        value = held_at(document, place)
        path = ".".join(map(str, place))
        if isinstance(value, dict | list) or value in (None, "", 0, "0"):
            continue
        if not any(hint in path for hint in NOBODYS_WORD[layout]):
            found[path] = _plain(place, value)
    return found


def _plain(place: Place, value: object) -> object:
    if not isinstance(value, str):
        return str(value)
    if "imestamp" in str(place[-1]):
        return _spoken(value)
    if place[-1] == "attested":  # spelling, and members that DSSE does not know, are nobody's word
        envelope = json.loads(value)
        return envelope["payloadType"], envelope["payload"], [entry["sig"] for entry in envelope["signatures"]]
    if place[-1] == "envelope":  # lines after the log's own are others' (witnesses)
        return value.split("\n")[:5]
    if place[-1] == "certificate":
        return value[: value.find("-----END")]
    return value.replace("\n", "").replace("-", "+").replace("_", "/").rstrip("=")


def _spoken(text: str) -> object:
    """What a timestamp's authority has signed, and its signature: what is around them is nobody's word."""
    try:
        der = base64.b64decode(text)
    except ValueError:
        return text
    at = der.find(b"\x06\x0b*\x86H\x86\xf7\x0d\x01\x09\x10\x01\x04\xa0")
    ends = der.find(b"\x06\x09*\x86H\x86\xf7\x0d\x01\x09\x03")
    return der[at:][:180], der[ends:]


def is_same(layout: str, document: dict[str, Any]) -> bool:
    """Whether the change left the proof what it was."""
    try:
        return essence(layout, document) == essence(layout, json.loads(written(layout)))
    except (ValueError, TypeError, LookupError):
        return False


def mutants_of(layout: str) -> int:
    return ATTESTED if "attestation" in layout else SIGNED


def changes(layout: str) -> Iterator[tuple[int, dict[str, Any], Place, str]]:
    for number in range(mutants_of(layout)):
        dice = random.Random(f"{layout} {number}")  # noqa: S311 - dice for tests, the same each time
        yield number, *changed(layout, dice)


@pytest.mark.parametrize("layout", ORIGINALS.values(), ids=list(ORIGINALS))
def test_no_change_proves_anything_unless_it_left_the_proof_what_it_was(layout: str) -> None:
    """Whatever else comes out must be one of our own refusals: anything else ends the test."""
    kept = [change for change in changes(layout) if judged(layout, change[1])]
    wrong = [(number, place, kind) for number, document, place, kind in kept if not is_same(layout, document)]

    assert judged(layout, json.loads(written(layout)))
    assert not wrong
    assert 3 < len(kept) < mutants_of(layout) / 2, "mutants that are all alike would show nothing"


def test_there_are_thousands_of_signatures_and_of_attestations() -> None:
    attested = sum(mutants_of(layout) for layout in ORIGINALS.values() if "attestation" in layout)

    assert attested == 2000
    assert sum(map(mutants_of, ORIGINALS.values())) - attested >= 2000
