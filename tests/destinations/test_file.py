from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from router.destinations.document import Document
from router.destinations.file import FileDestination, FileSettings
from router.destinations.outcome import Delivered, TryAgain


def opened(path: Path) -> FileDestination:
    return FileDestination(FileSettings(name="archive", kind="file", path=path))


def documents(*bodies: bytes) -> list[Document]:
    return [Document(str(number), body) for number, body in enumerate(bodies)]


async def test_a_batch_is_a_line_each(tmp_path: Path) -> None:
    archive = opened(tmp_path / "a.jsonl")
    outcomes = [await archive.deliver(documents(b"{}", b'{\n"a": 1}')), await archive.deliver(documents(b"[]"))]
    await archive.close()

    assert outcomes == [Delivered(), Delivered()]
    assert (tmp_path / "a.jsonl").read_bytes() == b'{}\n{ "a": 1}\n[]\n'


TORN = [
    (b"{}\n{tor", b"{}\n[]\n"),
    (b"torn", b"[]\n"),
    (b"", b"[]\n"),
    (b"x" * 200_000, b"[]\n"),
    (b"{}\n", b"{}\n[]\n"),
]


@pytest.mark.parametrize(("before", "after"), TORN, ids=range(len(TORN)))
async def test_a_torn_line_is_cut_off_when_the_file_is_opened(tmp_path: Path, before: bytes, after: bytes) -> None:
    """A crash tore it; its event was never settled and comes again."""
    (tmp_path / "a.jsonl").write_bytes(before)
    archive = opened(tmp_path / "a.jsonl")
    await archive.deliver(documents(b"[]"))
    await archive.close()

    assert (tmp_path / "a.jsonl").read_bytes() == after


async def test_a_file_that_was_moved_away_is_made_anew(tmp_path: Path) -> None:
    archive = opened(tmp_path / "a.jsonl")
    await archive.deliver(documents(b"1"))
    (tmp_path / "a.jsonl").rename(tmp_path / "a.jsonl.1")
    await archive.deliver(documents(b"2"))
    (tmp_path / "a.jsonl").rename(tmp_path / "a.jsonl.2")
    (tmp_path / "a.jsonl").write_bytes(b"0\n")
    await archive.deliver(documents(b"3"))
    await archive.close()

    contents = [(tmp_path / f"a.jsonl{end}").read_bytes() for end in (".1", ".2", "")]
    assert contents == [b"1\n", b"2\n", b"0\n3\n"]


async def test_a_missing_folder_is_worth_another_try(tmp_path: Path) -> None:
    assert await opened(tmp_path / "none" / "a.jsonl").deliver(documents(b"{}")) == TryAgain("io_error")


async def test_what_a_full_disk_took_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a batch in the file would be a line that nobody can read."""
    archive = opened(tmp_path / "a.jsonl")
    await archive.deliver(documents(b"1"))
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) <= 3:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:-3])

    monkeypatch.setattr(os, "write", full)
    outcome = await archive.deliver(documents(b"22222222"))
    monkeypatch.undo()
    await archive.deliver(documents(b"3"))
    await archive.close()

    assert outcome == TryAgain("io_error")
    assert (tmp_path / "a.jsonl").read_bytes() == b"1\n3\n"


async def test_it_can_be_closed_at_any_time(tmp_path: Path) -> None:
    archive = opened(tmp_path / "a.jsonl")
    await archive.close()
    await archive.deliver(documents(b"1"))
    await archive.close()
    await archive.close()
    await archive.deliver(documents(b"2"))
    await archive.close()

    assert (tmp_path / "a.jsonl").read_bytes() == b"1\n2\n"


async def test_only_the_owner_and_its_group_can_read_events(tmp_path: Path) -> None:
    archive = opened(tmp_path / "a.jsonl")
    await archive.deliver(documents(b"1"))
    await archive.close()

    assert stat.S_IMODE((tmp_path / "a.jsonl").stat().st_mode) & 0o137 == 0


async def test_file_and_folder_are_on_the_disk_before_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new file whose folder was not flushed is gone after a power cut, with all that was flushed to it."""
    flushed: list[int] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        flushed.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    archive = opened(tmp_path / "a.jsonl")
    await archive.deliver(documents(b"1"))
    await archive.deliver(documents(b"2"))
    await archive.close()

    file, folder = os.stat(tmp_path / "a.jsonl").st_ino, os.stat(tmp_path).st_ino  # noqa: PTH116 - a local folder
    assert flushed == [folder, file, file]


