from __future__ import annotations

from pathlib import Path

import pytest

from router.whole_files import PRIVATE, write_whole


@pytest.mark.parametrize("mode", [PRIVATE, 0o644])
def test_what_was_there_is_replaced_and_nothing_is_left_beside_it(mode: int, tmp_path: Path) -> None:
    for body in (b"old", b"new"):
        write_whole(tmp_path / "file", body, mode)

    assert (tmp_path / "file").read_bytes() == b"new"
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_what_can_not_be_written_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_whole(tmp_path / "file", b"old")

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fails)
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "file", b"new")

    assert (tmp_path / "file").read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "none" / "file", b"new")

    assert [*tmp_path.iterdir()] == []
