"""What every HTTP dialect promises to delivery, whatever its service is."""

from __future__ import annotations

import json
from itertools import chain, repeat
from pathlib import Path

import pytest

from router.destinations.dialect import MOVED_FOR
from router.destinations.document import Document
from router.destinations.outcome import REASONS, Delivered, TryAgain, Undeliverable
from tests.contracts.http_dialects import (
    DOCUMENT,
    KINDS,
    SECRETS,
    Sink,
    may_pass,
    opened,
    receipt,
    says_all,
    taken,
    told,
)
from tests.contracts.kinds import variables_of
from tests.simulators.sinks import (
    BAD_CHUNKS,
    ENDLESS_HEAD,
    GARBAGE,
    HALF_A_BODY,
    HANG,
    NOTHING,
    RESET,
    answer,
    chunked,
)

BAD: list[tuple[str, bytes | None, TryAgain | Undeliverable]] = [
    ("500", answer("500 Oops"), TryAgain("http_500")),
    ("503", answer("503 No", Retry_After="7"), TryAgain("http_503", after=7.0)),
    ("429", answer("429 No", Retry_After="2"), TryAgain("rate_limited", after=2.0)),
    (
        "429 with a date",
        answer("429 No", Retry_After="Thu, 01 Jan 1970 00:17:00 GMT"),
        TryAgain("rate_limited", after=20.0),
    ),
    ("408", answer("408 Late"), TryAgain("http_408")),
    ("400", answer("400 Bad"), Undeliverable("http_400")),
    ("413", answer("413 Large"), Undeliverable("http_413")),
    ("405", answer("405 No"), TryAgain("http_405", within=MOVED_FOR)),
    ("302", answer("302 Found", Location="/elsewhere"), TryAgain("redirected", within=MOVED_FOR)),
    ("garbage", GARBAGE, TryAgain("malformed_reply")),
    ("522", answer("522 Origin Timed Out"), TryAgain("http_522")),
    ("999", answer("999 Denied"), TryAgain("malformed_reply")),
    ("407", answer("407 Proxy"), TryAgain("unauthorised", pauses=True)),
    ("nothing", NOTHING, TryAgain("connection_failed")),
    ("reset", RESET, TryAgain("connection_failed")),
    ("bad chunks", BAD_CHUNKS, TryAgain("malformed_reply")),
    ("an endless head", ENDLESS_HEAD, TryAgain("malformed_reply")),
    ("hangs", HANG, TryAgain("timeout")),
]


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_taken_is_delivered(kind: str, tmp_path: Path) -> None:
    async with Sink(taken(kind, tmp_path)).running() as sink:
        destination = opened(kind, sink.url(), tmp_path)
        outcomes = [await destination.deliver([DOCUMENT]) for _ in range(3)]
        await destination.close()

    assert outcomes == [Delivered()] * 3
    assert [receipt.method for receipt in sink.got] == [KINDS[kind].get("method", "POST")] * 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("says", "outcome"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
async def test_what_a_receiver_does_is_an_outcome(
    kind: str, says: bytes | None, outcome: TryAgain | Undeliverable, tmp_path: Path
) -> None:
    """Never an exception: delivery must know what to do."""
    async with Sink(says).running() as sink:
        found = await told(kind, sink.url(), tmp_path, timeout="100ms" if says is HANG else "30s")
        path = opened(kind, sink.url(), tmp_path)._urls[0].path

    assert found == (outcome if may_pass(kind, outcome, tmp_path) else Undeliverable(outcome.reason))
    assert isinstance(found, TryAgain | Undeliverable)
    assert found.reason in REASONS or found.reason.startswith("http_")
    assert all(receipt.path.startswith(path) for receipt in sink.got)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_receipt_in_chunks_is_one(kind: str, tmp_path: Path) -> None:
    status, body = receipt(kind, tmp_path)
    async with Sink(chunked(status, body)).running() as sink:
        found = await told(kind, sink.url(), tmp_path)

    assert found == Delivered()


@pytest.mark.parametrize("kind", [kind for kind, written in KINDS.items() if "signing_secret" not in written])
async def test_a_body_is_compressed_where_an_operator_says_so(kind: str, tmp_path: Path) -> None:
    bodies = []
    for compression in ("none", "gzip"):
        async with Sink(taken(kind, tmp_path)).running() as sink:
            destination = opened(kind, sink.url(), tmp_path, compression=compression)
            assert await destination.deliver([DOCUMENT]) == Delivered()
            await destination.close()
        bodies.append(sink.got[-1])

    assert [one.headers.get("content-encoding") for one in bodies] == [None, "gzip"]
    assert bodies[0].body == bodies[1].body != b""


@pytest.mark.parametrize("kind", KINDS)
async def test_after_a_failure_the_same_is_sent_again(kind: str, tmp_path: Path) -> None:
    """So that receivers can know a repetition."""
    answers = chain([answer("500 Oops"), NOTHING], repeat(taken(kind, tmp_path)))  # aiohttp repeats a PUT by itself
    async with Sink(behave=lambda _: next(answers)).running() as sink:
        destination = opened(kind, sink.url(), tmp_path)
        outcomes = [await destination.deliver([DOCUMENT]) for _ in range(3)]
        await destination.close()

    assert outcomes[-1] == Delivered()
    assert len({receipt.body for receipt in sink.got}) == 1
    assert len({receipt.headers.get("webhook-id") for receipt in sink.got}) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_it_can_be_closed_at_any_time(kind: str, tmp_path: Path) -> None:
    async with Sink().running() as sink:
        destination = opened(kind, sink.url(), tmp_path)
        await destination.close()
        await destination.deliver([DOCUMENT])
        await destination.close()
        await destination.close()

    assert len(sink.got) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_nobody_listening_is_worth_another_try(kind: str, tmp_path: Path) -> None:
    async with Sink().running() as sink:
        url = sink.url()
    found = await told(kind, url, tmp_path)

    assert found == TryAgain("connection_failed")


@pytest.mark.parametrize("kind", KINDS)
async def test_an_endless_answer_is_not_read_to_its_end(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.destinations.replies.BODY_PATIENCE", 0.5)
    says = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + b"a" * 200_000
    async with Sink(taken(kind, tmp_path, says)).running() as sink:
        found = await told(kind, sink.url(), tmp_path)

    assert found == (Delivered() if says_all(kind, tmp_path) else TryAgain("malformed_reply", words="a" * 200))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone"])
async def test_an_address_that_is_not_there_is_tried_again(kind: str, status: str, tmp_path: Path) -> None:
    """An ingress says so for a minute while it is exchanged; some services say it of a channel that has gone."""
    async with Sink(answer(status)).running() as sink:
        found = await told(kind, sink.url(), tmp_path)

    moved, refused = TryAgain(f"http_{status[:3]}", within=MOVED_FOR), TryAgain("refused_here", pauses=True)
    assert found in {moved, refused}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_receipt_counts_whose_body_breaks_off(kind: str, tmp_path: Path) -> None:
    """Otherwise the receiver gets the event again and again, although it has it; unless the body is the receipt."""
    async with Sink(taken(kind, tmp_path, HALF_A_BODY)).running() as sink:
        found = await told(kind, sink.url(), tmp_path)

    assert found == (Delivered() if says_all(kind, tmp_path) else TryAgain("malformed_reply", words="0123"))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_receipt_counts_whose_body_never_ends(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.destinations.replies.BODY_PATIENCE", 0.05)
    monkeypatch.setattr("router.destinations.replies.DRAIN", 0.01)
    status, body = receipt(kind, tmp_path)
    says = b"HTTP/1.1 %b\r\nContent-Length: 1000\r\n\r\n%b" % (status.encode(), body)  # and no more
    async with Sink(says).running() as sink:
        destination = opened(kind, sink.url(), tmp_path)
        outcomes = [await destination.deliver([DOCUMENT]) for _ in range(2)]
        await destination.close()

    assert outcomes == [Delivered()] * 2
    assert sink.connections == 2


@pytest.mark.parametrize("kind", KINDS)
async def test_a_flood_of_announcements_ends_the_connection(kind: str, tmp_path: Path) -> None:
    flood = b"HTTP/1.1 100 Continue\r\n\r\n"
    async with Sink(flood * 100_000).running() as sink:
        destination = opened(kind, sink.url(), tmp_path)
        flooded = await destination.deliver([DOCUMENT])
        sink.says = flood * 3 + taken(kind, tmp_path)
        announced = await destination.deliver([DOCUMENT])
        await destination.close()

    assert flooded == TryAgain("malformed_reply")
    assert announced == Delivered()


@pytest.mark.parametrize("kind", KINDS)
async def test_what_the_receiver_says_goes_along_without_our_secrets(kind: str, tmp_path: Path) -> None:
    own = [SECRETS[name] for name in variables_of(KINDS[kind]) if name != "URL"] + ["url-secret"]
    said = "\x1b[31mbad \u202e" + "".join(f"{one} " for one in own) + "a" * 500
    async with Sink(answer("400 Bad", said.encode())).running() as sink:
        found = await told(kind, sink.url("/T000/url-secret"), tmp_path)

    assert isinstance(found, Undeliverable)
    assert found.words.startswith("[31mbad ")
    assert found.words.isprintable()
    assert len(found.words) == 200
    assert not [one for one in own if one in found.words]


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_too_large_is_sent_in_a_smaller_form(kind: str, tmp_path: Path) -> None:
    """In a shorter one, where its service has one, and then as the minimal payload."""
    large = json.dumps({"text": "a" * 30_000, "blocks": []}).encode()
    document = Document("event-1", large, minimal=lambda: Document("event-1", b'{"text":"small"}', is_fallback=True))
    receipt, too_large = taken(kind, tmp_path), answer("413 No")
    asked, outcomes = [], []
    for takes in (lambda sink, got: len(got) < len(sink.got[0].body), lambda _, got: b"small" in got):
        sink = Sink()
        sink.behave = lambda got, sink=sink, takes=takes: receipt if takes(sink, got.body) else too_large
        async with sink.running():
            destination = opened(kind, sink.url(), tmp_path)
            outcomes.append(await destination.deliver([document]))
            await destination.close()
        asked.append(len(sink.got))

    assert outcomes == [Delivered()] * 2
    assert asked == [2, 2 if destination._dialect.shorter(document) is None else 3]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
async def test_refused_credentials_keep_the_event(kind: str, status: str, tmp_path: Path) -> None:
    """They wait for whoever mends it."""
    async with Sink(answer(status)).running() as sink:
        found = await told(kind, sink.url(), tmp_path)

    assert found in {TryAgain("unauthorised", pauses=True), TryAgain("refused_here", pauses=True)}


@pytest.mark.parametrize("kind", KINDS)
async def test_private_addresses_are_refused_unless_they_are_named(kind: str, tmp_path: Path) -> None:
    async with Sink().running() as sink:
        destination = opened(kind, sink.url(), tmp_path)
        destination._guard._allowed = ()  # as if egress.allow were empty
        found = await destination.deliver([DOCUMENT])
        by_name = opened(kind, sink.url().replace("127.0.0.1", "localhost"), tmp_path)
        by_name._guard._allowed = ()
        named = await by_name.deliver([DOCUMENT])
        await destination.close()
        await by_name.close()

    assert found == named == TryAgain("forbidden_address")  # kept: a setting may be wrong, or a name server
    assert sink.got == []
