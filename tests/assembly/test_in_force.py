"""A renewed root is a new generation of what is in force, for whoever needs it."""

from __future__ import annotations

from pathlib import Path

from router.assembly.in_force import GATE, KEEPER, InForce, in_force_from, take_root, with_root
from router.assembly.messages import RefreshedRoot
from router.errors import ConfigurationError
from router.settings.loading import load
from tests.assembly.small import Place
from tests.trust.repository import OwnRepository

NAMES = {"name": "names", "kind": "cosign", "keyless": [{"name": "a", "issuer": "i", "subject": "s"}]}


def place(folder: Path) -> Place:
    (folder / "root.json").write_bytes(OwnRepository(None).beginning)
    root = {"name": "own", "tuf": {"url": "https://tuf.example", "root": "root.json"}}
    return Place(folder, trust_roots=[root], verifiers=[NAMES | {"trust_root": "own"}])


def in_force(folder: Path) -> InForce:
    return in_force_from(load(place(folder).config, {}), None)


def test_a_renewed_root_reaches_whoever_judges_with_a_new_number(tmp_path: Path) -> None:
    before = in_force(tmp_path)
    (repository,) = before.parts[KEEPER].repositories
    after = with_root(before, RefreshedRoot(repository.id, b"new"))

    assert after is not None
    assert (before.roots, after.roots) == ({}, {repository.id: b"new"})
    assert (after.generation, after.parts[KEEPER].generation) == (2, 2)
    assert after.parts[GATE].part == before.parts[GATE].part
    assert after.parts[GATE].repositories == ()


def test_the_same_root_and_one_that_nobody_needs_change_nothing(tmp_path: Path) -> None:
    before = in_force(tmp_path)
    (repository,) = before.parts[KEEPER].repositories
    after = with_root(before, RefreshedRoot(repository.id, b"new"))

    assert after is not None
    assert with_root(after, RefreshedRoot(repository.id, b"new")) is None
    assert with_root(before, RefreshedRoot("another", b"new")) is None


def test_a_reload_keeps_what_is_known_of_repositories_that_are_still_needed(tmp_path: Path) -> None:
    own = place(tmp_path)
    before = in_force_from(load(own.config, {}), None)
    (repository,) = before.parts[KEEPER].repositories
    after = with_root(before, RefreshedRoot(repository.id, b"new"))
    assert after is not None

    assert in_force_from(load(own.config, {}), after).roots == {repository.id: b"new"}

    own.write(verifiers=[NAMES])
    assert in_force_from(load(own.config, {}), after).roots == {}


async def test_a_root_that_somebody_can_not_take_leaves_everything_as_it_was(tmp_path: Path) -> None:
    before = in_force(tmp_path)
    (repository,) = before.parts[KEEPER].repositories
    asked: list[int] = []

    async def bring(configured: InForce) -> None:
        asked.append(configured.generation)
        raise ConfigurationError("a gate can't use it")

    await take_root(RefreshedRoot(repository.id, b"new"), before, bring)
    await take_root(RefreshedRoot("another", b"new"), before, bring)

    assert asked == [2]
