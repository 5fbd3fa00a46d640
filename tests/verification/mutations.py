"""Changes to sound evidence: what somebody may try who can push, but has none of the keys. Deterministic by seed."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from router.images import Digest
from router.verification.evidence import Evidence, SigstoreBundle, SimpleSigning

Piece: TypeAlias = SimpleSigning | SigstoreBundle
Dice: TypeAlias = random.Random

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
UNICODE = ("\u212a", "\u017f", "\u200b", "\x00", "\ufeff", "\u0430", "\ud800")
ODD_VALUES: tuple[object, ...] = (None, True, 0, -1, 1e300, 10**40, "", "x", [], [[]], "A" * 5000)


class Members(list[tuple[str, object]]):
    """An object whose names may stand twice, in their order."""


class Verbatim(str):
    """JSON that is written as it stands: too deep to be held as values."""

    __slots__ = ()


DEEP = Verbatim("[" * 20_000 + "]" * 20_000)


def parsed(body: bytes) -> object:
    """JSON with its objects as members."""
    return json.loads(body, object_pairs_hook=Members)


def written(value: object, *, spaced: str = "") -> bytes:
    """JSON of such a value."""
    return _written(value, spaced).encode("utf-8", "surrogatepass")


def _written(value: object, spaced: str) -> str:
    match value:
        case Members():
            members = (
                f"{json.dumps(name, ensure_ascii=False)}:{spaced}{_written(held, spaced)}" for name, held in value
            )
            return "{" + f",{spaced}".join(members) + "}"
        case Verbatim():
            return str(value)
        case list():
            return "[" + f",{spaced}".join(_written(entry, spaced) for entry in value) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def members_of(value: object) -> Iterator[Members]:
    """Every object in it, itself too."""
    if isinstance(value, Members):
        yield value
        for _, held in value:
            yield from members_of(held)
    elif isinstance(value, list):
        for entry in value:
            yield from members_of(entry)


def flip(body: bytes, dice: Dice) -> bytes:
    """One bit."""
    place = dice.randrange(len(body))
    return body[:place] + bytes([body[place] ^ 1 << dice.randrange(8)]) + body[place + 1 :]


def cut(body: bytes, dice: Dice) -> bytes:
    """The end is missing, the beginning, or a part between."""
    first, last = sorted((dice.randrange(len(body) + 1), dice.randrange(len(body) + 1)))
    return dice.choice([body[:first], body[last:], body[:first] + body[last:]])


def insert(body: bytes, dice: Dice) -> bytes:
    """Something more, anywhere."""
    place = dice.randrange(len(body) + 1)
    more = dice.choice([b"\0", b" ", b"\n", b'"', b"{", b"}", b"\xff", b"\xef\xbb\xbf", dice.randbytes(8)])
    return body[:place] + more + body[place:]


def encode_anew(body: bytes, dice: Dice) -> bytes:
    """Another encoding of the text."""
    text = body.decode("utf-8", "replace")
    return text.encode(dice.choice(["utf-16", "utf-32-le", "utf-8-sig", "utf-7"]))


BYTES: tuple[Callable[[bytes, Dice], bytes], ...] = (flip, cut, insert, encode_anew)


def duplicate(value: object, dice: Dice) -> None:
    """A name stands twice, with the same value or another, before or behind."""
    members = _some(value, dice)
    name, held = dice.choice(members)
    members.insert(dice.choice([0, len(members)]), (name, dice.choice([held, *ODD_VALUES])))


def rename(value: object, dice: Dice) -> None:
    """A name in another case, with a foreign letter, or another name."""
    members = _some(value, dice)
    place = dice.randrange(len(members))
    name, held = members[place]
    names = [name.upper(), name.title(), name.swapcase(), name + " ", name.replace("k", "\u212a"), "x", ""]
    changed = (dice.choice([*names, name + dice.choice(UNICODE)]), held)
    if dice.random() < 0.5:
        members[place] = changed
    else:
        members.append(changed)


def put(value: object, dice: Dice) -> None:
    """Another value, of another type perhaps."""
    members = _some(value, dice)
    place = dice.randrange(len(members))
    members[place] = (members[place][0], dice.choice(ODD_VALUES))


def nest(value: object, dice: Dice) -> None:
    """A value within another, once or very deep."""
    members = _some(value, dice)
    place = dice.randrange(len(members))
    name, held = members[place]
    members[place] = (name, dice.choice([[held], [[held]], Members([(name, held)]), DEEP]))


def remove(value: object, dice: Dice) -> None:
    """A member is missing."""
    members = _some(value, dice)
    members.pop(dice.randrange(len(members)))


def spell(value: object, dice: Dice) -> None:
    """Letters of other alphabets, and none, in a text."""
    members = _some(value, dice)
    place = dice.randrange(len(members))
    name, held = members[place]
    if isinstance(held, str):
        at = dice.randrange(len(held) + 1)
        members[place] = (name, held[:at] + dice.choice(UNICODE) + held[at:])


def base64_anew(value: object, dice: Dice) -> None:
    """A text in another alphabet, with other padding, or broken into lines."""
    members = _some(value, dice)
    place = dice.randrange(len(members))
    name, held = members[place]
    if isinstance(held, str):
        members[place] = (name, text_anew(held, dice))


def order(value: object, dice: Dice) -> None:
    """The same members in another order."""
    dice.shuffle(_some(value, dice))


def repeat_signature(value: object, dice: Dice) -> None:
    """Two signatures, none, or the same again."""
    for members in members_of(value):
        for place, (name, held) in enumerate(members):
            if name == "signatures" and isinstance(held, list):
                members[place] = (name, dice.choice([[], held * 2, [Members(), *held], [*held, Members()], held * 500]))


def hint(value: object, dice: Dice) -> None:
    """What nobody signed: material beside the signature."""
    for members in members_of(value):
        for place, (name, _) in enumerate(members):
            if name == "verificationMaterial":
                key = Members([("hint", dice.randbytes(8).hex())])
                members[place] = (name, dice.choice([None, Members(), Members([("publicKey", key)])]))


TREES: tuple[Callable[[object, Dice], None], ...] = (
    duplicate,
    rename,
    put,
    nest,
    remove,
    spell,
    base64_anew,
    order,
    repeat_signature,
    hint,
)


def text_anew(text: str, dice: Dice) -> str:
    """Base64 in another alphabet, with other padding, in lines, or with what is no base64."""
    return dice.choice(
        [
            text.replace("+", "-").replace("/", "_"),
            text.rstrip("="),
            text + "=",
            "\n".join(text[start : start + 7] for start in range(0, len(text), 7)),
            text.replace("A", "A "),
            text.swapcase(),
            text + text,
        ]
    )


def signature_anew(signature: bytes, dice: Dice) -> bytes:
    """The mirrored signature, its raw integers, something behind it, zeros, or another by nobody."""
    try:
        r, s = decode_dss_signature(signature)
    except ValueError:
        r, s = 0, 0
    raw = r.to_bytes(66, "big")[-32:] + s.to_bytes(66, "big")[-32:]
    mirrored = encode_dss_signature(r, abs(P256_ORDER - s))
    return dice.choice(
        [mirrored, raw, signature + b"\0", bytes(len(signature)), encode_dss_signature(0, 0), b"\x30\x80"]
    )


def _some(value: object, dice: Dice) -> Members:
    """Any object in it that has members."""
    return dice.choice([members for members in members_of(value) if members] or [Members([("x", 1)])])


@dataclass(frozen=True)
class Mutator:
    """Changes one piece; `others` are sound pieces about other images or by other keys."""

    others: Sequence[Piece]

    def mutant(self, piece: Piece, dice: Dice) -> Piece:
        """The piece, changed once or twice, under the digest that its new bytes have."""
        for _ in range(dice.choice([1, 1, 2])):
            piece = self._legacy(piece, dice) if isinstance(piece, SimpleSigning) else self._bundle(piece, dice)
        return piece

    def _legacy(self, piece: SimpleSigning, dice: Dice) -> SimpleSigning:
        other = dice.choice([entry for entry in self.others if isinstance(entry, SimpleSigning)])
        payload = _body_anew(piece.payload, dice)
        signature = signature_anew(_decoded(piece.signature), dice)
        media_type = dice.choice([piece.media_type.upper(), piece.media_type + ";v=1", "", "text/plain"])
        at = dice.randrange(len(piece.signature) + 1)
        mutants = [
            replace(piece, signature=text_anew(piece.signature, dice)),
            replace(piece, signature=base64.b64encode(signature).decode()),
            replace(piece, signature=piece.signature[:at] + dice.choice(UNICODE) + piece.signature[at:]),
            replace(piece, signature=other.signature),
            replace(piece, payload=other.payload, digest=other.digest),
            replace(piece, media_type=media_type),
            *[replace(piece, payload=payload, digest=Digest.of(payload))] * 2,
        ]
        return dice.choice(mutants)

    def _bundle(self, piece: SigstoreBundle, dice: Dice) -> SigstoreBundle:
        other = dice.choice([entry for entry in self.others if isinstance(entry, SigstoreBundle)])
        match dice.randrange(5):
            case 0:
                body = _envelope_anew(piece.body, other.body, dice)
            case 1:
                body = _statement_anew(piece.body, dice)
            case _:
                body = _body_anew(piece.body, dice)
        return SigstoreBundle(Digest.of(body), body)


def _body_anew(body: bytes, dice: Dice) -> bytes:
    """Bytes or members changed, or only written in another way."""
    try:
        value = parsed(body)
    except (ValueError, RecursionError):
        return dice.choice(BYTES)(body or b"x", dice)
    match dice.randrange(3):
        case 0:
            return dice.choice(BYTES)(body or b"x", dice)
        case 1:
            return written(value, spaced=dice.choice(["", " ", "\n\t", "\r\n"]))
        case _:
            dice.choice(TREES)(value, dice)
            return written(value)


def _envelope_anew(body: bytes, other: bytes, dice: Dice) -> bytes:
    """Signature or payload of another bundle, another type of payload, or the signature in another encoding."""
    try:
        document, foreign = json.loads(body), json.loads(other)
        envelope = document["dsseEnvelope"]
        match dice.randrange(4):
            case 0:
                envelope["signatures"] = foreign["dsseEnvelope"]["signatures"]
            case 1:
                envelope["payload"] = foreign["dsseEnvelope"]["payload"]
            case 2:
                envelope["payloadType"] = dice.choice(["application/json", "", envelope["payloadType"].upper()])
            case _:
                signature = signature_anew(_decoded(envelope["signatures"][0]["sig"]), dice)
                envelope["signatures"][0]["sig"] = base64.b64encode(signature).decode()
        return json.dumps(document).encode()
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return flip(body or b"x", dice)


def _statement_anew(body: bytes, dice: Dice) -> bytes:
    """Another statement under the signature."""
    try:
        document = json.loads(body)
        payload = _body_anew(base64.b64decode(document["dsseEnvelope"]["payload"]), dice)
        document["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
        return json.dumps(document).encode()
    except (ValueError, RecursionError, LookupError, TypeError):
        return cut(body, dice)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except ValueError:
        return b""


def evidence_of(*pieces: Piece) -> Evidence:
    """Evidence that consists of these."""
    return Evidence(
        tuple(piece for piece in pieces if isinstance(piece, SimpleSigning)),
        tuple(piece for piece in pieces if isinstance(piece, SigstoreBundle)),
    )
