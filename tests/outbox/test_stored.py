import json
from pathlib import Path

from router.outbox import Accepted
from router.outbox.records import beside
from router.outbox.sqlite import SqliteOutbox
from router.outbox.stored import StoredEvent, Stretch
from tests.outbox.stage import ME, NOW, REPLICA, new


async def test_stored_events_are_found_by_place_and_by_id(tmp_path: Path) -> None:
    """Whoever asks reads beside the router that owns the file."""
    path = tmp_path / "outbox.db"
    outbox = await SqliteOutbox.open(path, REPLICA)
    for number in range(1, 6):
        await outbox.append(new(f"event-{number}", at=NOW + 1000 * number))
    await outbox.queue(ME).settle([Accepted("slack", "event-2", NOW, 1)])
    records = await beside(path)

    async def found(stretch: Stretch, limit: int = 9) -> list[int]:
        return [one.number.sequence for one in await records.events(stretch, limit)]

    try:
        assert await found(Stretch()) == [5, 4, 3, 2, 1]
        assert await found(Stretch(), 2) == [5, 4]
        assert await found(Stretch(after=2, before=5)) == [4, 3]
        assert await found(Stretch(after=2, is_oldest_first=True), 2) == [3, 4]
        assert await found(Stretch(ids=["event-2", "event-4", "none"])) == [4, 2]
        (one,) = await records.events(Stretch(ids=["event-2"]), 9)
    finally:
        await records.close()
        await outbox.close()

    assert isinstance(one, StoredEvent)
    assert (one.number.replica, one.id, one.at) == (REPLICA, "event-2", NOW + 2000)
    assert json.loads(one.body)["data"]["sequence"] == 2
