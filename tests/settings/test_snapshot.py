from __future__ import annotations

import os
from pathlib import Path

import pytest

from router.settings.snapshot import Reading


def test_a_file_is_read_once(tmp_path: Path) -> None:
    """One reading of a configuration sees one content of each file, although it is validated more than once."""
    file = tmp_path / "a"
    file.write_text("one")
    reading = Reading(tmp_path / "gatecrier.yaml", {})
    first = reading.read(file, 10)
    file.write_text("two")

    assert (first, reading.read(file, 10)) == (b"one", b"one")


def test_links_are_remembered_as_links(tmp_path: Path) -> None:
    """What they lead to is swapped under them when a ConfigMap or Secret changes."""
    (tmp_path / "target").write_text("x")
    (tmp_path / "link").symlink_to("target")
    reading = Reading(tmp_path / "gatecrier.yaml", {})
    reading.read(tmp_path / "folder" / ".." / "link", 10)

    assert set(reading.watched) == {tmp_path / "link"}


def test_files_that_are_not_there_are_remembered_too(tmp_path: Path) -> None:
    reading = Reading(tmp_path / "gatecrier.yaml", {})
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            reading.read(tmp_path / "gone", 10)

    assert set(reading.watched) == {tmp_path / "gone"}


@pytest.mark.parametrize("kind", ["large", "device", "pipe"])
def test_what_could_not_be_held_or_would_not_end_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a"
    match kind:
        case "large":
            path.write_bytes(b"x" * 11)
        case "device":
            path = Path("/dev/zero")
        case _:
            os.mkfifo(path)

    with pytest.raises(ValueError, match="more than 10 bytes" if kind == "large" else "no regular file"):
        Reading(tmp_path / "gatecrier.yaml", {}).read(path, 10)


def test_the_limit_holds_for_what_was_read_under_another(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 11)
    reading = Reading(tmp_path / "gatecrier.yaml", {})
    reading.read(tmp_path / "a", 100)

    with pytest.raises(ValueError, match="more than 10 bytes"):
        reading.read(tmp_path / "a", 10)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="Is a directory"):
        Reading(tmp_path / "gatecrier.yaml", {}).read(tmp_path, 10)
