"""Whether certificates still stand is asked of a real responder and of real lists, on loopback."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from router.errors import NotVerifiedError
from router.slices import Slices
from router.verdict import Verdict
from router.verification import revocations
from router.verification.account import JudgementAccount
from router.verification.evidence import Evidence
from router.verification.examination import Case, Examination
from router.verification.judgement import Judgement
from router.verification.outside import Outside
from router.verification.revocation_answers import LIST_LIMIT, OCSP_LIMIT
from router.verification.revocations import AGAIN, LONGEST, AskedRevocations
from router.verification.scheme import Endorsement
from router.verification.sought import SoughtPlace
from router.verification.standing import CertificateStanding, Good, Issued, Revoked, Unknown
from tests.simulators.registry import listening
from tests.verification.notation.test_proof import DIGEST
from tests.verification.notation.world import (
    CA,
    DAY,
    LEAF,
    NOW,
    Shape,
    Signatory,
    certificate,
    der,
    key,
    notation,
    root,
    signatory,
    signed,
    subject,
)
from tests.verification.world import rule

ASKING = {"override": {"revocation": "enforce"}}
RESPONDER = Shape(ca=False, extended=(ExtendedKeyUsageOID.OCSP_SIGNING,))


def moment(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(NOW + seconds, dt.UTC)


@dataclass
class Authority:
    """Answers for the certificates of the authority `supplier`, truly or not."""

    port: int = 0
    revoked: set[int] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    begin: float = -DAY
    end: float | None = DAY
    status: ocsp.OCSPCertStatus | None = None
    """What is said of every certificate; None: the truth."""
    by: str = "supplier root"
    """The key that signs."""
    responder: x509.Certificate | None = None
    """Who signs in the issuer's place."""
    about: x509.Certificate | None = None
    """Another certificate, about which it answers."""
    more: tuple[tuple[x509.ExtensionType, bool], ...] = ()
    """Extensions of the list."""
    issuer: x509.Name | None = None
    """Whose list it says that it is."""
    ocsp_body: Callable[[], bytes] | None = None
    list_body: Callable[[], bytes] | None = None
    is_silent: bool = False
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def shape(self, *, ocsp_at: str | None = "/ocsp", list_at: str | None = "/list") -> Shape:
        """A signer's certificate that names these places."""
        more: list[tuple[x509.ExtensionType, bool]] = []
        if ocsp_at is not None:
            name = x509.UniformResourceIdentifier(self.url + ocsp_at)
            access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, name)
            more.append((x509.AuthorityInformationAccess([access]), False))
        if list_at is not None:
            names = [x509.UniformResourceIdentifier(self.url + list_at)]
            more.append((x509.CRLDistributionPoints([x509.DistributionPoint(names, None, None, None)]), False))
        return replace(LEAF, more=tuple(more))

    def signer(self, name: str = "signer", **places: Any) -> Signatory:  # noqa: ANN401 - as `shape` takes them
        """Somebody with a certificate of its."""
        return signatory(name=f"{name} of {self.port}", shape=self.shape(**places))

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a question, or give the list."""
        self.asked.append(request.path)
        if self.is_silent:
            await self.let_go.wait()
        if request.path == "/gone":
            return web.Response(status=404)
        if request.path == "/list":
            return web.Response(body=self.list_body() if self.list_body else self.listed())
        return web.Response(body=self.ocsp_body() if self.ocsp_body else self.said(await request.read()))

    def said(self, question: bytes) -> bytes:
        """An OCSP answer."""
        asked = ocsp.load_der_ocsp_request(question)
        issuer = root()
        held = self.about or certificate(
            subject("x"), key("x").public_key(), issuer.subject, key("supplier root"), LEAF, asked.serial_number
        )
        status = self.status or (
            ocsp.OCSPCertStatus.REVOKED if asked.serial_number in self.revoked else ocsp.OCSPCertStatus.GOOD
        )
        is_revoked = status is ocsp.OCSPCertStatus.REVOKED
        made = ocsp.OCSPResponseBuilder().add_response(
            held,
            issuer,
            hashes.SHA1(),  # noqa: S303 - as responders do
            status,
            moment(self.begin),
            None if self.end is None else moment(self.end),
            moment(-DAY) if is_revoked else None,
            None,
        )
        made = made.responder_id(ocsp.OCSPResponderEncoding.NAME, self.responder or issuer)
        if self.responder is not None:
            made = made.certificates([self.responder])
        return made.sign(key(self.by), hashes.SHA256()).public_bytes(Encoding.DER)

    def listed(self) -> bytes:
        """The list."""
        made = x509.CertificateRevocationListBuilder().issuer_name(self.issuer or root().subject)
        made = made.last_update(moment(self.begin)).next_update(moment(DAY if self.end is None else self.end))
        for serial in sorted(self.revoked):
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(moment(-DAY)).build()
            made = made.add_revoked_certificate(entry)
        for extension, critical in self.more:
            made = made.add_extension(extension, critical)
        return made.sign(key(self.by), hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.fixture
async def authority() -> AsyncIterator[Authority]:
    made = Authority()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    async with listening(app) as made.port:
        yield made
        made.let_go.set()


@dataclass
class Wall:
    """The time of the wall."""

    now: float = NOW

    def __call__(self) -> float:
        """It."""
        return self.now


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
async def asking(wall: Wall) -> AsyncIterator[AskedRevocations]:
    made = AskedRevocations({}, wall)
    yield made
    await made.close()


def later(seconds: float = 20.0) -> float:
    return asyncio.get_running_loop().time() + seconds


async def standing(asking: AskedRevocations, of: Signatory, seconds: float = 20.0) -> CertificateStanding:
    return await asking.standing(Issued(der(of.chain[0]), der(of.chain[1])), later(seconds))


async def judged(asking: AskedRevocations | None, *signers: Signatory, **asked: Any) -> Judgement:  # noqa: ANN401 - demands
    scheme = notation(**ASKING).scheme(Outside(ask_standing=None if asking is None else asking.standing))
    case = Case(scheme, scheme.trust, rule(**asked), DIGEST, NOW)
    examination = Examination(case, Slices(1), later())
    await examination.is_enough(
        SoughtPlace.REFERRERS_API, Evidence(notations=tuple(signed(DIGEST, one) for one in signers))
    )
    return examination.judgement


async def test_who_was_not_revoked_proves_until_the_answer_runs_out(
    authority: Authority, asking: AskedRevocations
) -> None:
    judgement = await judged(asking, authority.signer())

    assert (judgement.verdict, judgement.valid_until) == (Verdict.VERIFIED, NOW + DAY)
    assert authority.asked == ["/ocsp"]


@pytest.mark.parametrize("places", [{"list_at": None}, {"ocsp_at": None}, {"ocsp_at": "/gone"}])
async def test_who_was_revoked_proves_nothing(
    authority: Authority, asking: AskedRevocations, places: dict[str, Any]
) -> None:
    signer = authority.signer(**places)
    authority.revoked.add(signer.chain[0].serial_number)
    judgement = await judged(asking, signer)

    assert (judgement.verdict, judgement.reason) == (Verdict.UNTRUSTED, "revoked")
    assert "revoked at 2026-10-31" in judgement.detail


async def test_what_others_prove_counts_beside_what_was_revoked(authority: Authority, asking: AskedRevocations) -> None:
    bad, good = authority.signer("bad"), authority.signer("good")
    authority.revoked.add(bad.chain[0].serial_number)

    assert (await judged(asking, bad, good)).verdict is Verdict.VERIFIED
    assert (await judged(asking, bad, good, threshold=2)).reason == "too_few_signers"


async def test_an_account_tells_of_each_signer_whether_it_was_revoked(
    authority: Authority, asking: AskedRevocations
) -> None:
    """All are asked about, the proof or not, and what comes of it stands with the envelope that it is about."""
    first, bad = authority.signer("first"), authority.signer("bad")
    lost = authority.signer("lost", ocsp_at="/gone", list_at=None)
    authority.revoked.add(bad.chain[0].serial_number)
    envelopes = {name: signed(DIGEST, one) for name, one in (("first", first), ("bad", bad), ("lost", lost))}
    scheme = notation(**ASKING).scheme(Outside(ask_standing=asking.standing))
    account = JudgementAccount()
    case = Case(scheme, scheme.trust, rule(), DIGEST, NOW)
    examination = Examination(case, Slices(1), later(), notes=account.by("suppliers"))
    is_enough = await examination.is_enough(SoughtPlace.REFERRERS_API, Evidence(notations=tuple(envelopes.values())))
    told = {
        name: piece.meaning.reason if isinstance(piece.meaning, NotVerifiedError) else type(piece.meaning)
        for name, envelope in envelopes.items()
        for piece in account.pieces
        if piece.digest == envelope.digest
    }

    assert not is_enough
    assert examination.judgement.verdict is Verdict.VERIFIED
    assert told == {"first": Endorsement, "bad": "revoked", "lost": "revocation_unknown"}
    assert len(account.pieces) == len(envelopes)


async def test_nobody_is_asked_of_strangers_and_of_more_than_is_needed(
    authority: Authority, asking: AskedRevocations
) -> None:
    """A stranger could have us ask anybody."""
    stranger = signatory("stranger", shape=authority.shape())
    first, second = authority.signer("first"), authority.signer("second")

    assert (await judged(asking, stranger)).verdict is Verdict.UNTRUSTED
    assert authority.asked == []
    assert (await judged(asking, stranger, first, second)).verdict is Verdict.VERIFIED
    assert authority.asked == ["/ocsp"]


async def test_it_is_off_unless_it_is_asked_for(authority: Authority, asking: AskedRevocations) -> None:
    signer = authority.signer()
    authority.revoked.add(signer.chain[0].serial_number)
    scheme = notation().scheme(Outside(ask_standing=asking.standing))
    examination = Examination(Case(scheme, scheme.trust, rule(), DIGEST, NOW), Slices(1), later())
    await examination.is_enough(SoughtPlace.REFERRERS_API, Evidence(notations=(signed(DIGEST, signer),)))

    assert examination.judgement.verdict is Verdict.VERIFIED
    assert authority.asked == []
    assert notation().scheme().trust.id != notation(**ASKING).scheme().trust.id


async def test_who_names_no_place_can_not_be_revoked(asking: AskedRevocations) -> None:
    judgement = await judged(asking, signatory())

    assert (judgement.verdict, judgement.valid_until) == (Verdict.VERIFIED, root().not_valid_after_utc.timestamp())


@pytest.mark.parametrize("places", [{}, {"list_at": "/gone", "ocsp_at": None}])
async def test_where_nobody_can_tell_nothing_is_proven(
    authority: Authority, asking: AskedRevocations, places: dict[str, Any]
) -> None:
    authority.status, authority.issuer = ocsp.OCSPCertStatus.UNKNOWN, subject("another")
    judgement = await judged(asking, authority.signer(**places))

    assert (judgement.verdict, judgement.reason) == (Verdict.UNVERIFIABLE, "revocation_unknown")
    assert not judgement.is_registrys_doing


async def test_where_nobody_can_be_asked_nothing_is_proven(authority: Authority) -> None:
    assert (await judged(None, authority.signer())).reason == "revocation_unknown"


async def test_intermediate_authorities_are_asked_about_too(authority: Authority, asking: AskedRevocations) -> None:
    middle = replace(authority.shape(), ca=True, usages=("key_cert_sign",), extended=())
    signer = signatory(name="below", between=(middle,))
    authority.revoked.add(signer.chain[1].serial_number)

    assert (await judged(asking, signer)).reason == "revoked"


def tampered(authority: Authority) -> None:
    true = authority.said
    authority.ocsp_body = lambda: true_of(authority, true)


def true_of(authority: Authority, true: Callable[[bytes], bytes]) -> bytes:
    signer = authority.signer(list_at=None)
    request = ocsp.OCSPRequestBuilder().add_certificate(signer.chain[0], root(), hashes.SHA1()).build()  # noqa: S303 - as above
    body = bytearray(true(request.public_bytes(Encoding.DER)))
    body[-5] ^= 1
    return bytes(body)


def delegated(shape: Shape, by: str = "supplier root") -> Callable[[Authority], None]:
    def change(authority: Authority) -> None:
        authority.by = "responder"
        authority.responder = certificate(
            subject("responder"), key("responder").public_key(), root().subject, key(by), shape
        )

    return change


def impostor(authority: Authority) -> None:
    """Has the issuer's name, and another key."""
    authority.by = "thief"
    thief = key("thief")
    authority.responder = certificate(root().subject, thief.public_key(), root().subject, thief, CA)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (impostor, "nobody has signed"),
        (tampered, "nobody has signed|can't be read"),
        (lambda a: setattr(a, "end", -1.0), "out of date"),
        (lambda a: setattr(a, "end", None), "out of date"),
        (lambda a: setattr(a, "begin", 301.0), "time to come"),
        (lambda a: setattr(a, "about", root("stranger")), "another certificate"),
        (lambda a: setattr(a, "status", ocsp.OCSPCertStatus.UNKNOWN), "does not know"),
        (delegated(LEAF), "nobody has signed"),
        (delegated(RESPONDER, "thief"), "nobody has signed"),
        (delegated(replace(RESPONDER, end=NOW - 1)), "nobody has signed"),
        (lambda a: setattr(a, "ocsp_body", lambda: b""), "can't be read"),
        (lambda a: setattr(a, "ocsp_body", lambda: b"0" * 1000), "can't be read"),
        (lambda a: setattr(a, "ocsp_body", lambda: b"\x30\x03\x0a\x01\x03"), "try_later"),
        (lambda a: setattr(a, "ocsp_body", lambda: b"0" * (OCSP_LIMIT + 1)), "more than"),
    ],
)
async def test_an_answer_that_does_not_hold_says_nothing(
    authority: Authority, asking: AskedRevocations, change: Callable[[Authority], None], words: str
) -> None:
    change(authority)
    found = await standing(asking, authority.signer(list_at=None))

    assert isinstance(found, Unknown)
    assert any(word in found.detail for word in words.split("|")), found.detail


