"""Locks, pips of several ages, and a small index to resolve the former with the latter.

1. A lock is read line by line: requirement, marker, hashes (pip's format, continued lines joined).
2. The index, a folder with a page for each distribution (PEP 503), holds two stub wheels of each that is locked:
   without content, with the true metadata of the installed one as far as pip resolves by it, once in the locked version
   and once in `NEWER`. So whatever a lock leaves open is taken from `NEWER`, as it will be on the day on which that is
   published.
3. A copy of the lock names the stubs' hashes in place of the true ones.
4. A pip comes from the package index once, held against its hash in `pips.lock`. It is unpacked, not installed, and
   stays in the cache of pytest under that hash.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.surroundings import outside

NEWER = "999.0"
PIPS = Path(__file__).with_name("pips.lock")
RESOLVED_BY = ("Requires-Dist", "Provides-Extra")


@dataclass(frozen=True, slots=True)
class Locked:
    """One line of a lock."""

    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def version(self) -> str:
        """The one that is locked."""
        (pinned,) = self.requirement.specifier
        return pinned.version

    @property
    def is_for_this_python(self) -> bool:
        """Whether its marker holds here."""
        return self.requirement.marker is None or self.requirement.marker.evaluate()


def read(text: str) -> list[Locked]:
    """All lines of a lock."""
    lines = re.sub(r"(?m)^\s*#.*$", "", text).replace("\\\n", " ").splitlines()
    found = []
    for line in filter(str.strip, lines):
        requirement, *hashes = re.split(r"\s--hash=sha256:", line)
        found.append(Locked(Requirement(requirement), tuple(text.strip() for text in hashes)))
    return found


def stub(folder: Path, name: str, version: str, about: list[tuple[str, str]]) -> str:
    """Write a wheel that holds metadata and nothing else, and put it on the page of its name; returns its hash."""
    page = folder / canonicalize_name(name) / "index.html"
    page.parent.mkdir(exist_ok=True)
    stem = f"{canonicalize_name(name).replace('-', '_')}-{version}"
    metadata = [("Metadata-Version", "2.1"), ("Name", name), ("Version", version), *about]
    path = page.with_name(f"{stem}-py3-none-any.whl")
    with page.open("a") as links:
        links.write(f'<a href="{path.name}">{path.name}</a>\n')
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{stem}.dist-info/METADATA", "".join(f"{key}: {value}\n" for key, value in metadata))
        wheel.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{stem}.dist-info/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def build_index(folder: Path, lock: str, only: Container[str] | None = None) -> str:
    """Make stubs of all that this lock installs here, or of these only; returns a lock of them with their hashes.

    Raises:
        ValueError: What is installed is not what is locked.
    """
    lines = []
    for locked in read(lock):
        name = locked.requirement.name
        if not locked.is_for_this_python or (only is not None and name not in only):
            continue
        installed = importlib.metadata.metadata(name)
        if installed["Version"] != locked.version:
            raise ValueError(f"{name} is locked at {locked.version}, but {installed['Version']} is installed")
        about = [(key, value) for key in RESOLVED_BY for value in installed.get_all(key, [])]
        digest = stub(folder, name, locked.version, about)
        stub(folder, name, NEWER, about)
        lines.append(f"{locked.requirement} --hash=sha256:{digest}\n")
    return "".join(lines)


def get_pip(locked: Locked, cache: Path) -> Path:
    """A folder with this pip, to be put on Python's path."""
    (digest,) = locked.hashes
    kept = cache / digest
    if kept.exists():
        return kept
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        asked = Path(folder, "requirements.txt")
        asked.write_text(f"pip=={locked.version} --hash=sha256:{digest}\n")
        command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download", "--dest", folder]
        options = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement", str(asked)]
        subprocess.run([*command, *options], env=outside(), check=True, timeout=300)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as opened:
            opened.extractall(Path(folder, "pip"))
        with contextlib.suppress(OSError):  # another worker was faster
            Path(folder, "pip").rename(kept)
    return kept


def resolve(pip: Path, lock: str, index: Path) -> subprocess.CompletedProcess[str]:
    """What this pip would install for this lock, if nothing was installed yet."""
    path = index / f"{os.getpid()}.lock"
    path.write_text(lock)
    command = [sys.executable, "-I", str(pip / "pip"), "--isolated", "--disable-pip-version-check", "--no-cache-dir"]
    options = ["--dry-run", "--ignore-installed", "--require-hashes", "--index-url", index.as_uri()]
    return subprocess.run(
        [*command, "install", *options, "--requirement", str(path)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
