"""What `gatecrier verify` shows about one image: as text, and as an object for programs.

The object has the members of an image in an event (`router.events.ImageData`) but the place where the image stands;
and besides `wanted`, `remedy`, `places`, `evidence`, and for each signer `times` and `log_entries`. A piece of evidence
stands once, with what it means to the verifier, or to each member of one that is combined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from router.assembly.inquiry import Accounted
from router.cli.asking.showing import code, colour, show_remedy, show_verdict
from router.cli.pages import Page
from router.decision.wording import next_step
from router.errors import NotVerifiedError
from router.events import image_data, timestamp
from router.reasons import Absence, Distrust, Proof, Reason
from router.verdict import Verdict
from router.verification.account import NoSignature, Piece, Stranger
from router.verification.evidence import EvidenceFormat
from router.verification.scheme import Endorsement, Signer
from router.verification.sigstore.proof import Witnesses
from router.verification.sought import SoughtPlace

_PLACES = {
    SoughtPlace.SIG_TAG: "the .sig tag",
    SoughtPlace.ATT_TAG: "the .att tag",
    SoughtPlace.REFERRERS_API: "the referrers API",
    SoughtPlace.FALLBACK_TAG: "the fallback tag of referrers",
}
_FORMATS = {
    EvidenceFormat.SIMPLE_SIGNING: "a simple signing signature",
    EvidenceFormat.BUNDLE: "a Sigstore bundle",
    EvidenceFormat.ATTESTATION: "an attestation",
    EvidenceFormat.NOTATION: "an envelope of Notation",
}


def as_object(accounted: Accounted) -> Mapping[str, object]:
    """Everything, for programs."""
    finding, account = accounted.finding, accounted.account
    image: dict[str, object] = dict(image_data(finding))
    for name in ("container", "container_kind", "is_new", "cached"):
        del image[name]
    signers = [
        {
            "name": signer.name,
            "identity": signer.identity,
            "issuer": signer.issuer,
            "fingerprint": signer.fingerprint,
            **_witnessed(_witnesses(signer, account.pieces)),
        }
        for signer in finding.judgement.signers
    ]
    return image | {
        "wanted": finding.wanted,
        "remedy": next_step(finding),
        "signers": signers,
        "places": [place.value for place in account.places],
        "evidence": [_piece(piece) for piece in account.in_order],
    }


def _witnesses(signer: Signer, pieces: Sequence[Piece]) -> Sequence[Witnesses]:
    """What others say of each signature of this signer."""
    proofs = [piece.meaning for piece in pieces if isinstance(piece.meaning, Endorsement)]
    return [proof.witnesses for proof in proofs if proof.signer.who == signer.who]


def _witnessed(found: Sequence[Witnesses]) -> Mapping[str, object]:
    times = sorted({time for one in found for time in one.times})
    entries = [
        {"log": entry.log.origin, "index": entry.index, "time": None if entry.time is None else timestamp(entry.time)}
        for one in found
        for entry in one.entries
    ]
    return {"times": [timestamp(time) for time in times], "log_entries": entries}


def _piece(meanings: Sequence[Piece]) -> Mapping[str, object]:
    piece = meanings[0]
    return {
        "place": piece.place.value,
        "format": None if piece.format is None else piece.format.value,
        "digest": None if piece.digest is None else str(piece.digest),
        "meanings": [_meaning_object(one) for one in meanings],
    }


def _meaning_object(piece: Piece) -> Mapping[str, object]:
    verdict, reason, detail = _meaning(piece)
    shown: dict[str, object] = {
        "verifier": piece.verifier,
        "verdict": verdict.value,
        "reason": reason,
        "detail": detail,
    }
    if isinstance(piece.meaning, Endorsement):
        signer = piece.meaning.signer
        shown |= {"signer": signer.name, "annotations": dict(piece.meaning.annotations)}
        shown |= _witnessed([piece.meaning.witnesses])
    return shown


def _meaning(piece: Piece) -> tuple[Verdict, Reason, str]:
    """What a piece alone amounts to, in the words of verdicts."""
    match piece.meaning:
        case Endorsement() as proof:
            return Verdict.VERIFIED, Proof.SIGNED, f'signed by "{proof.signer.name}"'
        case Stranger(claimed):
            says = f"; its certificate says {claimed}" if claimed else ""
            return Verdict.UNTRUSTED, Distrust.UNTRUSTED_SIGNER, f"a signature by nobody who is trusted{says}"
        case NoSignature(1):
            return Verdict.UNSIGNED, Absence.NO_SIGNATURE, "an attestation that is not asked for: no signature"
        case NoSignature(count):
            text = f"{count} attestations that are not asked for: no signatures"
            return Verdict.UNSIGNED, Absence.NO_SIGNATURE, text
        case NotVerifiedError() as error:  # pragma: no branch - the union is closed
            return error.verdict, error.reason, str(error)


def show(page: Page, accounted: Accounted) -> None:
    """Everything, for people."""
    finding, account = accounted.finding, accounted.account
    page.line(finding.place.image, colour="strong")
    show_verdict(page, finding, 2)
    for signer in finding.judgement.signers:
        _show_signer(page, signer, _witnesses(signer, account.pieces))
    verifier = None if finding.rule is None else finding.rule.verifier
    for place in account.places:
        _show_place(page, place, [one for one in account.in_order if one[0].place is place], verifier)
    show_remedy(page, finding, 2)
    page.raw()


def _show_signer(page: Page, signer: Signer, found: Sequence[Witnesses]) -> None:
    page.line(f"signer {signer.name}", 2)
    if signer.fingerprint is not None:
        page.line(f"key {signer.fingerprint}", 4)
    if signer.identity is not None:
        page.line(f"identity {signer.identity}", 4)
    if signer.issuer is not None:
        page.line(f"issuer {signer.issuer}", 4)
    for time in sorted({time for one in found for time in one.times}):
        page.line(f"time {timestamp(time)}", 4)
    for entry in (entry for one in found for entry in one.entries):
        page.line(f"log {entry.log.origin}, entry {entry.index}", 4)


def _show_place(page: Page, place: SoughtPlace, found: Sequence[Sequence[Piece]], alone: str | None) -> None:
    """What was found in a place; what it means to whom is told where the rule's verifier does not stand `alone`."""
    page.line(f"{_PLACES[place]}{'' if found else ': nothing'}", 2)
    for meanings in found:
        piece = meanings[0]
        if piece.format is not None:
            page.line(f"{_FORMATS[piece.format]}", 4)
            page.line(str(piece.digest), 6, "faint")
        for one in meanings:
            verdict, reason, detail = _meaning(one)
            what = "proves it" if verdict.is_pass else f"{verdict.value} ({reason})"
            member = "" if one.verifier == alone else f"to {one.verifier}: "
            page.line(f"{member}{what}: {detail}", 4 if piece.format is None else 6, colour(code(verdict)))
