"""Mail by SMTP: a message for each event, those about one incident in one thread.

Sources: RFC 5321 and 6409 (`router.destinations.mail`), RFC 5322 (Message-ID, References), RFC 3834, clause 5
(Auto-Submitted), RFC 2049 (what is safe on the way: quoted-printable). Not confirmed: that every reader of mail makes
threads by References alone (some want equal subjects, too; those of one incident are equal).

Rules:
(1) The Message-ID follows from the event's id, so that a repetition can be known. Messages about one incident refer to
    one id that follows from the incident's, whether or not the first of them arrived.
(2) Replies count for each recipient. Who has taken the mail gets it no more on later attempts (as long as this process
    remembers), who refuses it for good (5yz) is not asked again, and when all others have it the event is set aside, so
    that somebody sees who was not told. What may pass (4yz) is tried again.
(3) A refused sender or login speaks of us: the destination pauses. A refused message goes out as the minimal one.
(4) No value begins a header: subjects have one line, addresses are those of the configuration, and the rest is ours.
    None is read as an encoded word either (RFC 2047), which could say anything, or nothing that can be sent: `=?` is
    escaped.
(5) Templates escape values for HTML; where a text is plain, that is undone: neither needs care for the other.
"""

from __future__ import annotations

import base64
import html
import re
import smtplib
import sys
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from functools import partial
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from router.by_reference import Secret
from router.destinations.document import Document, said_by
from router.destinations.kind import OwnKind
from router.destinations.mail import TAKEN, Answers, GreetingError, MailAccount, Posting, TlsMissingError
from router.destinations.outcome import Delivered, Outcome, TryAgain, Undeliverable
from router.destinations.own_thread import OwnThread
from router.destinations.socket_settings import SocketSettings
from router.destinations.wires import attempted
from router.destinations.words import Words, references_of
from router.errors import TemplateError
from router.fields import Duration
from router.outbound.addresses import AddressGuard
from router.outbound.connecting import Connector
from router.rendering.filters import rfc3339
from router.rendering.markup import Markup, TextLines, cut_chars, escape
from router.rendering.minimal import MESSAGE_LIMIT, Because, message_of
from router.rendering.values import as_json, as_text
from router.telemetry.logs import logger

log = logger()

SUBJECT_LIMIT, ID_LIMIT = 200, 120
"""Characters."""
UNKNOWN = "event"
REMEMBERED = 1000
"""Events of which some recipients have taken the mail and others not yet."""
CLOSE_LIMIT = 2.0
"""Seconds."""
_PERMANENT, _TEMPORARY = range(500, 600), range(400, 500)
_REFUSES_US = frozenset({530, 534, 535, 538})
_TOO_LARGE = 552
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9-]+")
_UNFOLDED = SMTP.clone(max_line_length=998)

