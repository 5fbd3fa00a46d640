from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp import web

from router.errors import TimedOutError
from router.images import Digest, ImageReference, parse_reference
from router.outbound.lookups import Lookups, ResolvedAddresses
from router.registry import BodyRoom, RegistryClient, RegistrySettings
from router.registry.transport import CONNECTIONS_PER_HOST
from router.registry.wire import ImageWire, WireTimes, listen, question
from tests.registry.stage import Time, client_of, soon
from tests.simulators.registry import RegistrySimulator, TokenService
from tests.simulators.virtual_time import virtually


def test_only_the_time_on_the_wire_counts() -> None:
    async def story() -> float:
        wire = ImageWire()
        asked = wire.question()
        await asyncio.sleep(1.0)  # a lookup, say
        asked.begin()
        await asyncio.sleep(2.0)
        asked.end()
        await asyncio.sleep(4.0)  # before another attempt
        asked.begin()
        await asyncio.sleep(8.0)
        return wire.longest(0.0, 15.0)

    assert virtually(story()) == 10.0


def test_many_short_questions_are_no_long_one() -> None:
    """Whoever pushes evidence chooses how many questions there are."""

    async def story() -> float:
        wire = ImageWire()
        for _ in range(10):
            asked = wire.question()
            asked.begin()
            await asyncio.sleep(1.0)
            asked.end()
        return wire.longest(0.0, 10.0)

    assert virtually(story()) == 1.0


def test_what_was_asked_before_somebody_came_is_not_theirs() -> None:
    async def story() -> tuple[float, float]:
        theirs, mine = ImageWire(), ImageWire()
        theirs.question().begin()
        await asyncio.sleep(6.0)
        mine.join(theirs)
        await asyncio.sleep(2.0)
        return theirs.longest(0.0, 8.0), mine.longest(6.0, 8.0)

    assert virtually(story()) == (8.0, 2.0)


def test_a_call_that_was_shared_counts_for_as_long_as_it_was_waited_for() -> None:
    async def story() -> float:
        fetch, asked = WireTimes(), WireTimes()
        fetch.begin()
        await asyncio.sleep(5.0)
        with asked.sharing(fetch):
            await asyncio.sleep(2.0)
        await asyncio.sleep(1.0)
        return asked.seconds(0.0, 8.0)

    assert virtually(story()) == 2.0


@pytest.mark.parametrize(
    ("size", "silence", "expected"), [(65536, 0.0, 1.0), (16384, 5.0, 6.0), (1, 0.0, 11.0), (4096, 0.0, 3.0)]
)
def test_of_a_body_only_the_time_counts_in_which_it_does_not_flow(size: int, silence: float, expected: float) -> None:
    """Whoever pushes evidence chooses how large it is; a registry that hangs or trickles does so itself."""

    async def story() -> float:
        async def read() -> bytes:
            await asyncio.sleep(1.0)
            return b"x" * size

        wire = ImageWire()
        asked = wire.question()
        asked.begin()
        await asyncio.sleep(1.0)  # until its head comes
        flowing = asked.flowing(read)
        for _ in range(10):
            await flowing()
        await asyncio.sleep(silence)
        return wire.longest(0.0, 11.0 + silence)

    assert virtually(story()) == expected


async def test_a_large_blob_that_comes_slowly_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    now, room, chunk = 0.0, BodyRoom(2**20), b"x" * 65536
    monkeypatch.setattr("router.registry.wire._now", lambda: now)

    async def slowly(request: web.Request) -> web.StreamResponse:
        nonlocal now
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(1, 9):
            await response.write(chunk)
            while room.left > 2**20 - number * len(chunk):  # noqa: ASYNC110 - until it was read
                await asyncio.sleep(0)
            now += 1.0
        return response

    wire = ImageWire()
    listen(wire)
    async with RegistrySimulator(fault=slowly).running() as registry, client_of(registry) as client:
        await client.blob(registry.image("a:1"), Digest.of(chunk * 8), soon(), room)
    listen(None)

    assert wire.longest(0.0, now) <= 1.0


def test_without_anybody_who_wants_to_know_nothing_is_kept() -> None:
    async def story() -> None:
        with question() as asked:
            asked.begin()

    virtually(story())


async def hang(_: web.Request) -> None:
    await asyncio.sleep(3600)


async def longest_of(client: RegistryClient, image: ImageReference, seconds: float) -> float:
    """How long the question of one resolution was on the wire, until a deadline after so many seconds."""
    wire, loop = ImageWire(), asyncio.get_running_loop()
    listen(wire)
    began = loop.time()
    with pytest.raises(TimedOutError):
        await client.resolve(image, began + seconds)
    listen(None)
    return wire.longest(began, began + seconds) / seconds


async def test_a_registry_that_never_answers_was_asked_all_the_while() -> None:
    async with RegistrySimulator(fault=hang).running() as registry, client_of(registry) as client:
        assert await longest_of(client, registry.image("a:1"), 0.5) > 0.5


async def test_a_token_service_that_never_answers_was_asked_all_the_while() -> None:
    async with (
        TokenService(fault=hang).running() as service,
        RegistrySimulator(token_service=service).running() as registry,
        client_of(registry) as client,
    ):
        assert await longest_of(client, registry.image("a:1"), 0.5) > 0.5


async def test_a_name_that_hangs_asks_no_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was sent: whoever floods our name servers must not make others' images tolerable."""

    async def addresses(_: Lookups, _host: str, _family: int = 0) -> ResolvedAddresses:
        await asyncio.Event().wait()
        return ((socket.AF_INET, "127.0.0.1"),)

    monkeypatch.setattr(Lookups, "addresses", addresses)
    settings = RegistrySettings(host="registry.test", plain_http=True)
    async with RegistryClient([settings], surroundings=Time().surroundings()) as client:
        assert await longest_of(client, parse_reference("registry.test/a:1"), 0.2) < 0.1


async def test_who_waits_for_a_free_connection_asks_nothing() -> None:
    """Somebody whose images hang must not make the next one look as if the registry had been asked for it."""
    async with RegistrySimulator(fault=hang).running() as registry, client_of(registry) as client:
        full = [
            asyncio.create_task(client.resolve(registry.image(f"a:{number}"), soon()))
            for number in range(CONNECTIONS_PER_HOST)
        ]
        while len(registry.requests) < CONNECTIONS_PER_HOST:  # noqa: ASYNC110 - the registry is a real server
            await asyncio.sleep(0.01)
        part = await longest_of(client, registry.image("a:next"), 0.2)
        for task in full:
            task.cancel()
        await asyncio.wait(full)

    assert part == 0.0


async def test_a_silent_proxy_is_no_silent_registry() -> None:
    async with RegistrySimulator(fault=hang).running() as proxy:
        surroundings = Time().surroundings({"HTTP_PROXY": f"http://{proxy.host}"})
        settings = RegistrySettings(host="registry.test", plain_http=True)

        async with RegistryClient([settings], surroundings=surroundings) as client:
            assert await longest_of(client, parse_reference("registry.test/a:1"), 0.2) == 0.0
