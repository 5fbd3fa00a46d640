"""Mail: whoever can be told is told, once, and no name begins a header."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from router.destinations.catalogue import open_destination
from router.destinations.document import Destination, Document
from router.destinations.egress import EgressSettings
from router.destinations.kinds.smtp import KIND, SUBJECT_LIMIT, SmtpSettings, mail_of, written
from router.destinations.outcome import AttemptOutcome, Delivered, Outcome, TryAgain, Undeliverable
from router.events import as_json, encode
from router.fields import ReadingContext
from router.rendering.examples import EXAMPLES, INCIDENTS
from router.rendering.library import Templates
from router.rendering.markup import Markup, cut_chars
from router.rendering.rehearsal import OF_DECISIONS
from router.rendering.renderer import Renderer
from router.rendering.template import Template
from tests.contracts.kinds import STORED, renderer, shipped
from tests.rendering.hostile import ANY_TEXT, event_with
from tests.simulators.certificates import self_signed
from tests.simulators.mail import MailServer

LOOPBACK = EgressSettings.model_validate({"allow": ["127.0.0.0/8"]})
RENDERER = renderer(KIND, shipped(KIND))
DOCUMENT = Document("7c0e9d0b-6d5f", RENDERER.render(STORED[0]).body)
PASSWORD = "correct horse battery"
PLAIN = {"security": "none", "plain": True}
LOGIN = {"username": "gate", "password": {"env": "SMTP"}}
LEAST = {
    "name": "mail",
    "kind": "smtp",
    "address": "127.0.0.1:25",
    "from": "gatecrier@shop.example",
    "to": ["soc@shop.example", "ops@shop.example"],
}


def settings(**written: object) -> SmtpSettings:
    reading = ReadingContext(Path("/"), {"SMTP": PASSWORD}, lambda path, _: path.read_bytes())
    return SmtpSettings.model_validate({**LEAST, **written}, context={"reading": reading})


def opened(server: MailServer, **written: object) -> Destination:
    return open_destination(settings(address=f"127.0.0.1:{server.port}", **{**PLAIN, **written}), LOOPBACK)


async def told(
    server: MailServer, written: Mapping[str, object] = PLAIN, document: Document = DOCUMENT
) -> AttemptOutcome:
    """What comes of one delivery."""
    destination = opened(server, **written)
    outcome = await destination.deliver([document])
    await destination.close()
    return outcome


def read(body: bytes, event_id: str = "event-1") -> EmailMessage:
    return mail_of(Document(event_id, body), "gatecrier@shop.example", ["soc@shop.example"])


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


async def test_a_mail_arrives_as_it_was_meant() -> None:
    async with MailServer().running() as server:
        outcome = await told(server)
    (taken,) = server.got
    mail = taken.mail

    assert outcome == Delivered()
    assert (taken.sender, taken.recipients) == (LEAST["from"], tuple(LEAST["to"]))
    assert mail["Subject"] == "[high] Correction: Rejected: Pod web-, production-eu"
    assert mail["Message-ID"] == "<7c0e9d0b-6d5f@shop.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime.isoformat() == "2026-11-23T10:15:30+00:00"
    assert "registry.example/shop/web-9:1.4 (web-9): " in text_of(mail)
    assert max(map(len, taken.content.split(b"\r\n"))) < 100
    assert taken.content.isascii()
    assert server.heard[0].startswith("EHLO [127.0.0.1]")


def test_messages_about_an_incident_are_one_thread() -> None:
    bodies = [as_json(one) for one in INCIDENTS]
    mails = [read(RENDERER.render(body).body, str(orjson.loads(body)["id"])) for body in bodies]
    ids = [orjson.loads(body)["data"]["incident"]["id"] for body in bodies]

    assert [mail["References"] for mail in mails] == [f"<{one}.incident@shop.example>" for one in ids]
    assert [mail["In-Reply-To"] for mail in mails] == [mail["References"] for mail in mails]
    assert read(DOCUMENT.body)["References"] is None


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_subject_says_what_was_decided(name: str) -> None:
    """An admitted image is never called rejected, and one that would be rejected says so in words."""
    event = orjson.loads(encode(EXAMPLES[name]))
    decision = event["data"]["decision"]
    mail = read(RENDERER.render(orjson.dumps(event)).body)

    assert mail["Subject"].startswith(f"[{decision['severity']}] ")
    assert ("Rejected" in mail["Subject"]) == (decision["outcome"] == "rejected")
    assert "denied" not in mail["Subject"].lower()
    if decision["outcome"] == "admitted":
        assert (" that it would reject" in text_of(mail)) == decision["would_reject"]


@given(text=ANY_TEXT)
def test_no_name_begins_a_header_or_is_read_as_markup(text: str) -> None:
    name = text.encode(errors="replace").decode() or "x"
    plain, hostile = (read(RENDERER.render(event_with(one)).body).as_bytes() for one in ("plain", name))
    heads = [[line.split(b":")[0] for line in one.split(b"\n\n")[0].splitlines() if line[:1] not in b" \t"]
             for one in (plain.replace(b"\r", b""), hostile.replace(b"\r", b""))]  # fmt: skip

    assert heads[0] == heads[1]


@given(body=st.binary() | st.builds(orjson.dumps, st.dictionaries(
    st.sampled_from(["subject", "text", "html", "thread", "time"]), st.none() | st.text() | st.integers(0, 9))),
    event_id=st.text(max_size=300))  # fmt: skip
def test_whatever_a_template_gives_is_a_mail(body: bytes, event_id: str) -> None:
    sent = read(body, event_id).as_bytes()

    assert sent.isascii()
    assert b"\nSubject: " in sent


ENCODED = st.sampled_from(["=?", "?=", "utf-8", "?q?", "?b?", "=0D=0A", "=E2=80=AE", "gICA", "a" * 80, "\N{BULLET}"])


@given(subject=st.lists(ENCODED, max_size=12).map("".join))
@example("=?x?b?gICA?=" + "a" * 200)
@example("web=?utf-8?q?=0D=0A=E2=80=AE?=")
@example("=?utf-8?q?Admitted=3A_Pod_ok?=")
def test_a_subject_says_what_stands_there_and_nothing_that_is_encoded_in_it(subject: str) -> None:
    """Whoever names a Pod could have a mail say that it was admitted, or have it never be sent."""
    sent = written(
        mail_of(Document("e", orjson.dumps({"subject": subject, "text": "x"})), "a@x.example", ["b@x.example"])
    )
    said = message_from_bytes(sent, policy=default)["Subject"]

    assert said == (cut_chars(subject.replace("=?", r"=\u003f"), SUBJECT_LIMIT) or "Gatecrier")


@given(subject=st.text() | st.lists(st.text("ab[]:.", max_size=60), max_size=20).map(" ".join))
def test_a_subject_stands_behind_its_name(subject: str) -> None:
    """Folded in an unlucky place it would begin on the next line, behind an empty one."""
    sent = written(read(orjson.dumps({"subject": subject.encode(errors="replace").decode(), "text": "x"})))

    assert re.search(rb"(?m)^Subject: [^ \r]", sent)
    assert max(map(len, sent.split(b"\r\n"))) <= 998


def test_html_is_escaped_and_text_is_not() -> None:
    source = '{"subject": "{{ alert_message }}", "text": "{{ alert_message }}", "html": "<p>{{ alert_message }}</p>"}'
    template = Template.parse("mine", source, Markup.HTML, known=OF_DECISIONS.known)
    mine = Renderer(Templates(template), kind="smtp", name="mail", minimal=KIND.minimal)
    mail = read(mine.render(event_with("<img src='x' onerror=\"y\"> & &lt;")).body)

    assert "<img src='x' onerror=\"y\"> & &lt;" in text_of(mail)
    assert "<img src='x' onerror=\"y\"> & &lt;" in mail["Subject"]
    assert "&lt;img src=&apos;x&apos; onerror=&quot;y&quot;&gt; &amp; &amp;lt;" in text_of(mail, "html")


@pytest.mark.parametrize(
    ("says", "outcome"),
    [
        ({"": "421 busy"}, TryAgain("receiver_failed", words="busy")),
        ({"": "554 no"}, TryAgain("receiver_failed", words="no")),
        ({"": "SSH-2.0"}, TryAgain("malformed_reply")),
        ({"MAIL": "451 later"}, TryAgain("receiver_failed", words="later")),
        ({"MAIL": "550 not you"}, TryAgain("refused_here", pauses=True, words="not you")),
        ({"MAIL": "530 who"}, TryAgain("unauthorised", pauses=True, words="who")),
        ({"MAIL": "552 large"}, Undeliverable("message_refused", words="large")),
        ({"RCPT": "451 later"}, TryAgain("receiver_failed", words="later")),
        ({"RCPT": "421 bye"}, TryAgain("receiver_failed", words="bye")),
        ({"RCPT": "550 unknown"}, Undeliverable("recipient_refused", words="unknown")),
        ({"DATA": "451 later"}, TryAgain("receiver_failed", words="later")),
        ({"DATA": "554 spam"}, Undeliverable("message_refused", words="spam")),
        ({"MAIL": "hang"}, TryAgain("timeout")),
        ({"QUIT": "554 no"}, Delivered()),
        ({"QUIT": "hang"}, Delivered()),
        ({"EHLO": "250-a\r\n" * 100_000 + "250 b"}, TryAgain("connection_failed")),
    ],
)
async def test_what_a_server_says_is_an_outcome(says: Mapping[str, str], outcome: Outcome) -> None:
    hangs = "hang" in says.values()
    async with MailServer(says).running() as server:
        found = await told(server, {"timeout": "200ms" if hangs else "30s"})

    if isinstance(outcome, TryAgain) and outcome.reason == "malformed_reply":
        assert isinstance(found, TryAgain)
        assert found.reason == outcome.reason
    else:
        assert found == outcome


async def test_whoever_has_it_gets_it_no_more() -> None:
    says = {"ops@shop.example": "451 greylisted"}
    async with MailServer(says).running() as server:
        destination = opened(server)
        first = await destination.deliver([DOCUMENT])
        says.clear()
        second = await destination.deliver([DOCUMENT])
        third = await destination.deliver([DOCUMENT])
        await destination.close()

    assert (first, second) == (TryAgain("receiver_failed", words="greylisted"), Delivered())
    assert third == Delivered()
    assert [one.recipients for one in server.got[:2]] == [("soc@shop.example",), ("ops@shop.example",)]
    assert len({one.mail["Message-ID"] for one in server.got}) == 1


async def test_who_refuses_it_for_good_is_told_when_all_others_have_it() -> None:
    """And a replay asks him again, nobody else."""
    says = {"soc@shop.example": "550 unknown", "ops@shop.example": "451 later"}
    async with MailServer(says).running() as server:
        destination = opened(server)
        outcomes = [await destination.deliver([DOCUMENT])]
        del says["ops@shop.example"]
        outcomes += [await destination.deliver([DOCUMENT]) for _ in range(2)]
        says.clear()
        outcomes.append(await destination.deliver([DOCUMENT]))
        await destination.close()

    refused = Undeliverable("recipient_refused", words="unknown")
    assert outcomes == [TryAgain("receiver_failed", words="later"), refused, refused, Delivered()]
    assert server.asked == ["soc@shop.example", "ops@shop.example", "ops@shop.example"] + ["soc@shop.example"] * 2
    assert [one.recipients for one in server.got] == [("ops@shop.example",), ("soc@shop.example",)]


async def test_a_refused_message_goes_out_as_the_minimal_one() -> None:
    small = Document(DOCUMENT.event_id, RENDERER.minimal(STORED[0]).body, is_fallback=True)
    document = Document(DOCUMENT.event_id, DOCUMENT.body, minimal=lambda: small)
    async with MailServer({"DATA": "554 spam"}).running() as server:
        outcome = await told(server, document=document)

    assert outcome == Undeliverable("message_refused", words="spam")
    assert server.heard.count("DATA") == 2


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_password_goes_through_tls_alone(security: str, tmp_path: Path) -> None:
    pair = self_signed()
    (tmp_path / "ca.pem").write_bytes(pair.certificate)
    tls = pair.server_context(tmp_path)
    secured = {"security": security, "plain": False, **LOGIN}
    for login, ca, outcome in (
        (("gate", PASSWORD), tmp_path / "ca.pem", Delivered()),
        (("gate", "another"), tmp_path / "ca.pem", TryAgain("unauthorised", pauses=True)),
        (("gate", PASSWORD), None, TryAgain("tls_failed")),
    ):
        async with MailServer(tls=tls, is_tls_first=security == "tls", login=login).running() as server:
            found = await told(server, {**secured, **({"ca": ca} if ca else {})})

        assert type(found) is type(outcome)
        assert getattr(found, "reason", "") == getattr(outcome, "reason", "")
        assert PASSWORD not in repr(found)
        assert bool(server.got) == isinstance(outcome, Delivered)
        assert (ca is not None) == any(line.startswith("AUTH") for line in server.heard)


async def test_without_the_starttls_that_was_asked_for_nothing_is_sent() -> None:
    for says in ({}, {"STARTTLS": "454 not now"}):
        async with MailServer(says, login=("gate", PASSWORD)).running() as server:
            outcome = await told(server, {"security": "starttls", "plain": False, **LOGIN})

        assert outcome == TryAgain("tls_failed")
        assert not [line for line in server.heard if not line.startswith(("EHLO", "STARTTLS"))]


async def test_nobody_listening_and_a_forbidden_address_are_worth_another_try() -> None:
    async with MailServer().running() as server:
        pass
    assert await told(server) == TryAgain("connection_failed")
    for address in ("127.0.0.1:25", "localhost:25", "169.254.169.254:25"):
        destination = open_destination(settings(address=address), EgressSettings())
        assert await destination.deliver([DOCUMENT]) == TryAgain("forbidden_address")
        await destination.close()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"security": "none"}, "plain: true"),
        ({**PLAIN, **LOGIN}, "never sent without TLS"),
        ({"username": "x"}, "together"),
        ({"password": {"env": "SMTP"}}, "together"),
        ({"from": "a@b\r\nBcc: c@d"}, "from"),
        ({"from": "Gatecrier <a@b>"}, "from"),
        ({"to": []}, "to"),
        ({"to": ["a@b, c@d"]}, "to"),
        ({**PLAIN, "ca": "/etc/hostname"}, "ca|CA"),
        ({"address": "mail.example"}, "HOST:PORT"),
    ],
)
def test_what_is_not_safe_is_refused(written: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        settings(**written)


def test_a_password_is_shown_nowhere() -> None:
    own = settings(**LOGIN)

    assert PASSWORD not in repr(own) + str(own) + own.model_dump_json() + repr(open_destination(own, LOOPBACK))