Mailbox = Annotated[
    str,
    Field(max_length=254, pattern=r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$"),
]
"""An address without a name: NAME@DOMAIN, in ASCII."""


class SmtpSettings(SocketSettings):
    """Mail, by SMTP."""

    kind: Literal["smtp"]
    """Mail, by SMTP."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """Whether the connection becomes TLS (587), is TLS from the beginning (465), or is none, with `plain`."""
    plain: bool = False
    """Allow `security: none`, and so that anybody on the way reads what is sent."""
    username: Annotated[str, Field(min_length=1, max_length=254, pattern=r"^[\x20-\x7e]+$")] | None = None
    """Who we are, with `password`."""
    password: Secret | None = None
    """The password, by reference."""
    from_: Annotated[Mailbox, Field(alias="from", examples=["gatecrier@shop.example"])]
    """The address of the sender."""
    to: Annotated[tuple[Mailbox, ...], Field(min_length=1, max_length=50, examples=[["soc@shop.example"]])]
    """The addresses of those who are told."""
    timeout: Duration = 30.0
    """How long one attempt may take, connecting included."""

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("`username` and `password` are said together")
        if self.security == "none" and self.password is not None:
            raise ValueError("a password is never sent without TLS; say `security: starttls` or `tls`")
        if self.security == "none" and not self.plain:
            raise ValueError("anybody on the way reads mail without TLS; say `plain: true` if that is meant")
        if self.security == "none" and self.ca is not None:
            raise ValueError("`ca` is of TLS; leave it out, or say `security: starttls`")
        if self.password is not None and not self.password.reveal().isascii():
            raise ValueError("the password has characters outside ASCII, which AUTH can't carry here; choose another")
        return self


class SmtpDestination:
    """Sends mails, one after the other."""

    concurrency = 1
    batch_size, linger = 1, 0.0
    batch_bytes = sys.maxsize

    def __init__(self, settings: SmtpSettings, guard: AddressGuard) -> None:
        password = "" if settings.password is None else settings.password.reveal()
        self.name = settings.name
        self.give_up_after = settings.give_up_after
        self._sender, self._recipients = settings.from_, tuple(dict.fromkeys(settings.to))
        self._account = MailAccount(
            settings.address,
            settings.security,
            settings.tls(),
            settings.username or "",
            password,
            settings.timeout,
        )
        both = f"\0{settings.username or ''}\0{password}"
        encoded = [base64.b64encode(text.encode()).decode() for text in (password, both)]
        self._words = Words([*references_of(settings), *(encoded if password else [])])
        self._connector = Connector(guard)
        self._thread = OwnThread(f"smtp-{settings.name}")
        self._settled: OrderedDict[str, dict[str, str | None]] = OrderedDict()
        """By event, who has taken it (None) and who refuses it for good (in the server's words)."""

    async def deliver(self, documents: Sequence[Document]) -> Outcome:
        """Send the mail of this document to whoever has not taken it yet; as the minimal one where it is refused."""
        document = documents[0]
        outcome = await self._sent(document)
        is_of_form = isinstance(outcome, Undeliverable) and outcome.is_of_form
        if not is_of_form or (smallest := document.smallest()) is None:
            return outcome
        log.warning("document_minimal", destination=self.name, event_id=document.event_id)
        return await self._sent(smallest)

    async def close(self) -> None:
        """Let the thread end, after a mail that is just on its way, if that ends in time."""
        await self._thread.end(lambda: None, CLOSE_LIMIT)
        await self._connector.close()

    async def _sent(self, document: Document) -> Outcome:
        settled = self._settled.get(document.event_id, {})
        left = [one for one in self._recipients if one not in settled]
        content = written(mail_of(document, self._sender, self._recipients))
        posting = Posting(self._account, self._sender, left, content)
        try:
            outcome = await attempted(self._posted(posting), self._account.timeout)
        finally:
            posting.give_up()
        answers = posting.answers
        return outcome if answers is None else self._judged(document.event_id, left, answers)

    async def _posted(self, posting: Posting) -> Outcome:
        host, port = self._account.endpoint.host, self._account.endpoint.port
        addresses = [address for _, address in await self._connector.addresses(host, port)]
        try:
            await self._thread.run(partial(posting.post, addresses), self._account.timeout)
        except TlsMissingError:
            return TryAgain("tls_failed")
        except smtplib.SMTPNotSupportedError:  # of AUTH
            return TryAgain("unauthorised", pauses=True)
        except smtplib.SMTPResponseException as error:
            return self._refused(error)
        except smtplib.SMTPServerDisconnected:
            return TryAgain("connection_failed")
        except smtplib.SMTPException:
            return TryAgain("malformed_reply")
        return Delivered()

    def _refused(self, error: smtplib.SMTPResponseException) -> Outcome:
        """What a reply means that is about no recipient."""
        words = self._shown(error.smtp_error)
        code = error.smtp_code
        if code not in _PERMANENT and code not in _TEMPORARY:
            return TryAgain("malformed_reply", words=words)
        if code in _TEMPORARY or isinstance(error, GreetingError):
            return TryAgain("receiver_failed", words=words)
        if isinstance(error, smtplib.SMTPAuthenticationError) or code in _REFUSES_US:
            return TryAgain("unauthorised", pauses=True, words=words)
        if isinstance(error, smtplib.SMTPDataError) or code == _TOO_LARGE:
            return Undeliverable("message_refused", words=words, is_of_form=True)
        return TryAgain("refused_here", pauses=True, words=words)

    def _judged(self, event_id: str, asked: Sequence[str], answers: Answers) -> Outcome:
        """What the replies for each recipient mean, and those before (rule 2)."""
        settled = self._settled.pop(event_id, {})
        waiting = list[str]()
        for one in asked:
            code, words = answers.get(one, (0, b""))
            if code == TAKEN or code in _PERMANENT:
                settled[one] = None if code == TAKEN else self._shown(words)
            else:
                waiting.append(self._shown(words))
        refused = [words for words in settled.values() if words is not None]
        if not waiting and not refused:
            return Delivered()
        if not waiting:  # whoever has it needs it no more when the event is replayed; the others are asked again
            settled = {one: words for one, words in settled.items() if words is None}
        self._settled[event_id] = settled
        if len(self._settled) > REMEMBERED:
            self._settled.popitem(last=False)
        if waiting:
            return TryAgain("receiver_failed", words=waiting[0])
        return Undeliverable("recipient_refused", words=refused[0])

    def _shown(self, words: bytes | str) -> str:
        return self._words.shown(words if isinstance(words, str) else words.decode(errors="replace"))


def mail_of(document: Document, sender: str, recipients: Sequence[str]) -> EmailMessage:
    """The mail that a document is; whatever a template gave becomes one."""
    said = _object(document.body)
    domain = sender.rpartition("@")[2]
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"] = sender, ", ".join(recipients)
    mail["Subject"] = _subject(said.get("subject"))
    mail["Message-ID"] = f"<{_id(document.event_id) or UNKNOWN}@{domain}>"
    if date := _date(said.get("time")):
        mail["Date"] = date
    if thread := _id(as_text(said.get("thread"))):
        mail["References"] = mail["In-Reply-To"] = f"<{thread}.incident@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    text = said.get("text")
    mail.set_content(_plain(text if isinstance(text, str) else as_text(said)), cte="quoted-printable")
    if isinstance(rich := said.get("html"), str) and rich:
        mail.add_alternative(rich, subtype="html", cte="quoted-printable")
    return mail


def written(mail: EmailMessage) -> bytes:
    """As it is sent. A subject of ASCII stands in one line: folding can leave the first one empty (RFC 5322, 2.2.3)."""
    return mail.as_bytes(policy=_UNFOLDED if str(mail["Subject"]).isascii() else SMTP)


def _object(body: bytes) -> Mapping[str, object]:
    made = said_by(body)
    return made if isinstance(made, dict) else {"text": as_text(made)}


def _plain(text: str) -> str:
    """Rule 5: what the escapes stand for."""
    return html.unescape(text)


def _subject(value: object) -> str:
    line = " ".join(_plain(value).split()) if isinstance(value, str) else ""
    plain = str(escape(line, Markup.LINE)).replace("=?", r"=\u003f")
    return cut_chars(plain, SUBJECT_LIMIT) or "Gatecrier"


def _id(text: str) -> str:
    return _NOT_IN_IDS.sub("-", text)[:ID_LIMIT]


def _date(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(rfc3339(value))
    except TemplateError:
        return None


def minimal(cloudevent: Mapping[str, Any], because: Because) -> tuple[bytes, str]:
    """The sentence, and why there is no more."""
    data = cloudevent.get("data") or {}
    said = message_of(cloudevent)
    mail = {
        "subject": escape(cut_chars(said.partition("\n")[0], SUBJECT_LIMIT), Markup.HTML),
        "time": cloudevent.get("time"),
        "thread": (data.get("incident") or {}).get("id"),
        "text": escape(TextLines(cut_chars(f"{said}\n\n({because})", MESSAGE_LIMIT)), Markup.HTML),
    }
    return as_json(mail), "application/json"


KIND = OwnKind(
    settings=SmtpSettings,
    destination=SmtpDestination,
    markup=Markup.HTML,
    deduplicates="`Message-ID`, by whoever reads it",
    updates="a mail in the same thread",
    minimal=minimal,
    sent=lambda settings, document: written(mail_of(document, settings.from_, [*dict.fromkeys(settings.to)])),
)
