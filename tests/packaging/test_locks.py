"""Newcomers come with pips of every age, on days when newer versions of everything have been published."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.packaging.locks import NEWER, PIPS, Locked, build_index, get_pip, read, resolve

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")
KNOWN = read(PIPS.read_text())
TAKES_EXTRAS_AS_THE_SAME = Version("23.3")
"""From this one on, pip knows that `coverage==7` pins `coverage[toml]`, too."""


@pytest.fixture
def pips(request: pytest.FixtureRequest) -> Path:
    """Where pips are kept between runs."""
    return request.config.cache.mkdir("pips")


def skip_if_it_does_not_run(pip: Locked) -> None:
    if not pip.is_for_this_python:
        pytest.skip(f"pip {pip.version} does not run on this Python ({pip.requirement.marker})")


def needed_for(name: str) -> set[str]:
    """This distribution and all that it requires."""
    names, ahead = set[str](), [name]
    while ahead:
        if (now := canonicalize_name(ahead.pop())) not in names:
            names.add(now)
            asked = map(Requirement, importlib.metadata.requires(now) or ())
            ahead += [one.name for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})]
    return names


def stripped_of_extras(lock: str) -> str:
    return re.sub(r"(?m)^([a-z0-9.-]+)\[[^]]+\]", r"\1", lock)


def locked_extras(lock: str) -> set[tuple[str, str]]:
    """Of this lock: name and extra."""
    return {(locked.requirement.name, extra) for locked in read(lock) for extra in locked.requirement.extras}


def wanted_extras(lock: str) -> set[tuple[str, str]]:
    """Of what is installed of this lock: name and extra of what it requires without being asked for extras itself."""
    wanted: set[tuple[str, str]] = set()
    for locked in read(lock):
        if locked.is_for_this_python:
            for text in importlib.metadata.requires(locked.requirement.name) or ():
                asked = Requirement(text)
                if asked.marker is None or asked.marker.evaluate({"extra": ""}):
                    wanted |= {(canonicalize_name(asked.name), extra) for extra in asked.extras}
    return wanted


@pytest.mark.parametrize("name", LOCKS)
@pytest.mark.parametrize("pip", KNOWN, ids=lambda pip: pip.version)
def test_every_pip_installs_what_is_locked_and_nothing_newer(
    pip: Locked, name: str, pips: Path, tmp_path: Path
) -> None:
    skip_if_it_does_not_run(pip)
    lock = build_index(tmp_path, (ROOT / name).read_text())
    done = resolve(get_pip(pip, pips), lock, tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    (told,) = re.findall(r"^Would install (.*)$", done.stdout, re.MULTILINE)
    assert len(told.split()) == len(read(lock))
    assert NEWER not in told


def test_an_extra_that_is_stripped_from_a_lock_is_noticed(pips: Path, tmp_path: Path) -> None:
    """The defect against which the locks keep their extras: an old pip takes the newest version of what has one."""
    oldest = KNOWN[0]
    skip_if_it_does_not_run(oldest)
    lock = build_index(tmp_path, (ROOT / "requirements-dev.lock").read_text(), needed_for("pytest-cov"))
    stripped = stripped_of_extras(lock)
    done = resolve(get_pip(oldest, pips), stripped, tmp_path)

    assert stripped != lock
    assert done.returncode != 0
    assert "coverage[toml]" in done.stderr


@pytest.mark.parametrize("name", LOCKS)
def test_every_extra_that_a_locked_package_wants_is_locked(name: str) -> None:
    """On every Python, whatever pip it can run."""
    lock = (ROOT / name).read_text()

    assert wanted_extras(lock) <= locked_extras(lock)
    assert not wanted_extras(lock) or not wanted_extras(lock) <= locked_extras(stripped_of_extras(lock))


def test_the_pips_are_known_by_hash_and_include_both_ends() -> None:
    versions = [Version(pip.version) for pip in KNOWN]

    assert all(len(pip.hashes) == 1 for pip in KNOWN)
    assert versions == sorted(versions)
    assert versions[0] < TAKES_EXTRAS_AS_THE_SAME <= versions[-2] < versions[-1]
    assert KNOWN[-1].is_for_this_python


def test_a_lock_is_read_with_extras_markers_and_hashes() -> None:
    (first, second) = read(
        "# about\nname[extra]==1.0 ; python_version < '3' \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
        "    # via other\nother==2.0 --hash=sha256:cc\n"
    )

    assert (first.requirement.extras, first.version, first.hashes) == ({"extra"}, "1.0", ("aa", "bb"))
    assert not first.is_for_this_python
    assert (second.version, second.hashes, second.is_for_this_python) == ("2.0", ("cc",), True)
