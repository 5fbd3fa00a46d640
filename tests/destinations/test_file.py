from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from router.destinations.document import Document
from router.destinations.kinds.file import FileDestination, FileSettings
from router.destinations.lines import LINE_LIMIT
from router.destinations.outcome import Delivered, TryAgain
from router.events import BEGINNING, encode


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


EVENT = encode(json.loads((Path(__file__).parents[1] / "data" / "event.json").read_text()))
ENDS = {
    "torn": (b"{}\n" + EVENT[:-1], b"{}\n[]\n"),
    "torn early": (b"{}\n" + EVENT[: len(BEGINNING)], b"{}\n[]\n"),
    "torn, and the only line": (EVENT[:100], b"[]\n"),
    "torn and long": (EVENT[:-4] + b"x" * 200_000, b"[]\n"),
    "empty": (b"", b"[]\n"),
    "whole": (b"{}\n", b"{}\n[]\n"),
    "whole, without its newline": (b"{}\n" + EVENT, b"{}\n" + EVENT + b"\n[]\n"),
    "another program's": (b"password=4711", b"password=4711\n[]\n"),
    "another program's, of JSON": (b'{\n  "a": 1\n}', b'{\n  "a": 1\n}\n[]\n'),
    "too short to be known": (b"{}\n" + EVENT[:5], b"{}\n" + EVENT[:5] + b"\n[]\n"),
    "behind something": (b"{}\n>" + EVENT[:99], b"{}\n>" + EVENT[:99] + b"\n[]\n"),
    "longer than any": (b"x" * (LINE_LIMIT + 1), b"x" * (LINE_LIMIT + 1) + b"\n[]\n"),
}


@pytest.mark.parametrize(("before", "after"), ENDS.values(), ids=ENDS)
async def test_a_last_line_is_cut_off_only_if_a_crash_tore_one_of_ours(
    tmp_path: Path, before: bytes, after: bytes
) -> None:
    """Its event was never settled and comes again. Whatever else ends without a newline is somebody's."""
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
        if data[:1] == b"{":
            return write(descriptor, data[: len(BEGINNING)])
        raise OSError(errno.EIO, "Input/output error")

    def broken(_: int, __: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "write", torn)
    monkeypatch.setattr(os, "ftruncate", broken)
    outcome = await archive.deliver(documents(EVENT))
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
    path.write_bytes(b"1\n" + EVENT[:-1])
    other = os.open(path, os.O_RDWR | os.O_APPEND)
    fcntl.flock(other, fcntl.LOCK_EX)

    def ends_meanwhile(_: float) -> None:
        os.write(other, EVENT[-1:] + b"\n")
        fcntl.flock(other, fcntl.LOCK_UN)

    monkeypatch.setattr("router.destinations.lines.time.sleep", ends_meanwhile)
    archive = opened(path)
    outcome = await archive.deliver(documents(b"2"))
    await archive.close()
    os.close(other)

    assert outcome == Delivered()
    assert path.read_bytes() == b"1\n" + EVENT + b"\n2\n"


async def test_a_lock_that_is_held_for_ever_is_a_failure_that_may_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(EVENT[:-1])
    other = os.open(path, os.O_RDWR)
    fcntl.flock(other, fcntl.LOCK_EX)
    monkeypatch.setattr("router.destinations.lines.time.sleep", lambda _: None)
    archive = opened(path)
    held = await archive.deliver(documents(b"1"))
    before = path.read_bytes()
    os.close(other)
    free = await archive.deliver(documents(b"1"))
    await archive.close()

    assert (held, before) == (TryAgain("io_error"), EVENT[:-1])
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


BODIES = st.text(max_size=20).map(lambda text: EVENT[:-1] + b',"x":' + json.dumps(text).encode() + b"}")


@given(batches=st.lists(st.lists(BODIES, min_size=1, max_size=4), max_size=4), cut=st.integers(0, 9_000))
async def test_after_a_crash_no_line_of_another_event_is_touched(
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

    start = whole[:cut].rfind(b"\n") + 1
    last = whole[start:cut]
    is_kept = last in whole.split(b"\n") or len(last) < len(BEGINNING)
    assert path.read_bytes() == whole[:start] + (last + b"\n" if last and is_kept else b"") + b"last\n"


async def test_a_line_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others may write to the same file, and read it: they see whole lines."""
    written: list[bytes] = []
    write = os.write

    def noted(descriptor: int, data: bytes) -> int:
        written.append(bytes(data))
        return write(descriptor, data)

    archive = opened(tmp_path / "a.jsonl")
    monkeypatch.setattr(os, "write", noted)
    await archive.deliver(documents(b"1", b"2" * 100_000, b"3"))
    await archive.close()

    assert written == [b"1\n", b"2" * 100_000 + b"\n", b"3\n"]


async def test_a_pipe_is_written_as_long_as_somebody_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a reader it refuses; with one that does not read, it is not waited for longer than a limit."""
    monkeypatch.setattr("router.destinations.lines.PATIENCE", 0.05)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    archive = opened(path)
    outcomes = [await archive.deliver(documents(b"lost"))]
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    outcomes.append(await archive.deliver(documents(b"1")))
    outcomes.append(await archive.deliver(documents(b"2", b"3" * 10**6)))
    first = os.read(reader, 10**6)
    outcomes.append(await archive.deliver(documents(b"4")))
    rest = os.read(reader, 10**6)
    os.close(reader)
    outcomes.append(await archive.deliver(documents(b"5")))
    await archive.close()

    refused = TryAgain("io_error")
    assert outcomes == [refused, Delivered(), refused, Delivered(), refused]
    assert first.startswith(b"1\n2\n33")
    assert rest == b"\n4\n"


async def test_what_is_no_regular_file_is_neither_locked_nor_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel says EINVAL, and every batch would come again for ever."""

    def invalid(*_: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    for name in ("fsync", "ftruncate"):
        monkeypatch.setattr(os, name, invalid)
    monkeypatch.setattr(fcntl, "flock", invalid)
    (tmp_path / "link").symlink_to("/dev/null")
    archive = opened(tmp_path / "link")
    outcome = await archive.deliver(documents(b"1"))
    await archive.close()

    assert outcome == Delivered()


async def test_a_disk_that_does_not_answer_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the next attempt, nor closing, nor the end of the process waits for it longer than a limit."""
    goes_on = threading.Event()
    write = os.write

    def hanging(descriptor: int, data: bytes) -> int:
        assert goes_on.wait(10)
        return write(descriptor, data)

    monkeypatch.setattr("router.destinations.kinds.file.ATTEMPT_LIMIT", 0.02)
    monkeypatch.setattr("router.destinations.kinds.file.CLOSE_LIMIT", 0.02)
    monkeypatch.setattr(os, "write", hanging)
    archive = FileDestination(FileSettings(name="hanging", kind="file", path=tmp_path / "a.jsonl"))
    with capture_logs() as logged:
        outcomes = [await archive.deliver(documents(b"1")) for _ in range(3)]
        await archive.close()
    threads = [thread for thread in threading.enumerate() if thread.name == "file-hanging"]
    are_daemons = [thread.daemon for thread in threads]
    goes_on.set()
    for thread in threads:
        await asyncio.to_thread(thread.join, 10)

    assert outcomes == [TryAgain("io_error")] * 3
    assert are_daemons == [True]
    assert [line["event"] for line in logged] == ["file_append_failed", "file_left_open"]
    assert (tmp_path / "a.jsonl").read_bytes() == b"1\n"