async def test_a_responder_of_the_issuer_speaks_for_it(authority: Authority, asking: AskedRevocations) -> None:
    delegated(RESPONDER)(authority)

    assert await standing(asking, authority.signer(list_at=None)) == Good(NOW + DAY)


def partial(**said: object) -> tuple[x509.ExtensionType, bool]:
    members: dict[str, Any] = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**(members | said)), True


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: setattr(a, "by", "thief"), "has not signed"),
        (lambda a: setattr(a, "issuer", subject("another")), "not the issuer's"),
        (lambda a: setattr(a, "end", -1.0), "out of date"),
        (lambda a: setattr(a, "more", ((x509.DeltaCRLIndicator(1), True),)), "not understood"),
        (lambda a: setattr(a, "more", (partial(only_contains_ca_certs=True),)), "not one of all"),
        (lambda a: setattr(a, "more", (partial(only_contains_user_certs=True),)), "not one of all"),
        (lambda a: setattr(a, "more", (partial(indirect_crl=True),)), "not one of all"),
        (
            lambda a: setattr(a, "more", (partial(only_some_reasons=frozenset({x509.ReasonFlags.key_compromise})),)),
            "not one of all",
        ),
        (lambda a: setattr(a, "list_body", lambda: b"garbage"), "can't be read"),
        (lambda a: setattr(a, "list_body", lambda: b"0" * (LIST_LIMIT + 1)), "more than"),
    ],
)
async def test_a_list_that_does_not_hold_says_nothing(
    authority: Authority, asking: AskedRevocations, change: Callable[[Authority], None], words: str
) -> None:
    change(authority)
    found = await standing(asking, authority.signer(ocsp_at=None))

    assert isinstance(found, Unknown)
    assert words in found.detail


