"""Access tokens: one call for all who wait, never older than they may be, and in nothing that is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.destinations.access_tokens import AccessTokens
from router.destinations.catalogue import open_destination
from router.destinations.dialect import Post, Reply
from router.destinations.document import Document
from router.destinations.grants import LONGEST_LIFE, USUAL_LIFE, AccessToken, ClientCredentials, granted
from router.destinations.outcome import Delivered, TryAgain, Undeliverable
from router.destinations.over_http import HttpDestination
from tests.destinations import test_service_accounts as service_accounts
from tests.destinations.test_sentinel import LOOPBACK, settings
from tests.simulators.sentinel import SECRET, TOKEN_PATH, Azure
from tests.simulators.sinks import HANG, NOTHING, Receipt, Sink, answer
from tests.simulators.virtual_time import virtually

CREDENTIALS = ClientCredentials("https://login.example/token", "us", "all", SECRET)
DOCUMENT = Document("event-1", b'{"Message":"m"}')


def replied(status: int, text: str = "", retry_after: str | None = None) -> Reply:
    return Reply(status, text, retry_after, 0.0)


def told(**members: object) -> str:
    return orjson.dumps({"access_token": "t" * 30, "token_type": "Bearer", **members}).decode()


@given(st.none() | st.integers(-(10**12), 10**12) | st.floats() | st.text() | st.just("3599") | st.just([1]))
def test_a_token_is_used_for_a_time_and_never_beyond_its_own(life: object) -> None:
    found = granted(replied(200, told(expires_in=life)), 1000.0)

    assert isinstance(found, AccessToken)
    seconds = found.expires - 1000.0
    assert 0 <= seconds < LONGEST_LIFE
    if isinstance(life, int) and not isinstance(life, bool) and life > 0:
        assert life / 2 <= seconds + 0.001 or seconds == LONGEST_LIFE - 60
        assert seconds < life or life == 1
    if life is None:
        assert seconds == USUAL_LIFE / 2


@pytest.mark.parametrize(
    ("reply", "reason", "pauses", "after"),
    [
        (replied(400, '{"error":"invalid_client"}'), "unauthorised", True, None),
        (replied(401), "unauthorised", True, None),
        (replied(403), "unauthorised", True, None),
        (replied(404), "unauthorised", True, None),
        (replied(429, retry_after="7"), "no_token", False, 7.0),
        (replied(503), "no_token", False, None),
        (replied(302), "no_token", False, None),
        (replied(200, "no JSON"), "no_token", False, None),
        (replied(200, "[]"), "no_token", False, None),
        (replied(200, '{"access_token":""}'), "no_token", False, None),
        (replied(200, '{"access_token":"a\\r\\nX: y"}'), "no_token", False, None),
        (replied(200, '{"access_token":7}'), "no_token", False, None),
    ],
)
def test_what_the_server_says_is_an_outcome(reply: Reply, reason: str, pauses: bool, after: float | None) -> None:  # noqa: FBT001 - a column of the table
    found = granted(reply, 1000.0)

    assert isinstance(found, TryAgain)
    assert (found.reason, found.pauses, found.after) == (reason, pauses, after)


def asked(says: Callable[[int], Reply | TryAgain], story: Callable[[AccessTokens, list[Post]], object]) -> list[Post]:
    """What the server was asked in this story, of which each call takes a second."""
    posts = list[Post]()

    async def send(post: Post) -> Reply | TryAgain:
        posts.append(post)
        await asyncio.sleep(1)
        return says(len(posts))

    async def played() -> None:
        tokens = AccessTokens(CREDENTIALS, send, asyncio.get_running_loop().time)
        await story(tokens, posts)  # type: ignore[misc] # a coroutine
        await tokens.close()

    virtually(played())
    return posts


def test_many_who_wait_are_one_call() -> None:
    async def story(tokens: AccessTokens, _: Sequence[Post]) -> None:
        found = await asyncio.gather(*(tokens.token() for _ in range(20)))

        assert len(set(map(id, found))) == 1
        assert isinstance(found[0], AccessToken)

    assert len(asked(lambda _: replied(200, told(expires_in=3600)), story)) == 1


def test_a_call_goes_on_when_who_began_it_ends() -> None:
    async def story(tokens: AccessTokens, _: Sequence[Post]) -> None:
        first = asyncio.create_task(tokens.token())
        await asyncio.sleep(0.5)
        second = asyncio.create_task(tokens.token())
        await asyncio.sleep(0)
        first.cancel()

        assert isinstance(await second, AccessToken)

    assert len(asked(lambda _: replied(200, told()), story)) == 1


def test_a_token_is_renewed_before_its_time() -> None:
    async def story(tokens: AccessTokens, posts: Sequence[Post]) -> None:
        await tokens.token()
        for at, count in ((3500.0, 1), (3541.0, 2)):
            await asyncio.sleep(at - asyncio.get_running_loop().time())
            await tokens.token()
            assert len(posts) == count

    asked(lambda _: replied(200, told(expires_in=3600)), story)


def test_what_was_refused_is_dropped_unless_another_has_come() -> None:
    async def story(tokens: AccessTokens, posts: Sequence[Post]) -> None:
        first = await tokens.token()
        assert isinstance(first, AccessToken)
        tokens.drop(first)
        second = await tokens.token()
        tokens.drop(first)  # as somebody does who was slower

        assert await tokens.token() is second
        assert len(posts) == 2

    asked(lambda number: replied(200, told(access_token=f"token-{number}")), story)


def test_after_a_failure_the_next_one_asks_again() -> None:
    async def story(tokens: AccessTokens, _: Sequence[Post]) -> None:
        assert await tokens.token() == TryAgain("timeout")
        assert isinstance(await tokens.token(), AccessToken)

    asked(lambda number: TryAgain("timeout") if number == 1 else replied(200, told()), story)


def opened(sink: Sink) -> HttpDestination:
    url = sink.url("")
    destination = open_destination(settings(url=url, authority=url, plain_http=True, timeout="200ms"), LOOPBACK)

    assert isinstance(destination, HttpDestination)
    return destination


@pytest.mark.parametrize(
    ("server", "opening"),
    [(Azure, opened), (service_accounts.Authority, service_accounts.opened)],
    ids=["client credentials", "service account"],
)
async def test_a_refused_token_is_renewed_once_in_an_attempt(
    server: Callable[[], Azure | service_accounts.Authority], opening: Callable[[Sink], HttpDestination]
) -> None:
    authority = server()
    async with Sink(behave=authority.behave).running() as sink:
        destination = opening(sink)
        await destination.deliver([DOCUMENT])
        authority.tokens.append("revoked by somebody")
        found = await destination.deliver([DOCUMENT])
        await destination.close()

    assert found == Delivered()
    assert [one.path in {TOKEN_PATH, "/token"} for one in sink.got] == [True, False, False, True, False]


async def test_one_that_is_refused_again_pauses_and_shows_no_token() -> None:
    """A receiver may repeat what it was sent."""
    azure = Azure()
    async with Sink().running() as sink:
        sink.behave = lambda got: azure.behave(got) if got.path == TOKEN_PATH else answer(
            "401 No", f"refused: {got.headers['authorization']} {SECRET}".encode())  # fmt: skip
        destination = opened(sink)
        found = await destination.deliver([DOCUMENT])
        await destination.close()

    assert isinstance(found, TryAgain)
    assert (found.reason, found.pauses, len(azure.tokens)) == ("unauthorised", True, 2)
    assert found.words.startswith("refused: Bearer")
    assert "tttttt" not in found.words
    assert SECRET not in found.words


async def test_the_token_before_is_not_shown_either() -> None:
    """Requests with it are still under way when another takes its place, and so are answers that repeat it."""
    grants = iter(["former-f0f1f2f3f4", "later-a0a1a2a3a4"])

    def behave(got: Receipt) -> bytes:
        if got.path == TOKEN_PATH:
            return answer("200 OK", told(access_token=next(grants)).encode())
        is_former = "former" in got.headers["authorization"]
        return answer("401 No" if is_former else "400 Bad", b"said: former-f0f1f2f3f4 later-a0a1a2a3a4")

    async with Sink(behave=behave).running() as sink:
        destination = opened(sink)
        found = await destination.deliver([DOCUMENT])
        await destination.close()

    assert isinstance(found, Undeliverable)
    assert found.words == "said: [redacted] [redacted]"


@pytest.mark.parametrize(
    ("says", "reason", "pauses"),
    [
        (answer("400 Bad", f'{{"error":"invalid_client","secret":"{SECRET}"}}'.encode()), "unauthorised", True),
        (answer("503 No"), "no_token", False),
        (NOTHING, "malformed_reply", False),
        (HANG, "timeout", False),
    ],
)
async def test_without_a_token_nothing_is_sent(
    says: bytes, reason: str, pauses: bool, capsys: pytest.CaptureFixture[str]  # noqa: FBT001 - a column of the table
) -> None:  # fmt: skip
    async with Sink(behave=lambda _: says).running() as sink:
        destination = opened(sink)
        found = await destination.deliver([DOCUMENT])
        await destination.close()

    assert isinstance(found, TryAgain)
    assert found.pauses == pauses
    assert found.reason in {reason, "connection_failed"} if says == NOTHING else found.reason == reason
    assert {one.path for one in sink.got} == {TOKEN_PATH}
    assert SECRET not in found.words + repr(destination) + "".join(capsys.readouterr())


async def test_it_can_be_closed_while_it_asks() -> None:
    is_asked = asyncio.Event()
    async with Sink(behave=lambda _: is_asked.set()).running() as sink:  # and never answers
        destination = opened(sink)
        attempt = asyncio.create_task(destination.deliver([DOCUMENT]))
        await is_asked.wait()
        attempt.cancel()
        await asyncio.gather(attempt, return_exceptions=True)
        await destination.close()

    assert len(sink.got) == 1
