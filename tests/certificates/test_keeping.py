"""A certificate that several replicas look after, in virtual time: whatever happens, what they show is trusted."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.certificates import planning
from router.certificates.keeping import LEASE, LOOK
from router.certificates.planning import SETTLE
from router.telemetry.causes import Cause
from tests.certificates.world import World
from tests.simulators.virtual_time import virtually

RENEWED = 800.0
"""Seconds after which a certificate is renewed here."""
MENDED = 10.0
"""Seconds within which a bundle must be mended."""
ROUND = RENEWED + 2 * SETTLE + 60
"""Seconds within which a renewal is over."""


def played(world: World, story: Callable[[World], Coroutine[Any, Any, None]]) -> World:
    """The world after a story."""

    async def whole() -> None:
        try:
            await story(world)
        finally:
            await world.close()

    virtually(whole())
    return world


def _authorities(bundle: str) -> int:
    return base64.b64decode(bundle).count(b"BEGIN CERTIFICATE")


def of(world: World) -> set[str]:
    """What is shown, by its mark."""
    return {held.mark for held in world.showing.values()}


@pytest.mark.parametrize("replicas", [1, 2, 5])
def test_the_first_certificate_is_shown_by_all_and_trusted_at_once(replicas: int) -> None:
    async def story(world: World) -> None:
        for number in range(replicas):
            world.begin(f"gatecrier-{number}")
        await asyncio.sleep(3 * LOOK)

    world = played(World(), story)

    assert [held.mark for held in world.made] == list(of(world))
    assert len(world.showing) == replicas
    assert not world.broken
    assert world.mended_after


def test_a_renewal_takes_its_time_and_is_never_seen() -> None:
    moments: dict[str, float] = {}

    async def story(world: World) -> None:
        for number in range(3):
            world.begin(f"gatecrier-{number}")
        await asyncio.sleep(RENEWED - 10)
        before = of(world)
        while "gone" not in moments and world.now < 2 * ROUND:
            await asyncio.sleep(0.5)
            count = len(world.made)
            if count == 2 and all(_authorities(bundle) == 2 for bundle in world.bundles()):
                moments.setdefault("known", world.now)
            if of(world) != before:
                moments.setdefault("shown", world.now)
            if "shown" in moments and not of(world) & before:
                moments.setdefault("by all", world.now)
            data = world.objects["secrets/gatecrier-tls"]["data"]
            if "by all" in moments and "previous-ca.crt" not in data:
                moments["gone"] = world.now

    world = played(World(), story)

    assert not world.broken
    assert moments["shown"] - moments["known"] >= SETTLE - LOOK
    assert moments["by all"] - moments["shown"] <= LOOK + 1
    assert moments["gone"] - moments["by all"] >= SETTLE - LOOK
    assert moments["gone"] - moments["known"] <= 2 * SETTLE + 8 * LOOK


def test_over_a_year_of_it_everything_is_renewed_again_and_again() -> None:
    async def story(world: World) -> None:
        for number in range(2):
            world.begin(f"gatecrier-{number}")
        await asyncio.sleep(10 * ROUND)

    world = played(World(), story)

    assert len(world.made) >= 10
    assert not world.broken
    assert len(world.objects["secrets/gatecrier-tls"]["data"]) in (3, 4, 6)


@pytest.mark.parametrize("bundle", [None, "", "bm9uZQ=="])
def test_a_bundle_that_somebody_resets_is_mended(bundle: str | None) -> None:
    async def story(world: World) -> None:
        for number in range(3):
            world.begin(f"gatecrier-{number}")
        await asyncio.sleep(60)
        for _ in range(20):
            world.trample(bundle)
            await asyncio.sleep(world.dice.random() * 40)
        await asyncio.sleep(MENDED)

    world = played(World(slowness=0.2), story)

    assert len(world.mended_after) > 10
    assert max(world.mended_after[1:]) <= MENDED
    assert not world.broken


def test_while_somebody_resets_bundles_nothing_new_is_shown() -> None:
    """Else a replica might show what no API server has heard of."""

    async def story(world: World) -> None:
        for number in range(2):
            world.begin(f"gatecrier-{number}")
        await asyncio.sleep(RENEWED - 60)
        before = of(world)
        while world.now < RENEWED + 5 * SETTLE:
            world.trample()
            await asyncio.sleep(SETTLE - LOOK - 1)
        assert of(world) == before
        await asyncio.sleep(ROUND)
        assert not of(world) & before

    assert not played(World(), story).broken


def test_where_the_leader_is_killed_another_leads() -> None:
    async def story(world: World) -> None:
        for number in range(3):
            world.begin(f"gatecrier-{number}")
        await asyncio.sleep(60)
        leader = world.objects["leases/gatecrier-tls"]["spec"]["holderIdentity"]
        world.end(leader)
        await asyncio.sleep(LEASE + 2 * LOOK)
        world.trample()
        await asyncio.sleep(MENDED)
        assert world.objects["leases/gatecrier-tls"]["spec"]["holderIdentity"] != leader
        assert world.objects["leases/gatecrier-tls"]["spec"]["leaseTransitions"] == 2

    assert not played(World(), story).broken


def test_who_can_not_be_told_is_waited_for_and_who_has_gone_is_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its gates go on to show what was there before, and the API server goes on to ask them."""
    ends = 300.0
    monkeypatch.setattr(planning, "MARK_RENEWED", 100.0)
    monkeypatch.setattr(planning, "MARK_ENDS", RENEWED + ends)

    async def story(world: World) -> None:
        for number in range(3):
            world.begin(f"gatecrier-{number}")
        await asyncio.sleep(60)
        world.stalled["gatecrier-2"].clear()
        await asyncio.sleep(RENEWED + 60)
        assert len(of(world)) == 2
        assert len(world.objects["secrets/gatecrier-tls"]["data"]) == 4
        world.end("gatecrier-2")
        await asyncio.sleep(ends)
        secret = world.objects["secrets/gatecrier-tls"]
        assert len(secret["data"]) == 3
        assert "shown-by.gatecrier.dev/gatecrier-2" not in secret["metadata"]["annotations"]

    assert not played(World(), story).broken