async def test_what_can_not_be_taken_back_is_cut_off_when_it_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the next line would continue half a line."""
    archive = opened(tmp_path / "a.jsonl")
    await archive.deliver(documents(b"1"))
    write = os.write

    def torn(descriptor: int, data: bytes) -> int:
        if data.startswith(b"22"):
            return write(descriptor, data[:1])
        raise OSError(errno.EIO, "Input/output error")

    def broken(_: int, __: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "write", torn)
    monkeypatch.setattr(os, "ftruncate", broken)
    outcome = await archive.deliver(documents(b"22"))
    monkeypatch.undo()
    await archive.deliver(documents(b"3"))
    await archive.close()

    assert outcome == TryAgain("io_error")
    assert (tmp_path / "a.jsonl").read_bytes() == b"1\n3\n"


async def test_a_cancelled_attempt_ends_before_anything_else_happens_to_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread goes on writing: closed under it, its descriptor could by then be that of the outbox."""
    archive = opened(tmp_path / "a.jsonl")
    await archive.deliver(documents(b"1"))
    began, goes_on = threading.Event(), threading.Event()
    write = os.write

    def slow(descriptor: int, data: bytes) -> int:
        began.set()
        assert goes_on.wait(10)
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", slow)
    attempt = asyncio.create_task(archive.deliver(documents(b"2")))
    await asyncio.to_thread(began.wait, 10)
    attempt.cancel()
    await asyncio.gather(attempt, return_exceptions=True)
    closing = asyncio.create_task(archive.close())
    follower = asyncio.create_task(opened(tmp_path / "a.jsonl").deliver(documents(b"3")))
    await asyncio.sleep(0)
    is_closed_early = closing.done()
    goes_on.set()
    await closing
    outcome = await follower

    assert attempt.cancelled()
    assert not is_closed_early
    assert outcome == Delivered()
    assert sorted((tmp_path / "a.jsonl").read_bytes().split()) == [b"1", b"2", b"3"]


async def test_nobody_cuts_off_what_another_router_is_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """During an update two routers have the same volume: half a line of the other is not torn, it is on its way."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"1\nhalf")
    other = os.open(path, os.O_RDWR | os.O_APPEND)
    fcntl.flock(other, fcntl.LOCK_EX)

    def ends_meanwhile(_: float) -> None:
        os.write(other, b" a line\n")
        fcntl.flock(other, fcntl.LOCK_UN)

    monkeypatch.setattr("router.destinations.file.time.sleep", ends_meanwhile)
    archive = opened(path)
    outcome = await archive.deliver(documents(b"2"))
    await archive.close()
    os.close(other)

    assert outcome == Delivered()
    assert path.read_bytes() == b"1\nhalf a line\n2\n"


async def test_a_lock_that_is_held_for_ever_is_a_failure_that_may_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"half")
    other = os.open(path, os.O_RDWR)
    fcntl.flock(other, fcntl.LOCK_EX)
    monkeypatch.setattr("router.destinations.file.time.sleep", lambda _: None)
    archive = opened(path)
    held = await archive.deliver(documents(b"1"))
    before = path.read_bytes()
    os.close(other)
    free = await archive.deliver(documents(b"1"))
    await archive.close()

    assert (held, before) == (TryAgain("io_error"), b"half")
    assert (free, path.read_bytes()) == (Delivered(), b"1\n")


async def test_a_file_system_without_locks_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(_: int, __: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    archive = opened(tmp_path / "a.jsonl")
    outcome = await archive.deliver(documents(b"1"))
    await archive.close()

    assert outcome == Delivered()
    assert (tmp_path / "a.jsonl").read_bytes() == b"1\n"


async def test_the_cause_of_a_failure_is_logged_once(tmp_path: Path) -> None:
    """The code alone does not say what to mend, and an attempt every few minutes is no news."""
    archive = opened(tmp_path / "later" / "a.jsonl")
    with capture_logs() as logged:
        for _ in range(3):
            await archive.deliver(documents(b"1"))
        (tmp_path / "later").mkdir()
        outcome = await archive.deliver(documents(b"1"))
    await archive.close()

    assert outcome == Delivered()
    assert logged == [
        {
            "event": "file_append_failed",
            "log_level": "warning",
            "destination": "archive",
            "cause": "No such file or directory",
        }
    ]


BODIES = st.binary(max_size=20).filter(lambda body: b"\n" not in body)


@given(batches=st.lists(st.lists(BODIES, min_size=1, max_size=4), max_size=4), cut=st.integers(0, 200))
async def test_after_a_crash_whole_lines_and_only_they_remain(
    batches: list[list[bytes]], cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Wherever the crash tore the file."""
    path = tmp_path_factory.mktemp("torn") / "a.jsonl"
    archive = opened(path)
    for batch in batches:
        await archive.deliver(documents(*batch))
    await archive.close()
    whole = path.read_bytes() if path.exists() else b""
    path.write_bytes(whole[:cut])
    again = opened(path)
    await again.deliver(documents(b"last"))
    await again.close()

    kept = whole[: whole[:cut].rfind(b"\n") + 1]
    assert path.read_bytes() == kept + b"last\n"