async def test_an_issuer_that_may_not_sign_lists_has_none(authority: Authority, asking: AskedRevocations) -> None:
    mute = root("supplier", replace(CA, usages=("key_cert_sign",)))
    signer = authority.signer(ocsp_at=None)
    found = await asking.standing(Issued(der(signer.chain[0]), der(mute)), later())

    assert isinstance(found, Unknown)


async def test_one_answer_and_one_list_serve_until_they_run_out(
    authority: Authority, asking: AskedRevocations, wall: Wall
) -> None:
    by_ocsp = authority.signer("a")
    by_list = [authority.signer(name, ocsp_at=None) for name in ("b", "c")]
    for _ in range(3):
        found = await asyncio.gather(*(standing(asking, one) for one in (by_ocsp, *by_list) for _ in range(10)))
        assert all(isinstance(one, Good) for one in found)

    assert sorted(authority.asked) == ["/list", "/ocsp"]

    wall.now += DAY
    authority.begin, authority.end = DAY, 10 * DAY
    authority.revoked.add(by_ocsp.chain[0].serial_number)
    assert isinstance(await standing(asking, by_ocsp), Revoked)
    assert authority.asked.count("/ocsp") == 2

    wall.now += LONGEST  # although it says that it counts for longer
    await standing(asking, by_ocsp)
    assert authority.asked.count("/ocsp") == 3


