"""What each kind of destination costs: documents beside plain `json.dumps`, events a second beside a bare loop.

A document is rendered by the kind's own template and put into a request; the counterpart dumps what came out. Events
are handed to the destination as delivery does it, in requests of the usual size, compressed where that is usual; the
bare loop posts the same bodies, uncompressed, by as many connections. Outbox and lanes are not in it: `delivery` has
those. What is not told by one request over HTTP (Jira, mail, syslog, files) has its events in `own_ways`.

    python -m tests.bench.kinds
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

import aiohttp
import orjson
import uvloop

from router.destinations.catalogue import KINDS, open_destination
from router.destinations.dialect import Reply
from router.destinations.document import Destination, Document
from router.destinations.egress import EgressSettings
from router.destinations.kind import AnyKind, HttpKind
from router.destinations.outcome import Delivered, EachOutcome
from router.destinations.over_http import HttpDestination
from tests.bench.delivery import CONCURRENCY, HEADERS, encoded_events, receiver
from tests.bench.table import Row
from tests.contracts.kinds import beforehand, least, read, renderer, shipped, told_at, variables_of
from tests.simulators.sinks import answer

DOCUMENTS, EVENTS, ROUNDS = 500, 2000, 3
NOWHERE = Path("/nowhere")
EGRESS = EgressSettings.model_validate({"allow": ["127.0.0.0/8"]})
TOKEN = beforehand("/oauth2/v2.0/token") or ""


def run() -> Sequence[Row]:
    """Two figures of each kind."""
    return [row for kind in KINDS for row in (*_documents(kind), *_events(kind))]


def _opened(kind: AnyKind, url: str) -> HttpDestination | None:
    """The destination, if it is told by one request."""
    if not isinstance(kind, HttpKind) or kind.name == "jira":
        return None
    written = told_at(least(kind), url)
    variables = {**variables_of(written), "URL": url}
    settings = read(written, NOWHERE, variables)
    destination = open_destination(settings, EGRESS)
    assert isinstance(destination, HttpDestination)
    return destination


def rendered(kind: AnyKind, bodies: Sequence[bytes]) -> list[Document]:
    """Documents by the kind's own template."""
    render = renderer(kind, shipped(kind)).render
    made = [render(body) for body in bodies]
    return [Document(f"event-{number}", one.body, one.content_type, one.value) for number, one in enumerate(made)]


def in_batches(destination: Destination, documents: Sequence[Document]) -> Sequence[Sequence[Document]]:
    """As many together as the destination takes."""
    size = destination.batch_size
    return [documents[start : start + size] for start in range(0, len(documents), size)]


def _documents(kind: AnyKind) -> Sequence[Row]:
    bodies, destination = encoded_events(DOCUMENTS), _opened(kind, "http://127.0.0.1:9")

    def ours() -> None:
        made = rendered(kind, bodies)
        if destination is not None:
            for batch in in_batches(destination, made):
                next(destination._dialect.exchange(batch, 0.0))

    values = [orjson.loads(one.body) for one in rendered(kind, bodies)]

    def bare() -> None:
        for value in values:
            json.dumps(value)

    rates = [(_rate(ours), _rate(bare)) for _ in range(ROUNDS)]
    one, two = (statistics.median(pair[index] for pair in rates) for index in range(2))
    return [Row(f"{kind.name}: documents/s", f"{one:,.0f}", f"{two:,.0f} (json.dumps)", f"{one / two:.0%}", "")]


def _rate(make: Callable[[], None]) -> float:
    began = time.perf_counter()
    make()
    return DOCUMENTS / (time.perf_counter() - began)


def _events(kind: AnyKind) -> Sequence[Row]:
    destination = _opened(kind, "http://127.0.0.1:9")
    if destination is None:
        return []
    documents = rendered(kind, encoded_events(EVENTS))
    size, batches = destination.batch_size, in_batches(destination, documents)
    with receiver(_receipt(kind, destination, size)) as url:
        found = uvloop.run(_told(kind, url, batches))
    one, two = (statistics.median(pair[index] for pair in found) for index in range(2))
    name = f"{kind.name}: events/s, {size} a request"
    return [Row(name, f"{one:,.0f}", f"{two:,.0f} (bare loop)", f"{one / two:.0%}", "")]


def _receipt(kind: AnyKind, destination: HttpDestination, size: int) -> bytes:
    """An answer that the kind takes for the receipt of so many events."""
    if destination._tokens is not None:
        return answer("200 OK", TOKEN.encode())
    items = json.dumps({"errors": False, "items": [{"create": {"status": 201}}] * size})
    documents = [Document("event-1", b'{"text":"m"}')] * size
    for status, text in (("200 OK", "ok"), ("202 Accepted", "ok"), ("200 OK", '{"ok":true}'), ("200 OK", items)):
        exchange = destination._dialect.exchange(documents, 0.0)
        next(exchange)
        try:
            exchange.send(Reply(int(status[:3]), text, None, 0.0))
        except StopIteration as ended:
            outcomes = ended.value.outcomes if isinstance(ended.value, EachOutcome) else [ended.value]
            if all(isinstance(one, Delivered) for one in outcomes):
                return answer(status, text.encode())
    raise AssertionError(f"the benchmark knows no receipt of {kind.name}: teach it one here")


async def _told(kind: AnyKind, url: str, batches: Sequence[Sequence[Document]]) -> list[tuple[float, float]]:
    destination = _opened(kind, url)
    assert destination is not None
    found = [
        (await rate(delivered(destination, batches), EVENTS), await _by_bare_loop(destination, url, batches))
        for _ in range(ROUNDS)
    ]
    await destination.close()
    return found


async def delivered(destination: Destination, batches: Iterable[Sequence[Document]]) -> None:
    """Hand them over as delivery does: by as many at once as the destination takes."""
    left = iter(batches)

    async def client() -> None:
        for batch in left:
            answered = await destination.deliver(batch)
            outcomes = answered.outcomes if isinstance(answered, EachOutcome) else [answered]
            assert all(isinstance(one, Delivered) for one in outcomes), outcomes

    await asyncio.gather(*(client() for _ in range(destination.concurrency)))


async def _by_bare_loop(destination: HttpDestination, url: str, batches: Sequence[Sequence[Document]]) -> float:
    left = iter([next(destination._dialect.exchange(batch, 0.0)).body for batch in batches])
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONCURRENCY)) as session:

        async def client() -> None:
            for body in left:
                async with session.post(url, data=body, headers=HEADERS) as reply:
                    await reply.read()

        return await rate(asyncio.gather(*(client() for _ in range(destination.concurrency))), EVENTS)


async def rate(work: Awaitable[object], count: int) -> float:
    """So many a second."""
    began = time.perf_counter()
    await work
    return count / (time.perf_counter() - began)


if __name__ == "__main__":
    from tests.bench.table import as_text

    print(as_text(run()))
