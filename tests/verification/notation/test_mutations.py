"""Two thousand changes to sound signatures of Notation by the real tool, and to timestamps: what pushers may try.

What still proves must hold what was signed: the same payload and header, by the same key, judged by an oracle of its
own.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import cbor2
import pytest
from cryptography import x509

from router.errors import NotVerifiedError
from router.images import Digest
from router.verification.evidence import Evidence, NotationEnvelope
from router.verification.notation.envelopes import COSE_TYPE, JWS_TYPE
from router.verification.notation.scheme import NotationScheme
from router.verification.scheme import Findings, Verified
from tests.verification.mutations import BYTES, TREES, Dice, parsed, text_anew, written
from tests.verification.notation.test_cases import CASES, THEN, settings_of
from tests.verification.notation.world import (
    FORMS,
    NOW,
    Stamp,
    clock,
    der,
    letter,
    notation,
    piece,
    root,
    signatory,
    store,
)
from tests.verification.world import DATA, proven, rule

MUTANTS = 250
"""Of each original."""
REAL = ("notation-jws-rsa", "notation-jws-ec", "notation-jws-metadata", "notation-cose-rsa", "notation-cose-ec")
STAMPED = {f"stamped {form}": form for form in FORMS}
ORIGINALS = (*REAL, "notation-cose-expires-later", *STAMPED)
TIMESTAMP = "io.cncf.notary.timestampSignature"


@dataclass(frozen=True)
class Original:
    """Sound evidence, and whoever trusts it."""

    piece: NotationEnvelope
    digest: Digest
    scheme: NotationScheme
    now: float


@cache
def original(name: str) -> Original:
    if name in STAMPED:
        return _stamped(STAMPED[name])
    case = next(entry for entry in CASES if entry["name"] == name)
    folder: Path = DATA / "layouts" / case["layout"]

    def blob(digest: str) -> bytes:
        return (folder / "blobs" / digest.replace(":", "/")).read_bytes()

    for entry in json.loads((folder / "index.json").read_bytes())["manifests"]:
        for layer in json.loads(blob(entry["digest"])).get("layers", ()):
            if layer["mediaType"] in FORMS:
                found = NotationEnvelope(layer["mediaType"], Digest.parse(layer["digest"]), blob(layer["digest"]))
    policy = next(entry["policy"] for entry in case["expect"] if entry["policy"]["kind"] == "notation")
    return Original(found, Digest.parse(case["digest"]), settings_of(policy).scheme(), THEN)


def _stamped(form: str) -> Original:
    digest = Digest.of(b"the image")
    sound = letter(form, digest, signatory())
    body = replace(sound, timestamp=Stamp(sound.signature).token(clock())).written(form)
    return Original(piece(form, body), digest, notation(store(), store("clock", "tsa")).scheme(), NOW)


def parts_of(form: str, body: bytes) -> Mapping[str, object]:
    """Header, payload, signature, first certificate and timestamp, read without our reader."""
    if form == JWS_TYPE:
        found = json.loads(body.decode(), object_pairs_hook=_once)

        def plain(text: str) -> bytes:
            return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

        outside = found["header"]
        stamp = outside.get(TIMESTAMP)
        return {
            "signed": (found["protected"], found["payload"]),
            "signature": plain(found["signature"]),
            "leaf": base64.b64decode(outside["x5c"][0]),
            "stamp": base64.b64decode(stamp) if stamp else None,
        }
    protected, outside, payload, signature = cbor2.loads(body).value
    return {
        "signed": (protected, payload),
        "signature": signature,
        "leaf": outside[33][0],
        "stamp": outside.get(TIMESTAMP),
    }


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def is_same_proof(mutant: NotationEnvelope, true: Original) -> bool:
    """Whether the same was signed by the same key; ECDSA's mirrored signature is another of the same."""
    try:
        old, new = (parts_of(one.media_type, one.body) for one in (true.piece, mutant))
        keys = [x509.load_der_x509_certificate(_bytes(one["leaf"])).public_key() for one in (old, new)]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, cbor2.CBORError):
        return False
    return mutant.media_type == true.piece.media_type and new["signed"] == old["signed"] and keys[0] == keys[1]


def _bytes(value: object) -> bytes:
    assert isinstance(value, bytes)
    return value


def mutant_of(true: Original, dice: Dice) -> NotationEnvelope:
    """The envelope, changed once or twice, under the digest that its new bytes have."""
    form, body = true.piece.media_type, true.piece.body
    for _ in range(dice.choice([1, 1, 2])):
        match dice.randrange(3):
            case 0:
                body = dice.choice(BYTES)(body or b"x", dice)
            case 1 if form == JWS_TYPE:
                body = _tree_anew(body, dice)
            case _:
                body = _part_anew(form, body, dice)
    return NotationEnvelope(form, Digest.of(body), body)


def _tree_anew(body: bytes, dice: Dice) -> bytes:
    try:
        value = parsed(body)
    except (ValueError, RecursionError):
        return dice.choice(BYTES)(body or b"x", dice)
    dice.choice(TREES)(value, dice)
    return written(value, spaced=dice.choice(["", " ", "\n"]))


def _part_anew(form: str, body: bytes, dice: Dice) -> bytes:
    """One part changed, taken from a stranger, or put beside itself."""
    try:
        return _jws_anew(body, dice) if form == JWS_TYPE else _cose_anew(body, dice)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, cbor2.CBORError):
        return dice.choice(BYTES)(body or b"x", dice)


def _changed(part: bytes, dice: Dice) -> bytes:
    return dice.choice([*BYTES])(part or b"x", dice)