async def test_a_failure_is_not_tried_again_at_once(authority: Authority, asking: AskedRevocations, wall: Wall) -> None:
    signer = authority.signer(list_at=None)
    authority.status = ocsp.OCSPCertStatus.UNKNOWN
    for _ in range(5):
        assert isinstance(await standing(asking, signer), Unknown)
    assert authority.asked == ["/ocsp"]

    authority.status = None
    wall.now += AGAIN
    assert isinstance(await standing(asking, signer), Good)


async def test_who_does_not_answer_is_waited_for_within_the_deadline(
    authority: Authority, asking: AskedRevocations
) -> None:
    authority.is_silent = True
    found = await standing(asking, authority.signer(), seconds=0.2)

    assert isinstance(found, Unknown)

    authority.is_silent = False
    authority.let_go.set()
    assert isinstance(await standing(asking, authority.signer()), Good | Unknown)


async def test_the_list_is_asked_where_the_responder_is_silent(
    authority: Authority, asking: AskedRevocations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocations, "PATIENCE", 0.2)
    answer = authority.answer

    async def silent(request: web.Request) -> web.StreamResponse:
        if request.path == "/ocsp":
            await authority.let_go.wait()
        return await answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", silent)
    async with listening(app) as authority.port:
        assert await standing(asking, authority.signer()) == Good(NOW + DAY)
        authority.let_go.set()


@pytest.mark.parametrize("url", ["http://169.254.169.254/ocsp", "ldap://a.example/", "http://127.1/", "http://"])
async def test_addresses_that_nobody_may_ask_are_not_asked(asking: AskedRevocations, url: str) -> None:
    name = x509.UniformResourceIdentifier(url)
    access = x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.OCSP, name)])
    found = await standing(asking, signatory(name=url, shape=replace(LEAF, more=((access, False),))))

    assert isinstance(found, Unknown)


async def test_what_is_remembered_is_bounded_in_number(
    authority: Authority, asking: AskedRevocations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking._standings, "_most", 2)
    first, *others = [authority.signer(name, list_at=None) for name in ("a", "b", "c")]
    for one in (first, *others, first):
        await standing(asking, one)

    assert authority.asked.count("/ocsp") == 4
    assert len(asking._standings._values) == 2