def test_a_secret_that_is_emptied_gets_back_what_is_shown() -> None:
    async def story(world: World) -> None:
        for number in range(2):
            world.begin(f"gatecrier-{number}")
        await asyncio.sleep(60)
        world.change("secrets/gatecrier-tls", {"metadata": {"name": "gatecrier-tls"}})
        await asyncio.sleep(60)

    world = played(World(), story)

    assert [held.mark for held in world.made] == list(of(world))
    assert not world.broken


@pytest.mark.parametrize("spoilt", ["tls.crt", "tls.key", "ca.crt"])
def test_what_can_not_be_read_is_made_anew_by_replicas_that_know_nothing(spoilt: str) -> None:
    async def story(world: World) -> None:
        world.begin("gatecrier-0")
        await asyncio.sleep(60)
        world.end("gatecrier-0")
        world.objects["secrets/gatecrier-tls"]["data"][spoilt] = "bm9uZQ=="
        world.reset_at = world.now
        world.begin("gatecrier-0")
        await asyncio.sleep(60)

    world = played(World(), story)

    assert of(world) == {world.made[1].mark}
    assert not world.broken


def test_what_has_ended_while_nobody_was_there_is_replaced() -> None:
    async def story(world: World) -> None:
        world.begin("gatecrier-0")
        await asyncio.sleep(60)
        world.end("gatecrier-0")
        await asyncio.sleep(2000)
        world.reset_at = world.now
        world.begin("gatecrier-0")
        await asyncio.sleep(60)

    world = played(World(), story)

    assert of(world) == {world.made[1].mark}
    assert max(world.mended_after) <= MENDED


def test_an_api_server_that_is_away_is_a_trouble_until_it_is_back() -> None:
    async def story(world: World) -> None:
        world.begin("gatecrier-0")
        await asyncio.sleep(60)
        world.is_away = True
        await asyncio.sleep(300)
        assert world.troubles == {(Cause.CERTIFICATE_UNKEPT, "")}
        world.is_away = False
        await asyncio.sleep(60)
        assert not world.troubles

    assert not played(World(), story).broken


@settings(max_examples=25)
@given(
    st.integers(0, 2**32),
    st.integers(1, 4),
    st.floats(0, 3),
    st.sampled_from([0.0, 0.0, 0.05, 0.3]),
    st.lists(
        st.tuples(
            st.sampled_from(["restart", "stall", "go on", "kill", "trample", "away", "back"]),
            st.integers(0, 3),
            st.floats(0, 60),
        ),
        max_size=15,
    ),
)
def test_whatever_happens_what_is_shown_is_trusted(
    seed: int, replicas: int, slowness: float, failing: float, happenings: list[tuple[str, int, float]]
) -> None:
    """Replicas that are stopped for any time between any two of their steps, restarted, killed; questions that fail."""

    async def story(world: World) -> None:
        for number in range(replicas):
            world.begin(f"gatecrier-{number}")
        await asyncio.sleep(120)
        for what, number, pause in happenings:
            world.happen(what, f"gatecrier-{number % replicas}")
            await asyncio.sleep(pause)
        world.is_away, world.failing = False, 0.0
        for number in range(replicas):
            world.begin(f"gatecrier-{number}")
        await asyncio.sleep(ROUND)

    world = played(World(seed, slowness, failing), story)

    assert not world.broken
    assert world.reset_at is None
    assert len(world.showing) == replicas