def _chain_anew(chain: list[bytes], dice: Dice) -> list[bytes]:
    strangers = [der(one) for one in signatory("stranger").chain]
    at = dice.randrange(len(chain))
    return dice.choice(
        [
            chain[::-1],
            chain[:-1],
            chain[1:],
            [*chain, der(root("stranger"))],
            [*chain, chain[-1]],
            [strangers[0], *chain],
            [strangers[0], *chain[1:]],
            [*strangers, chain[-1]],
            [*chain[:at], _changed(chain[at], dice), *chain[at + 1 :]],
            chain * 4,
        ]
    )


def _jws_anew(body: bytes, dice: Dice) -> bytes:
    found = json.loads(body)
    name = dice.choice(["payload", "protected", "signature", "x5c", "x5c", TIMESTAMP])
    if name == "x5c":
        chain = [base64.b64decode(text) for text in found["header"]["x5c"]]
        found["header"]["x5c"] = [base64.b64encode(one).decode() for one in _chain_anew(chain, dice)]
    elif name == TIMESTAMP:
        stamp = base64.b64decode(found["header"].get(TIMESTAMP, ""))
        found["header"][TIMESTAMP] = base64.b64encode(_changed(stamp, dice)).decode()
    elif dice.random() < 0.5:
        found[name] = text_anew(found[name], dice)
    else:
        plain = base64.urlsafe_b64decode(found[name] + "==")
        found[name] = base64.urlsafe_b64encode(_changed(plain, dice)).rstrip(b"=").decode()
    return json.dumps(found).encode()


def _cose_anew(body: bytes, dice: Dice) -> bytes:
    protected, outside, payload, signature = cbor2.loads(body).value
    outside = dict(outside)
    match dice.randrange(7):
        case 0:
            protected = _changed(protected, dice)
        case 1:
            header = dict(cbor2.loads(protected)) | {
                dice.choice([1, 2, 3, 4, True, "x", "b64"]): dice.choice([-7, "x", []])
            }
            protected = cbor2.dumps(header)
        case 2:
            payload = _changed(payload, dice)
        case 3:
            signature = _changed(signature, dice)
        case 4:
            outside[TIMESTAMP] = _changed(outside.get(TIMESTAMP, b""), dice)
        case 5:
            outside[dice.choice([1, "x", 34, -1])] = dice.choice([1, "x", [[]], None, 1.5])
        case _:
            outside[33] = _chain_anew(list(outside[33]), dice)
    return cbor2.dumps(cbor2.CBORTag(dice.choice([18] * 9 + [17, 98]), [protected, outside, payload, signature]))


def is_accepted(true: Original, *pieces: NotationEnvelope) -> bool:
    try:
        return isinstance(proven(true.scheme, Evidence(notations=pieces), true.digest, rule(), true.now), Verified)
    except NotVerifiedError:
        return False


def mutants(name: str) -> Iterator[NotationEnvelope]:
    """The same ones each time."""
    for number in range(MUTANTS):
        yield mutant_of(original(name), random.Random(f"{name} {number}"))  # noqa: S311 - dice for tests


@pytest.mark.parametrize("name", ORIGINALS)
def test_no_change_proves_anything_unless_it_left_what_was_signed(name: str) -> None:
    """Whatever else comes out must be one of our own refusals: anything else ends the test."""
    true = original(name)
    kept = [is_same_proof(mutant, true) for mutant in mutants(name) if is_accepted(true, mutant)]

    assert is_accepted(true, true.piece)
    assert all(kept)


@pytest.mark.parametrize("name", STAMPED)
def test_no_change_of_a_timestamp_moves_the_time(name: str) -> None:
    """Its certificates may come in another order; what its authority signed may not be another."""
    true = original(name)
    form = true.piece.media_type
    stamps = [_bytes(parts_of(form, one.body)["stamp"]) for one in mutants(name) if is_accepted(true, one)]
    said = Stamp(letter(form, true.digest, signatory()).signature)

    assert stamps
    assert all(_moment_in(stamp) == _moment(said.moment) for stamp in stamps)


def _moment(seconds: float) -> bytes:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%d%H%M%SZ").encode()


def _moment_in(stamp: bytes) -> bytes:
    """The first GeneralizedTime of 15 bytes, which is the token's own."""
    place = stamp.index(b"\x18\x0f") + 2
    return stamp[place : place + 15]


@pytest.mark.parametrize("name", ORIGINALS)
def test_no_changed_copy_takes_anything_from_the_original(name: str) -> None:
    """Whoever can push puts it first."""
    true = original(name)

    assert all(is_accepted(true, mutant, true.piece) for mutant in mutants(name))


@pytest.mark.parametrize("name", ORIGINALS)
def test_no_change_is_more_work_than_ten_times_the_original(name: str) -> None:
    """Work is counted in steps, which no busy machine makes more."""
    true = original(name)

    def steps(one: NotationEnvelope) -> int:
        found = Findings(true.digest, true.now)
        return sum(1 for _ in true.scheme.examine(Evidence(notations=(one,)), found, true.scheme.trust))

    assert max(map(steps, mutants(name))) <= 10 * steps(true.piece)


def test_the_changes_are_of_both_kinds() -> None:
    """A suite whose mutants are all alike would show nothing: some keep the proof, most do not."""
    kept = {name: sum(is_accepted(original(name), one) for one in mutants(name)) for name in ORIGINALS}

    assert sum(kept.values()) >= 50
    assert all(count <= MUTANTS / 2 for count in kept.values())
    assert sum(1 for name in ORIGINALS for _ in mutants(name)) == 2000
    assert {original(name).piece.media_type for name in ORIGINALS} == {JWS_TYPE, COSE_TYPE}
