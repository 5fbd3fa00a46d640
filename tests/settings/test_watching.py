from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from router.settings.reading import LARGEST
from router.settings.snapshot import Reading
from router.settings.watching import FileWatch, watch


def read(*paths: Path) -> Mapping[Path, bytes | None]:
    """What a reading of these files says of them."""
    reading = Reading(paths[0], {})
    for path in paths:
        with contextlib.suppress(OSError, ValueError):
            reading.read(path, LARGEST)
    return reading.watched


def config_map(folder: Path, name: str, content: str) -> Path:
    """A file as Kubernetes mounts a ConfigMap: FILE -> ..data/FILE, ..data -> a folder with the time as its name."""
    generation = folder / f"..{name}"
    generation.mkdir(parents=True)
    (generation / "gatecrier.yaml").write_text(content)
    fresh = folder / "..data_tmp"
    fresh.symlink_to(generation.name)
    fresh.replace(folder / "..data")
    file = folder / "gatecrier.yaml"
    if not file.is_symlink():
        file.symlink_to("..data/gatecrier.yaml")
    return file


def test_another_content_is_one_change(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("one")
    watched = FileWatch(read(file))
    file.write_text("two!")

    assert [watched.changed(), watched.changed()] == [True, False]


def test_a_content_of_the_same_size_and_time_is_a_change_when_the_inode_says_so(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("one")
    before = file.stat()
    watched = FileWatch(read(file))
    other = tmp_path / "b"
    other.write_text("two")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(file)

    assert watched.changed()


def test_a_touched_file_is_no_change(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("one")
    watched = FileWatch(read(file))
    os.utime(file, ns=(1, 1))

    assert not watched.changed()


def test_coming_and_going_are_changes(tmp_path: Path) -> None:
    """A refused configuration may name a file that is made afterwards."""
    file = tmp_path / "a"
    watched = FileWatch(read(file))
    file.write_text("one")
    came = watched.changed()
    file.unlink()

    assert (came, watched.changed(), watched.changed()) == (True, True, False)


def test_the_swap_of_a_config_map_is_a_change(tmp_path: Path) -> None:
    file = config_map(tmp_path, "2026_01", "one")
    watched = FileWatch(read(file))
    config_map(tmp_path, "2026_02", "two")

    assert [watched.changed(), watched.changed()] == [True, False]


def test_a_swap_to_the_same_content_is_none(tmp_path: Path) -> None:
    file = config_map(tmp_path, "2026_01", "one")
    watched = FileWatch(read(file))
    config_map(tmp_path, "2026_02", "one")

    assert not watched.changed()


@pytest.mark.parametrize("kind", ["folder", "pipe", "circle"])
def test_what_is_no_file_neither_breaks_nor_blocks_the_watch(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a"
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case _:
            path.symlink_to(path)
    watched = FileWatch(read(path))

    assert not watched.changed()


def test_a_change_between_reading_and_watching_is_not_missed(tmp_path: Path) -> None:
    """It would be in force nowhere, and nobody would be told."""
    file = tmp_path / "a"
    file.write_text("as it was read")
    as_read = read(file)
    file.write_text("edited meanwhile")

    assert FileWatch(as_read).changed()


def test_a_change_during_a_reload_is_not_missed(tmp_path: Path) -> None:
    kept, new = tmp_path / "kept", tmp_path / "new"
    kept.write_text("one")
    watched = FileWatch(read(kept))
    kept.write_text("two!")
    watched.follow(read(kept, new))

    assert watched.changed()


class Script:
    """Virtual time: does what is written for each sleep, then ends the watch."""

    def __init__(self, *steps: str) -> None:
        self.steps = list(steps)
        self.file = Path()
        self.reloads: list[int] = []
        self.slept: list[float] = []
        self.next_files: Sequence[Path] = ()

    async def sleep(self, seconds: float) -> None:
        """Pass the time, and write what stands for this moment."""
        if len(self.slept) == len(self.steps):
            raise asyncio.CancelledError
        content = self.steps[len(self.slept)]
        self.slept.append(seconds)
        if content:
            self.file.write_text(content)

    async def reload(self) -> Mapping[Path, bytes | None]:
        """Note after how many sleeps it was called."""
        self.reloads.append(len(self.slept))
        return read(*self.next_files)

    async def run(self, file: Path) -> None:
        """Watch until the script ends."""
        self.file = file
        self.next_files = self.next_files or [file]
        with pytest.raises(asyncio.CancelledError):
            await watch(read(file), self.reload, sleep=self.sleep, every=2.0)


async def test_a_change_is_told_when_it_has_come_to_rest(tmp_path: Path) -> None:
    """Half of a policy may be a valid one: a file that is still being written is waited for."""
    script = Script("", "half", "whole", "", "", "")
    (tmp_path / "a").write_text("old")
    await script.run(tmp_path / "a")

    assert script.reloads == [4]
    assert script.slept == [2.0, 2.0, 1.0, 1.0, 2.0, 2.0]


async def test_the_files_of_the_new_configuration_are_watched(tmp_path: Path) -> None:
    script = Script("new", "", "again", "", "")
    other = tmp_path / "b"
    other.write_text("unwatched")
    script.next_files = [other]
    await script.run(tmp_path / "a")

    assert script.reloads == [2]
