"""JSON as evidence holds it, read so that two readers can't understand it differently. Pure.

Rules:
(1) UTF-8 only (Python's `json.loads` would guess UTF-16 and UTF-32), no NaN or Infinity (RFC 8259 section 6), and no
    half of a surrogate pair, which each reader makes something else of (section 8.2).
(2) A name that stands twice in one object is refused, at any depth: Go takes the last, others the first, and what
    was signed would be read in two ways (RFC 8259 section 4 leaves it open).
(3) `folded` reads an object as Go's encoding/json reads a struct, where names match without regard to case: two names
    that differ in case only are refused, and so is any name beyond ASCII (the Kelvin sign folds to `k`).
(4) That is dear (a call for every object), and so it is done only for what a trusted key has signed. What nobody
    vouches for is read for the few members that are needed to find that out (`read_members`), in a few milliseconds
    per MiB whatever it holds; of equal names the last is taken, which proves nothing yet.
(5) Whatever goes wrong, depth and long numbers included, is InvalidSignatureError(malformed), and the text of the
    error never repeats what was read: whoever can push to a repository writes it.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Mapping, Sequence
from typing import NoReturn, TypeVar

import msgspec

from router.errors import InvalidSignatureError

_T = TypeVar("_T")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
"""What only halves of surrogate pairs are written with, whole pairs too."""
_STANDARD = re.compile(r"[A-Za-z0-9+/]*={0,2}", re.ASCII)


def malformed(what: str, problem: str) -> InvalidSignatureError:
    """The error for evidence that can't be read."""
    return InvalidSignatureError(f"{what} {problem}")


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _refused_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not valid JSON")


def read_object(body: bytes, what: str) -> Mapping[str, object]:
    """The JSON object that these bytes are; raises InvalidSignatureError(malformed)."""
    try:
        found = json.loads(body.decode("utf-8"), object_pairs_hook=_distinct, parse_constant=_refused_constant)
        if _SURROGATE.search(body) is not None:
            json.dumps(found, ensure_ascii=False).encode()  # fails on halves
    except (ValueError, RecursionError) as error:
        raise malformed(what, "is not valid JSON that can be read in one way only") from error
    if not isinstance(found, dict):
        raise malformed(what, "is not a valid JSON object")
    return found


def read_members(decoder: msgspec.json.Decoder[_T], body: bytes, what: str) -> _T:
    """The members that a decoder names, of an object that nobody vouches for yet (rule 4).

    Raises:
        InvalidSignatureError: It is no JSON object, or a member is of another type (malformed).
    """
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(what, "is not a valid JSON object with the members that belong there") from error


def folded(value: Mapping[str, object], what: str) -> Mapping[str, object]:
    """The same object with lower-case names (rule 3); raises InvalidSignatureError(malformed)."""
    found = {}
    for name, held in value.items():
        if not name.isascii():
            raise malformed(what, "has a name beyond ASCII, which readers fold differently")
        if name.lower() in found:
            raise malformed(what, "has two names that differ in case only")
        found[name.lower()] = held
    return found


def object_at(value: Mapping[str, object], name: str, what: str) -> Mapping[str, object]:
    """The object under `name`; raises InvalidSignatureError(malformed) where there is none."""
    found = value.get(name)
    if not isinstance(found, dict):
        raise malformed(what, f"has no object `{name}`")
    return found


def objects_at(value: Mapping[str, object], name: str, what: str) -> Sequence[Mapping[str, object]]:
    """The list of objects under `name`, empty where it is absent or null; raises InvalidSignatureError(malformed)."""
    found = value.get(name)
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise malformed(what, f"has a `{name}` that is not a list of objects")
    return found


def text_at(value: Mapping[str, object], name: str, what: str) -> str:
    """The text under `name`, empty where it is absent or null; raises InvalidSignatureError(malformed)."""
    found = value.get(name)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise malformed(what, f"has a `{name}` that is not a text")
    return found


def _without_breaks(text: str) -> str:
    return text.replace("\r", "").replace("\n", "")


def standard_base64(text: str, what: str) -> bytes:
    """Decode RFC 4648 section 4 with padding; line breaks are skipped, as Go skips them. No URL-safe alphabet.

    Raises:
        InvalidSignatureError: It is none (malformed).
    """
    plain = _without_breaks(text)
    if plain.endswith("==="):  # Python takes that before 3.13
        raise malformed(what, "is not valid base64 of the standard alphabet")
    try:
        return binascii.a2b_base64(plain, strict_mode=True)
    except ValueError as error:  # binascii's own, and that of a character beyond ASCII
        raise malformed(what, "is not valid base64 of the standard alphabet") from error


def protobuf_base64(text: str, what: str) -> bytes:
    """Decode `bytes` of ProtoJSON: either alphabet of RFC 4648 but not both, with or without padding.

    Source: protobuf.dev, "ProtoJSON format", row `bytes`; Go's protojson decides the alphabet by the whole text.

    Raises:
        InvalidSignatureError: It is none (malformed).
    """
    plain = _without_breaks(text)
    if "-" in plain or "_" in plain:
        if "+" in plain or "/" in plain:
            raise malformed(what, "mixes the two alphabets of base64")
        plain = plain.replace("-", "+").replace("_", "/")
    if "=" not in plain:
        plain += "=" * (-len(plain) % 4)
    return standard_base64(plain, what)
