"""Mail, taken by a server that others have written (aiosmtpd): every template, and the whole way with STARTTLS."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
from collections.abc import AsyncIterator, Mapping
from html import unescape
from pathlib import Path

import orjson
import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from router.destinations.catalogue import open_destination
from router.destinations.document import Document
from router.destinations.kinds.smtp import SmtpSettings
from router.destinations.outcome import Delivered, TryAgain
from router.fields import ReadingContext
from tests.contracts.kinds import STORED
from tests.destinations.test_smtp import DOCUMENT, LEAST, LOGIN, LOOPBACK, PASSWORD, PLAIN, RENDERER
from tests.simulators.certificates import self_signed


class Box:
    """What was taken."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name there
        """Take all."""
        self.taken.append(envelope)
        return "250 taken"


def _known(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, said: LoginPassword) -> AuthResult:
    return AuthResult(success=said == LoginPassword(b"gate", PASSWORD.encode()), handled=False)


@contextlib.asynccontextmanager
async def serving(box: Box, **options: object) -> AsyncIterator[int]:
    """The port of a server that takes mail for the box."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(box, hostname="mail.test", loop=loop, **options), "127.0.0.1", 0  # type: ignore[arg-type] # any of its options
    )  # fmt: skip
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def told(port: int, folder: Path, documents: list[Document], written: Mapping[str, object]) -> list[object]:
    """What became of each."""
    reading = ReadingContext(folder, {"SMTP": PASSWORD, "WRONG": "no"}, lambda path, _: path.read_bytes())
    said = {**LEAST, "address": f"127.0.0.1:{port}", **written}
    destination = open_destination(SmtpSettings.model_validate(said, context={"reading": reading}), LOOPBACK)
    outcomes: list[object] = [await destination.deliver([document]) for document in documents]
    await destination.close()
    return outcomes


async def test_every_mail_is_taken_as_it_was_written(tmp_path: Path) -> None:
    documents = [Document(str(orjson.loads(body)["id"]), RENDERER.render(body).body) for body in STORED]
    box = Box()
    async with serving(box) as port:
        outcomes = await told(port, tmp_path, documents, PLAIN)
    mails = [email.message_from_bytes(one.content or b"", policy=email.policy.default) for one in box.taken]  # type: ignore[arg-type] # bytes: it was not told to decode

    assert outcomes == [Delivered()] * len(documents)
    assert [one.rcpt_tos for one in box.taken] == [LEAST["to"]] * len(documents)
    assert [mail["Message-ID"] for mail in mails] == [f"<{one.event_id}@shop.example>" for one in documents]
    assert [mail["Subject"] for mail in mails] == [unescape(orjson.loads(one.body)["subject"]) for one in documents]
    assert not [defect for mail in mails for defect in mail.defects]


@pytest.mark.parametrize(
    ("password", "outcome"), [("SMTP", Delivered()), ("WRONG", TryAgain("unauthorised", pauses=True))]
)
async def test_with_starttls_and_a_login(password: str, outcome: object, tmp_path: Path) -> None:
    ours, box = self_signed(), Box()
    (tmp_path / "ca.pem").write_bytes(ours.certificate)
    options = {
        "tls_context": ours.server_context(tmp_path),
        "require_starttls": True,
        "auth_required": True,
        "authenticator": _known,
    }
    written = {**LOGIN, "password": {"env": password}, "security": "starttls", "ca": "ca.pem"}
    async with serving(box, **options) as port:
        (found,) = await told(port, tmp_path, [DOCUMENT], written)

    assert isinstance(found, type(outcome))
    assert getattr(found, "reason", "") == getattr(outcome, "reason", "")
    assert len(box.taken) == isinstance(outcome, Delivered)
