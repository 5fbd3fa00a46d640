"""What people are told of an incident has the size of any event, whatever its images are called."""

from __future__ import annotations

import pytest

from router.events import EVENT_LIMIT
from tests.incidents.stage import World, found


@pytest.mark.parametrize("character", ["\x01", "\N{PILE OF POO}", "a"])
def test_a_message_is_no_larger_than_an_event_may_be(world: World, character: str) -> None:
    """Each event alone is within the limit; an incident collects the images of many."""
    for number in range(7):
        names = [(f"c{number}-{of}", f"{number}.{of}" + character * 1000) for of in range(7)]
        world.tell(*(found("denied", container=container, of=name, detail="d" * 200) for container, name in names))
        world.pass_time(61.0)
    sizes = [size for (size,) in world.rows("SELECT length(CAST(body AS BLOB)) FROM events")]
    told = [body["data"]["incident"] for body in world.bodies()]

    assert max(sizes) <= EVENT_LIMIT
    assert [len(one["images"]) + one["more_images"] for one in told] == [7 * (number + 1) for number in range(7)]
    assert all(one["images"][-1]["image"].startswith(f"{number}.") for number, one in enumerate(told))
