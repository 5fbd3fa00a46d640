"""A renewed root is a new generation of what is in force, for whoever needs it."""

from __future__ import annotations

from pathlib import Path

from router.assembly.in_force import GATE, KEEPER, InForce, in_force_from, take, with_held, with_root
from router.assembly.messages import RefreshedRoot
from router.certificates.making import HeldCertificate, make
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

    await take(RefreshedRoot(repository.id, b"new"), before, bring)
    await take(RefreshedRoot("another", b"new"), before, bring)

    assert asked == [2]


def managed(folder: Path) -> InForce:
    own = Place(folder, kubernetes={})
    own.write(webhook={"listen": "127.0.0.1:8443", "tls": "managed"})
    return in_force_from(load(own.config, {}), None)


def held() -> HeldCertificate:
    return make(["gatecrier.gatecrier.svc"], 0.0)


def test_until_a_managed_certificate_comes_one_is_shown_that_nobody_trusts(tmp_path: Path) -> None:
    before, found = managed(tmp_path), held()
    after = with_held(before, found)

    assert before.is_awaiting
    assert before.parts[GATE].pair is not None
    assert after is not None
    assert not after.is_awaiting
    assert after.parts[GATE].pair == found.pair
    assert after.parts[KEEPER].held == found
    assert after.generation == before.generation + 1
    assert with_held(after, found) is None


def test_a_managed_certificate_outlives_a_reload_and_nothing_else(tmp_path: Path) -> None:
    found = held()
    own = Place(tmp_path, kubernetes={})
    own.write(webhook={"listen": "127.0.0.1:8443", "tls": "managed"})
    after = with_held(in_force_from(load(own.config, {}), None), found)
    assert in_force_from(load(own.config, {}), after).parts[GATE].pair == found.pair

    own.write(webhook={"listen": "127.0.0.1:8443", "tls": "self-signed"})
    other = in_force_from(load(own.config, {}), after)
    assert other.parts[GATE].pair not in (None, found.pair)
    assert with_held(other, found) is None

    own.write(webhook={"listen": "127.0.0.1:8443", "tls": "managed"})
    again = in_force_from(load(own.config, {}), other)
    assert again.is_awaiting
    assert again.parts[GATE].pair == other.parts[GATE].pair  # whoever trusts it goes on to


async def test_a_managed_certificate_is_brought_as_a_configuration_is(tmp_path: Path) -> None:
    before, found, brought = managed(tmp_path), held(), list[InForce]()

    async def bring(configured: InForce) -> None:
        brought.append(configured)

    await take(found, before, bring)
    await take(found, brought[0], bring)

    assert [one.held for one in brought] == [found]
