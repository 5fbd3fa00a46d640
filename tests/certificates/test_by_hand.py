"""A Secret that somebody has written by hand: what nobody could believe is not shown."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable

import pytest

from router.certificates.making import HeldCertificate, make, mark_of
from tests.certificates.test_keeping import of, played
from tests.certificates.test_making import weak
from tests.certificates.world import START, World


@pytest.mark.parametrize("make_spoilt", [weak, lambda now: make(["elsewhere.svc"], now)], ids=["weak", "for others"])
def test_what_nobody_could_believe_is_replaced_by_what_is_shown(
    make_spoilt: Callable[[float], HeldCertificate],
) -> None:
    """It was shown for ever, or was refused by gates while the bundles no longer vouched for what they showed."""

    async def story(world: World) -> None:
        for number in range(2):
            world.begin(f"gatecrier-{number}")
        await asyncio.sleep(60)
        shown, spoilt = of(world), make_spoilt(START + world.now)
        changed = json.loads(json.dumps(world.objects["secrets/gatecrier-tls"]))
        parts = zip(("tls.crt", "tls.key", "ca.crt"), (*spoilt.pair, spoilt.authority), strict=True)
        changed["data"] |= {name: base64.b64encode(part).decode() for name, part in parts}
        world.change("secrets/gatecrier-tls", changed)
        await asyncio.sleep(60)

        assert of(world) == shown
        stored = base64.b64decode(world.objects["secrets/gatecrier-tls"]["data"]["tls.crt"])
        assert {mark_of(stored)} == shown

    world = played(World(), story)

    assert not world.broken
    assert len(world.made) == 1
