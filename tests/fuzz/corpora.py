"""What real tools made, taken apart into what each reader reads."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from router.verification.evidence import (
    ATTESTATION_LAYER_TYPE,
    BUNDLE_TYPES,
    CERTIFICATE_ANNOTATION,
    CHAIN_ANNOTATION,
    ENTRY_ANNOTATION,
    SIGNATURE_ANNOTATION,
    SIMPLE_SIGNING_TYPE,
    TIMESTAMP_ANNOTATION,
)
from tests.fuzz.target import SEPARATOR, fields_of, framed
from tests.verification.world import DATA

SETS = (DATA, DATA / "keyless")
BESIDE = (CERTIFICATE_ANNOTATION, CHAIN_ANNOTATION, ENTRY_ANNOTATION, TIMESTAMP_ANNOTATION)
NOTATION_TYPES = ("application/jose+json", "application/cose")


@dataclass(frozen=True)
class Layer:
    """A layer of a manifest beside an image."""

    media_type: str
    image: str
    """The digest of the image, as far as it is known."""
    body: bytes
    notes: Mapping[str, str]


@cache
def layouts() -> tuple[tuple[Path, str], ...]:
    """The folders of all repositories, and the image's digest in each."""
    found = {}
    for folder in SETS:
        for case in json.loads((folder / "cases.json").read_bytes()):
            found[folder / "layouts" / case["layout"]] = case["digest"] or ""
    return tuple(found.items())


@cache
def manifests() -> tuple[tuple[str, bytes, Path], ...]:
    """Every manifest with its image's digest and its folder of blobs."""
    found = {}
    for layout, digest in layouts():
        for path in sorted((layout / "blobs" / "sha256").iterdir()):
            body = path.read_bytes()
            if body[:1] == b"{" and b'"schemaVersion"' in body:
                found[body] = (digest, body, path.parent)
    return tuple(found.values())


@cache
def layers() -> tuple[Layer, ...]:
    """Every layer beside an image."""
    found = []
    for digest, body, blobs in manifests():
        document = json.loads(body)
        for layer in document.get("layers") or []:
            path = blobs / str(layer.get("digest")).partition(":")[2]
            if path.is_file():
                image = (document.get("subject") or {}).get("digest", digest)
                notes = layer.get("annotations") or {}
                found.append(Layer(layer.get("mediaType", ""), image, path.read_bytes(), notes))
    return tuple(found)


def _beside(layer: Layer) -> tuple[bytes, ...]:
    return tuple(layer.notes.get(name, "").encode() for name in BESIDE)


def payloads() -> Iterator[bytes]:
    """Image, signature, payload, and what stands beside it."""
    for layer in layers():
        if layer.media_type == SIMPLE_SIGNING_TYPE:
            signature = layer.notes.get(SIGNATURE_ANNOTATION, "").encode()
            yield framed(layer.image.encode(), signature, layer.body, *_beside(layer))


def bundles() -> Iterator[bytes]:
    """Image and bundle."""
    for layer in layers():
        if layer.media_type.startswith(BUNDLE_TYPES):
            yield framed(layer.image.encode(), layer.body)


def with_less() -> Iterator[bytes]:
    """Bundles without entries of logs, without timestamps, and without either."""
    for data in bundles():
        image, body = fields_of(data, 2)
        try:
            whole = json.loads(body)
        except ValueError:
            continue
        for left_out in ({"tlogEntries"}, {"timestampVerificationData"}, {"tlogEntries", "timestampVerificationData"}):
            material = {name: value for name, value in whole["verificationMaterial"].items() if name not in left_out}
            yield framed(image, json.dumps(whole | {"verificationMaterial": material}).encode())


def beside_less(written: Iterator[bytes]) -> Iterator[bytes]:
    """The same with fewer of the last two fields: the entry of a log, and the timestamp."""
    for data in written:
        *head, entry, stamp = data.split(SEPARATOR)
        for left in ((b"", stamp), (entry, b""), (b"", b"")):
            yield framed(*head, *left)


def attestations() -> Iterator[bytes]:
    """Image, envelope, and what stands beside it."""
    for layer in layers():
        if layer.media_type == ATTESTATION_LAYER_TYPE:
            yield framed(layer.image.encode(), layer.body, *_beside(layer))


def notations(media_type: str) -> Iterator[bytes]:
    """Image and envelope."""
    for layer in layers():
        if layer.media_type == media_type:
            yield framed(layer.image.encode(), layer.body)


def entries() -> Iterator[bytes]:
    """What stands beside signatures."""
    for layer in layers():
        if any(beside := _beside(layer)):
            yield framed(*beside)


@cache
def documents() -> tuple[dict[str, object], ...]:
    """Every bundle that is JSON."""
    found = []
    for layer in layers():
        if layer.media_type.startswith(BUNDLE_TYPES):
            try:
                found.append(json.loads(layer.body))
            except ValueError:
                continue
    return tuple(document for document in found if isinstance(document, dict))


def found_in(value: object, name: str) -> Iterator[object]:
    """Whatever stands under this name, at any depth."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, held in members:
        if key == name:
            yield held
        yield from found_in(held, name)


def texts(name: str) -> Iterator[bytes]:
    """Texts under this name in bundles."""
    for document in documents():
        yield from (held.encode() for held in found_in(document, name) if isinstance(held, str))


def decoded(name: str) -> Iterator[bytes]:
    """The same, which are base64."""
    for text in texts(name):
        try:
            yield base64.b64decode(text, validate=True)
        except ValueError:
            continue


def timestamps() -> Iterator[bytes]:
    """What was stamped, and the timestamp.

    Not the recorded signature of which one bit was changed after it was stamped: who changes it back forges nothing.
    """
    for document in documents():
        stamps = [held for held in found_in(document, "signedTimestamp") if isinstance(held, str)]
        signatures = [held for held in found_in(document, "sig") if isinstance(held, str)]
        for stamp in stamps:
            try:
                read, stamped = base64.b64decode(stamp), [base64.b64decode(signature) for signature in signatures]
            except ValueError:
                continue
            if any(hashlib.sha256(one).digest() in read for one in stamped):
                yield from (framed(one, read) for one in stamped)


def certificates() -> Iterator[bytes]:
    """In DER: of signatures, and of trusted roots."""
    roots = [json.loads((DATA / "keyless" / "trusted_root.json").read_bytes())]
    for held in found_in([*documents(), *roots], "rawBytes"):
        if isinstance(held, str):
            try:
                yield base64.b64decode(held)
            except ValueError:
                continue


def pems() -> Iterator[bytes]:
    """Certificates and keys in PEM."""
    for folder in (*(folder / "keys" for folder in SETS), DATA / "keyless" / "authority"):
        for path in sorted((*folder.glob("*.pem"), *folder.glob("*.pub"))):
            yield path.read_bytes()


def reviews() -> Iterator[bytes]:
    """What a real API server asked."""
    for path in sorted((DATA / "admission").glob("*.json")):
        yield path.read_bytes()


def reviews_and_a_nested_one() -> Iterator[bytes]:
    """The same, and a Pod in which something nests deeper than a parser in C follows."""
    yield from reviews()
    pod = (DATA / "admission" / "pod-create.json").read_bytes()
    yield pod.replace(b'"metadata"', b'"x": %b%b, "metadata"' % (b"[" * 20_000, b"]" * 20_000), 1)
