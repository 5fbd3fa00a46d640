"""What tags point to."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from router.errors import NotFoundError, TimedOutError
from router.images import Digest, parse_reference
from router.verification import Verifier, tags
from router.verification.lasting import Lasting
from router.verification.tags import RecentTags
from tests.verification.test_verifier import signed_by
from tests.verification.world import MemorySource, cosign, image, in_virtual_time, rule, static

FAR = float("inf")


async def test_what_a_tag_pointed_to_a_moment_ago_serves_who_may_do_with_that() -> None:
    now = [0.0]
    source, digest = signed_by("release")
    verifier = Verifier(source, [cosign("release")], lambda: now[0], resolve_every=5.0)
    await verifier.judge(image(), rule(), FAR)
    asked = len(source.asked)

    known = verifier.remembered(image(), rule(), is_recent_enough=True)
    assert known is not None
    assert known.judgement.digest == digest
    assert known.lasting.until == 5.0
    assert verifier.holds(known.lasting)
    assert verifier.remembered(image(), rule()) is None
    assert len(source.asked) == asked

    now[0] = 5.0
    assert not verifier.holds(known.lasting)
    assert verifier.remembered(image(), rule(), is_recent_enough=True) is None


async def test_whoever_judges_asks_anew() -> None:
    source, _ = signed_by("release")
    verifier = Verifier(source, [cosign("release")], resolve_every=300.0)
    await verifier.judge(image(), rule(), FAR)
    await verifier.judge(image(), rule(), FAR)

    assert sum(one.startswith("HEAD") for one in source.asked) == 2


async def test_nothing_is_remembered_where_every_request_asks() -> None:
    source, _ = signed_by("release")
    verifier = Verifier(source, [cosign("release")])
    await verifier.judge(image(), rule(), FAR)

    assert verifier.remembered(image(), rule(), is_recent_enough=True) is None


def test_equal_questions_under_way_are_one() -> None:
    async def scenario() -> int:
        source, _ = signed_by("release")
        source.delays["HEAD"] = 2.0
        verifier = Verifier(source, [cosign("release")])
        await asyncio.gather(*(verifier.judge(image(), rule(), 9.0) for _ in range(40)))
        return sum(one.startswith("HEAD") for one in source.asked)

    assert in_virtual_time(scenario()) == 1


async def test_that_a_tag_is_not_there_is_never_remembered() -> None:
    source = MemorySource()
    recent = RecentTags(source, lambda: 0.0, 300.0)
    with pytest.raises(NotFoundError):
        await recent.resolved(image(), FAR)
    digest = source.add_image()

    assert await recent.resolved(image(), FAR) == digest


def test_there_is_a_deadline() -> None:
    async def scenario() -> None:
        source, _ = signed_by("release")
        source.delays["HEAD"] = 3600.0
        with pytest.raises(TimedOutError):
            await RecentTags(source, asyncio.get_running_loop().time, 5.0).resolved(image(), 3.0)
        assert asyncio.get_running_loop().time() == 3.0

    in_virtual_time(scenario())


async def test_only_so_many_tags_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tags, "MOST", 2)

    class Any(MemorySource):
        async def resolve(self, image: object, deadline: float) -> Digest:  # noqa: ARG002 - a double
            return Digest.of(b"any")

    recent = RecentTags(Any(), lambda: 0.0, 5.0)
    images = [replace(parse_reference("r.example/a"), tag=f"v{number}") for number in range(4)]
    for one in images:
        await recent.resolved(one, FAR)

    assert [recent.get(one) is not None for one in images] == [False, False, True, True]


async def test_what_was_known_holds_no_longer_where_others_are_trusted() -> None:
    verifier = Verifier(MemorySource(), [static(allow=True)])

    assert verifier.holds(Lasting())
    assert not verifier.holds(Lasting(trusts=frozenset({("fixed", "another")})))
    assert not verifier.holds(Lasting(valid_until=0.0))
