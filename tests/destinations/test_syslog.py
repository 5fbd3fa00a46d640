"""Syslog: records that no name can add a field or a line to, and connections that lose none where TCP allows it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from router.destinations.catalogue import open_destination
from router.destinations.document import Destination, Document
from router.destinations.egress import EgressSettings
from router.destinations.kinds.syslog import SyslogSettings
from router.destinations.kinds.syslog.formats import Record, Sender, SyslogFormat, line_of
from router.destinations.outcome import Delivered, Outcome, TryAgain
from router.events import encode
from router.fields import ReadingContext
from router.rendering.examples import EXAMPLES
from tests.contracts.kinds import STORED, kind_of_name, renderer, shipped
from tests.rendering.hostile import ANY_TEXT, event_with
from tests.simulators.certificates import SelfSigned, self_signed
from tests.simulators.rsyslog import Rsyslog

LOOPBACK = EgressSettings.model_validate({"allow": ["127.0.0.0/8", "::1/128"]})
KIND = kind_of_name("syslog")
RENDERER = renderer(KIND, shipped(KIND))
DOCUMENT = Document("event-1", RENDERER.render(STORED[0]).body)
SENDER = Sender(facility=13, app_name="gatecrier", hostname="", structured_data="", has_bom=False, size=8192)
FORMS = [
    (SyslogFormat.RFC5424, ""),
    (SyslogFormat.RFC5424, "gatecrier@32473"),
    (SyslogFormat.CEF, ""),
    (SyslogFormat.LEEF, ""),
]
IDS = ["quoted", "structured", "cef", "leef"]
EACH_FORM = pytest.mark.parametrize(("form", "element"), FORMS, ids=IDS)


def settings(port: int = 9, **written: object) -> SyslogSettings:
    reading = ReadingContext(Path("/"), {}, lambda path, _: path.read_bytes())
    return SyslogSettings.model_validate(
        {"name": "siem", "kind": "syslog", "address": f"127.0.0.1:{port}", **written}, context={"reading": reading}
    )


def opened(port: int, **written: object) -> Destination:
    return open_destination(settings(port, **written), LOOPBACK)


def line(
    body: bytes, form: SyslogFormat = SyslogFormat.RFC5424, element: str = "", size: int = 8192, sender: Sender = SENDER
) -> str:
    own = replace(sender, structured_data=element, size=size)
    return line_of(Record.of(body), own, form).decode()


_PAIR = re.compile(r' ([A-Za-z0-9]+)="((?:[^"\\\]]|\\.)*)"')
_QUOTED = re.compile(r' ([A-Za-z0-9]+)="((?:[^"\\]|\\.)*)"')
_HEAD = re.compile(r"<(\d+)>1 (\S+) (\S+) (\S+) (\S+) (\S+) (.*)")


def read(text: str, form: SyslogFormat, element: str) -> dict[str, str]:
    """What a receiver reads, by the grammar of each; fails where the text is none."""
    assert "\n" not in text
    if form is SyslogFormat.LEEF:
        head, *attributes = text.split("\t")
        assert re.fullmatch(r"<\d+>1 \S+ \S+ LEEF:2\.0\|Gatecrier\|gatecrier\|[0-9.]+\|[\w.-]+\|x09\|sev=\d+", head)
        return {"sev": head.rpartition("=")[2], **dict(one.split("=", 1) for one in attributes)}
    match = _HEAD.fullmatch(text)
    assert match is not None
    priority, time, host, _app, _process, code, rest = match.groups()
    said = {"priority": priority, "time": time, "host": host, "code": code}
    if form is SyslogFormat.CEF:
        assert rest.startswith("- CEF:0|Gatecrier|gatecrier|")
        *header, extension = rest.split("|", 7)
        assert len(header) == 7
        parts = re.split(r"(?:^| )([A-Za-z0-9]+)(?<!\\)=", extension)
        assert len(set(parts[1::2])) == len(parts[1::2])
        return {**said, "name": header[5], "sev": header[6], **dict(zip(parts[1::2], parts[2::2], strict=True))}
    if element:
        structured = re.fullmatch(rf"\[{element}((?:{_PAIR.pattern})*)\] (.*)", rest)
        assert structured is not None
        return {**said, **dict(_PAIR.findall(structured[1])), "message": structured[4]}
    assert re.fullmatch(rf"-(?:{_QUOTED.pattern})+", rest)
    return {**said, **dict(_QUOTED.findall(rest[1:]))}


@EACH_FORM
@given(text=ANY_TEXT)
def test_no_name_adds_a_field_or_a_line(form: SyslogFormat, element: str, text: str) -> None:
    plain, hostile = (
        RENDERER.render(event_with(one.encode(errors="replace").decode())) for one in ("plain", text or "x")
    )
    keys = [list(read(line(one.body, form, element, 1 << 20), form, element)) for one in (plain, hostile)]

    assert keys[0] == keys[1]


NAMES = st.sampled_from(["severity", "time", "event", "name", "message", "fields"])
VALUES = st.none() | st.integers(0, 9) | st.text() | st.dictionaries(st.text(), st.text() | st.lists(st.text()))


@EACH_FORM
@given(body=st.binary() | st.builds(orjson.dumps, st.dictionaries(NAMES, VALUES)))
def test_whatever_a_template_gives_is_a_record(form: SyslogFormat, element: str, body: bytes) -> None:
    read(line(body, form, element), form, element)


@EACH_FORM
@pytest.mark.parametrize("size", [480, 1024, 2048])
@given(text=st.text(st.sampled_from('é🔐"\\]=|^\n\u202ex'), min_size=1, max_size=2000))
def test_a_record_is_cut_between_characters_and_escapes(form: SyslogFormat, element: str, size: int, text: str) -> None:
    made = line(RENDERER.render(event_with(text)).body, form, element, size)
    found = read(made, form, element)

    assert len(made.encode()) <= size
    assert found[{SyslogFormat.CEF: "msg", SyslogFormat.LEEF: "msg"}.get(form, "message")].startswith("Gatecrier")


@EACH_FORM
def test_what_does_not_fit_is_left_out_from_the_end(form: SyslogFormat, element: str) -> None:
    made = [read(line(DOCUMENT.body, form, element, size), form, element) for size in (700, 8192)]
    whole = made[1]

    assert [key for key in whole if key in made[0]] == [key for key in made[0] if key in whole]
    assert 5 < len(made[0]) < len(whole)


@pytest.mark.parametrize("name", EXAMPLES)
@EACH_FORM
def test_severity_and_outcome_are_those_of_the_decision(name: str, form: SyslogFormat, element: str) -> None:
    """An admitted image is never called rejected or denied, and one that would be rejected says so in words."""
    event = orjson.loads(encode(EXAMPLES[name]))
    decision = event["data"]["decision"]
    made = line(RENDERER.render(orjson.dumps(event)).body, form, element)
    found = read(made, form, element)
    outcome = found[{SyslogFormat.CEF: "act", SyslogFormat.LEEF: "cat"}.get(form, "outcome")]
    severity = {"critical": 2, "high": 3, "medium": 4, "low": 5, "info": 6}[decision["severity"]]

    assert made.startswith(f"<{13 * 8 + severity}>1 2026-")
    assert outcome == decision["outcome"]
    assert ("REQUEST_REJECTED" in made) == (decision["outcome"] == "rejected")
    if decision["outcome"] == "admitted":
        assert (" that it would reject" in made) == ("WOULD_REJECT" in made) == decision["would_reject"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Rejected \u202egnp.exe\u200b\u2066x", r"Rejected \\u202egnp.exe\\u200b\\u2066x"),
        ("a|b\\c=d\ne", "a b c d e"),
        ("é" * 300, "é" * 126 + "…"),
        ("\u202e" * 300, r"\\u202e" * 36 + "…"),
        ("\u200b", r"\\u200b"),
        (" \n", "Gatecrier"),
    ],
)
def test_the_name_in_the_header_of_cef_hides_nothing(name: str, told: str) -> None:
    assert read(line(orjson.dumps({"name": name}), SyslogFormat.CEF), SyslogFormat.CEF, "")["name"] == told


def test_the_header_says_who_sends() -> None:
    made = line(DOCUMENT.body, sender=replace(SENDER, app_name="gate", hostname="h", facility=4))

    assert re.match(r"<35>1 2026-11-23T10:15:30.123Z h gate - REQUEST_REJECTED - message=", made)
    assert line(b"{}").startswith("<108>1 - - gatecrier - GATECRIER - message=")
    assert " - \ufeffmessage=" in line(DOCUMENT.body, sender=replace(SENDER, has_bom=True))


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"transport": "tcp", "ca": "x"}, "CA file|of TLS"),
        ({"transport": "udp", "framing": "newline"}, "no `framing`"),
        ({"transport": "udp", "must_deliver": True}, "drop `must_deliver`"),
        ({"transport": "udp", "max_size": 65508}, "65507B at most"),
        ({"max_size": 479}, "480"),
        ({"format": "leef", "app_name": "x"}, "no `app_name`"),
        ({"format": "leef", "structured_data": "x@1"}, "of `format: rfc5424`"),
        ({"format": "cef", "bom": True}, "of `format: rfc5424`"),
        ({"structured_data": "gatecrier"}, "structured_data"),
        ({"structured_data": 'a"@1'}, "structured_data"),
        ({"app_name": "a b"}, "app_name"),
        ({"facility": 24}, "facility"),
        ({"address": "siem.example"}, "HOST:PORT"),
        ({"address": "siem.example:0"}, "HOST:PORT"),
        ({"address": "127.1:514"}, "HOST:PORT"),
        ({"address": "fd00::1:514"}, "HOST:PORT"),
        ({"batch_size": 2}, "batch_size"),
    ],
)
def test_what_makes_no_sense_is_refused(written: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        SyslogSettings.model_validate({"name": "siem", "kind": "syslog", "address": "siem.example:6514", **written})


def test_sizes_follow_the_transport() -> None:
    assert (settings().record_bytes, settings(transport="udp").record_bytes) == (8192, 1024)
    assert settings(transport="udp", max_size="2KiB").record_bytes == 2048
    assert str(settings(address="[fd00::1]:6514").address) == "[fd00::1]:6514"
    assert settings().note is None
    assert "can read" in str(settings(transport="tcp").note)


Behaviour: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def listening(behave: Behaviour) -> AsyncIterator[int]:
    """A TCP server that does as it is told with each connection, and whose kernel keeps little for it."""
    under_way = set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        under_way.add(task)
        with contextlib.suppress(ConnectionError):
            await behave(reader, writer)
            writer.close()
            await writer.wait_closed()

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.bind(("127.0.0.1", 0))
    server = await asyncio.start_server(serve, sock=listener)
    try:
        yield listener.getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*under_way)


async def test_a_connection_that_has_ended_is_made_anew_before_anything_is_sent() -> None:
    got, ended = asyncio.Queue[bytes](), asyncio.Queue[None]()

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.put_nowait(await reader.readuntil(b"\n"))
        writer.close()
        await writer.wait_closed()
        ended.put_nowait(None)

    async with listening(behave) as port:
        destination = opened(port, transport="tcp", framing="newline")
        outcomes = list[Outcome]()
        while len(outcomes) < 3:
            outcome = await destination.deliver([DOCUMENT])
            await ended.get()
            outcomes += [outcome] if isinstance(outcome, Delivered) else []  # ended before it was known to be there
        await destination.close()

    assert got.qsize() >= 3


LARGE = Document("event-1", orjson.dumps({"message": "e" * 1_000_000}))
"""More than both kernels keep for a receiver that does not read."""


async def test_what_is_not_taken_to_its_end_is_sent_again() -> None:
    """A receiver that dies resets the connection; what it had not taken was never delivered."""
    whole = asyncio.Queue[bytes]()
    connections = 0

    async def behave(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections == 1:
            await reader.readexactly(1000)
            return  # the rest is never read, and so the connection is reset
        whole.put_nowait(await reader.readexactly(len(expected)))
        await reader.read()

    expected = line(LARGE.body, size=1 << 20).encode() + b"\n"
    async with listening(behave) as port:
        destination = opened(port, transport="tcp", framing="newline", max_size="1MiB")
        outcomes = [await destination.deliver([LARGE]) for _ in range(2)]
        got = await whole.get()
        await destination.close()

    assert outcomes == [TryAgain("connection_failed"), Delivered()]
    assert got == expected


async def test_what_a_receiver_does_not_take_in_time_is_not_delivered() -> None:
    """Whatever our kernel would keep for it."""
    over = asyncio.Event()

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.transport.abort()

    async with listening(behave) as port:
        destination = opened(port, transport="tcp", max_size="1MiB", timeout="200ms")
        outcome = await destination.deliver([LARGE])
        over.set()
        await destination.close()

    assert outcome == TryAgain("timeout")


async def test_records_share_a_connection_and_none_is_torn() -> None:
    got = list[bytes]()
    connections = 0

    async def behave(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                size = int(await reader.readuntil(b" "))
                got.append(await reader.readexactly(size))

    async with listening(behave) as port:
        destination = opened(port, transport="tcp")
        outcomes = await asyncio.gather(*(destination.deliver([DOCUMENT]) for _ in range(50)))
        await destination.close()

    assert outcomes == [Delivered()] * 50
    assert connections == 1
    assert set(got) == {line(DOCUMENT.body).encode()}


async def test_nobody_listening_is_worth_another_try() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for transport in ("tcp", "tls", "udp"):
        destination = opened(port, transport=transport)
        outcomes = [await destination.deliver([DOCUMENT]) for _ in range(3)]
        await destination.close()

        assert TryAgain("connection_failed") in outcomes


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_no_address_is_told_that_egress_does_not_allow(transport: str) -> None:
    for address in ("127.0.0.1:9", "localhost:9", "169.254.169.254:514"):
        destination = open_destination(settings(address=address, transport=transport), EgressSettings())
        outcome = await destination.deliver([DOCUMENT])
        await destination.close()

        assert outcome == TryAgain("forbidden_address")


@pytest.mark.parametrize(("form", "element"), FORMS, ids=IDS)
@pytest.mark.parametrize(("transport", "framing"), [("udp", None), ("tcp", "octet_counting"), ("tcp", "newline")])
async def test_rsyslog_reads_what_was_sent(
    transport: str, framing: str | None, form: SyslogFormat, element: str, tmp_path: Path
) -> None:
    more = {"framing": framing} if framing else {}
    more |= {"structured_data": element} if element else {}
    body = RENDERER.render(event_with('é\n<13>1 - forged - - - - evil" x="y')).body
    async with Rsyslog(tmp_path).running() as receiver:
        port = receiver.udp if transport == "udp" else receiver.tcp
        destination = opened(port, transport=transport, format=form, max_size="8KiB", **more)
        outcomes = [await destination.deliver([Document("event-1", one)]) for one in (DOCUMENT.body, body)]
        got = [await receiver.next() for _ in range(2)]
        await destination.close()

    assert outcomes == [Delivered()] * 2
    assert [one["rawmsg"] for one in got] == [line(one, form, element) for one in (DOCUMENT.body, body)]
    assert got[0]["pri"] == "107"
    assert {one["hostname"] for one in got} == {"production-eu"}
    if element:
        assert got[0]["structured-data"].startswith('[gatecrier@32473 outcome="rejected"')
    assert receiver.got.empty()


async def secured(receiver: Rsyslog, folder: Path, **more: object) -> list[object]:
    """What comes of two deliveries by TLS."""
    destination = opened(receiver.tcp, ca=folder / "ca.pem", **more)
    outcomes: list[object] = [await destination.deliver([DOCUMENT]) for _ in range(2)]
    await destination.close()
    return outcomes


def written(pair: SelfSigned, folder: Path) -> dict[str, object]:
    """The files of a pair."""
    (folder / "ca.pem").write_bytes(pair.certificate)
    (folder / "c.pem").write_bytes(pair.certificate)
    (folder / "k.pem").write_bytes(pair.key)
    return {"client_certificate": {"certificate": folder / "c.pem", "key": folder / "k.pem"}}


async def test_rsyslog_takes_tls_from_whom_it_knows(tmp_path: Path) -> None:
    pair = self_signed()
    shown = written(pair, tmp_path)
    async with Rsyslog(tmp_path, tls=pair, asks_for_certificate=True).running() as receiver:
        outcomes = await secured(receiver, tmp_path, **shown)
        got = [await receiver.next() for _ in range(2)]

    assert outcomes == [Delivered()] * 2
    assert {one["rawmsg"] for one in got} == {line(DOCUMENT.body)}


async def test_a_receiver_whom_nobody_vouches_for_gets_nothing(tmp_path: Path) -> None:
    written(self_signed(), tmp_path)
    async with Rsyslog(tmp_path, tls=self_signed()).running() as receiver:
        outcomes = await secured(receiver, tmp_path)

    assert outcomes == [TryAgain("tls_failed")] * 2


async def test_a_restart_of_rsyslog_loses_nothing(tmp_path: Path) -> None:
    async with Rsyslog(tmp_path).running() as receiver:
        destination = opened(receiver.tcp, transport="tcp")
        first = await destination.deliver([DOCUMENT])
        got = [await receiver.next()]
        await receiver.restart()
        second = await destination.deliver([DOCUMENT])
        got.append(await receiver.next())
        await destination.close()

    assert [first, second] == [Delivered()] * 2
    assert {one["rawmsg"] for one in got} == {line(DOCUMENT.body)}
