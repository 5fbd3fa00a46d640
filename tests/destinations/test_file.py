from __future__ import annotations

import os
from pathlib import Path

import pytest

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
