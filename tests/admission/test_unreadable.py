from __future__ import annotations

import asyncio
import hashlib

from router.admission.unreadable import EVERY, UnreadableBodies, UnreadableGroup
from tests.simulators.virtual_time import virtually


def test_the_first_is_told_at_once_and_more_of_a_minute_together() -> None:
    """Whoever reaches the port can send thousands a second; a SOC wants to know of the first one now."""
    told: list[tuple[float, UnreadableGroup]] = []

    async def tell(bodies: UnreadableGroup) -> None:
        told.append((asyncio.get_running_loop().time(), bodies))

    async def story() -> None:
        counting = UnreadableBodies(tell)
        for number in range(5):
            counting.add("no_uid", f"problem {number}", f"peer {number}", memoryview(b"%d" % number))
        counting.add("no_json", "other", "peer", memoryview(b"x"))
        await asyncio.sleep(EVERY * 3)
        counting.add("no_uid", "late", "peer", memoryview(b"x"))
        counting.add("no_uid", "later", "peer", memoryview(b"x"))
        await counting.close()

    virtually(story())

    assert [(at, bodies.cause, bodies.count) for at, bodies in told] == [
        (0.0, "no_uid", 1),
        (0.0, "no_json", 1),
        (EVERY, "no_uid", 4),
        (EVERY * 3, "no_uid", 1),
        (EVERY * 3, "no_uid", 1),
    ]
    together = told[2][1]
    assert (together.first_peer, together.problem) == ("peer 1", "problem 1")
    assert together.first_sha256 == hashlib.sha256(b"1").hexdigest()


def test_a_flood_is_told_once_a_minute() -> None:
    told: list[UnreadableGroup] = []

    async def tell(bodies: UnreadableGroup) -> None:
        told.append(bodies)
        await asyncio.sleep(0)

    async def story() -> None:
        counting = UnreadableBodies(tell)
        for _ in range(1000):
            counting.add("no_json", "", "", memoryview(b""))
            await asyncio.sleep(0.3)
        await counting.close()

    virtually(story())

    assert len(told) == 6
    assert sum(bodies.count for bodies in told) == 1000
