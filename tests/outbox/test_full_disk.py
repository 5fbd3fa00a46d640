"""A disk that is full: a small tmpfs, where one may be mounted."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.errors import OutboxError
from router.outbox import Accepted, DeliverySelection, DeliveryState, Wanted
from router.outbox.retention import RetentionRules
from router.outbox.sqlite import SqliteOutbox
from tests.outbox.stage import ME, NOW, REPLICA, new

MIB = 2**20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run([mount, "-t", "tmpfs", "-o", "size=96m", "keep", folder], check=False).returncode
    ):
        pytest.skip("no tmpfs may be mounted here")
    yield folder
    subprocess.run([shutil.which("umount") or "umount", "-l", folder], check=True)


async def filled(outbox: SqliteOutbox) -> int:
    """Append until nothing more is taken; how many events there are."""
    count = 0
    while True:
        try:
            await outbox.append(new(f"event-{count}", body=b'{"data":{"a":"%b"}}' % (b"x" * 200_000)))
        except OutboxError as error:
            assert "full" in str(error)  # noqa: PT017 - it ends like this in any case
            return count
        count += 1
        outbox._reserve.look()


async def delivered(outbox: SqliteOutbox) -> int:
    """Deliver all there is; how many events that were."""
    queue, count = outbox.queue(ME), 0
    while claimed := await queue.claim("slack", Wanted(8)):
        await queue.settle([Accepted("slack", one.event_id, NOW, 1) for one in claimed])
        count += len(claimed)
        outbox._reserve.look()
    return count


async def test_what_is_stored_is_delivered_on_a_full_disk(small_disk: Path) -> None:
    """And then there is room again for what comes."""
    path = small_disk / "outbox.db"
    outbox = await SqliteOutbox.open(path, REPLICA)
    count = await filled(outbox)
    (small_disk / "somebody-else").write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 20 * MIB))
    outbox._reserve.look()
    with pytest.raises(OutboxError, match="the disk is full"):
        await outbox.append(new("refused"))
    settled = await delivered(outbox)
    (small_disk / "somebody-else").unlink()
    await outbox.retention.make_room(RetentionRules(0.0, 0.0, 4 * MIB))
    outbox._reserve.look()
    await outbox.append(new("after"))
    waiting = await outbox.waiting()
    rows = await outbox.deliveries(DeliverySelection(state=DeliveryState.PENDING), 10)
    await outbox.close()

    assert count > 100
    assert settled == count
    assert waiting["slack"].pending == 1
    assert [row.event_id for row in rows] == ["after"]
