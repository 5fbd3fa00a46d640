"""A trusted root is taken from a real TUF repository, whoever serves it: what does not hold changes nothing."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from securesystemslib.signer import CryptoSigner

from router.errors import TrustRefreshError
from router.trust import keeping
from router.trust.downloads import LARGEST, Downloads
from router.trust.keeping import NothingKeptError, RepositoryAnswer, file_of, kept, recalled, renewed
from router.trust.kept import KeptRoot
from router.trust.updating import update
from router.verification.repositories import Repository
from tests.patience import PATIENCE
from tests.trust.repository import OwnRepository, Server, respelled, serving

DATA = Path(__file__).parent.parent / "data" / "keyless"
FIRST = (DATA / "trusted_root.json").read_bytes()
SECOND = respelled(FIRST)


@pytest.fixture
def own() -> OwnRepository:
    return OwnRepository(FIRST)


@pytest.fixture
async def server(own: OwnRepository) -> AsyncIterator[Server]:
    async with serving(own.files) as found:
        yield found


async def refreshed(repository: Repository, folder: Path, patience: float = PATIENCE) -> KeptRoot:
    loop = asyncio.get_running_loop()
    async with Downloads(repository.authorities, {}, loop.time() + patience) as downloads:
        return await asyncio.to_thread(update, repository, folder, downloads.get, loop)


async def refused(own: OwnRepository, server: Server, folder: Path, cause: str, words: str | None = None) -> None:
    """The refresh fails in this sense, and what was kept is what it was."""
    repository = own.known(server.url)
    path = file_of(folder, repository)
    before = path.read_bytes() if path.exists() else None
    with pytest.raises(TrustRefreshError, match=words) as failure:
        await refreshed(repository, folder)

    assert failure.value.cause == cause
    assert (path.read_bytes() if path.exists() else None) == before
    assert await asyncio.to_thread(os.listdir, folder) == ([path.name] if before is not None else [])


async def test_what_a_repository_holds_is_taken_kept_and_read_back(
    own: OwnRepository, server: Server, tmp_path: Path
) -> None:
    folder, repository = tmp_path / "trust", own.known(server.url)
    with pytest.raises(NothingKeptError, match="not there"):
        kept(folder, repository)
    found = await refreshed(repository, folder)

    assert found.body == FIRST
    assert kept(folder, repository) == found
    assert (folder.stat().st_mode & 0o077, file_of(folder, repository).stat().st_mode & 0o077) == (0, 0)


async def test_what_came_with_a_newer_package_counts_before_what_was_kept(
    own: OwnRepository, server: Server, tmp_path: Path
) -> None:
    repository = own.known(server.url)
    found = await refreshed(repository, tmp_path)

    assert renewed(tmp_path, repository) == found
    assert renewed(tmp_path, replace(repository, shipped_at=found.confirmed_at - 1.0)) == found
    assert renewed(tmp_path, replace(repository, shipped_at=found.confirmed_at + 1.0)) is None


async def test_a_new_root_takes_the_place_of_the_old_one_and_little_is_asked_where_nothing_is_new(
    own: OwnRepository, server: Server, tmp_path: Path
) -> None:
    repository = own.known(server.url)
    await refreshed(repository, tmp_path)
    server.asked.clear()
    again = await refreshed(repository, tmp_path)

    assert (again.body, server.asked) == (FIRST, ["2.root.json", "timestamp.json"])

    own.publish(SECOND)
    assert (await refreshed(repository, tmp_path)).body == SECOND
    assert kept(tmp_path, repository).body == SECOND


async def test_keys_of_the_root_may_be_replaced_and_the_chain_is_followed_from_the_beginning(
    own: OwnRepository, server: Server, tmp_path: Path
) -> None:
    for _ in range(3):
        own.turn_root_key()
    own.publish(SECOND)
    repository = own.known(server.url)
    await refreshed(repository, tmp_path)

    assert kept(tmp_path, repository).body == SECOND
    assert {f"root_history/{version}.root.json" for version in (2, 3, 4)} <= set(_said(tmp_path, repository).files)

    own.turn_root_key()
    assert (await refreshed(repository, tmp_path)).body == SECOND


async def test_a_root_that_its_predecessor_has_not_signed_is_refused(
    own: OwnRepository, server: Server, tmp_path: Path
) -> None:
    await refreshed(own.known(server.url), tmp_path)
    thief = CryptoSigner.generate_ecdsa()
    owner = own.signers["root"]
    own.signers["root"] = [thief]
    with own.edit_root() as root:
        root.revoke_key(owner[0].public_key.keyid, "root")
        root.add_key(thief.public_key, "root")

    await refused(own, server, tmp_path, "refused", "root was signed by 0/1 keys")


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
async def test_what_somebody_else_has_signed_is_refused(
    own: OwnRepository, server: Server, tmp_path: Path, role: str
) -> None:
    await refreshed(own.known(server.url), tmp_path)
    own.signers[role] = [CryptoSigner.generate_ecdsa()]
    own.publish(SECOND)

    await refused(own, server, tmp_path, "refused", f"{role} was signed by 0/1 keys")


async def test_an_older_state_that_is_replayed_is_refused(own: OwnRepository, server: Server, tmp_path: Path) -> None:
    before = dict(own.files)
    own.publish(SECOND)
    await refreshed(own.known(server.url), tmp_path)
    own.files.clear()
    own.files.update(before)

    await refused(own, server, tmp_path, "refused", "version")
    assert kept(tmp_path, own.known(server.url)).body == SECOND


async def test_an_older_root_that_is_replayed_under_a_higher_number_is_refused(
    own: OwnRepository, server: Server, tmp_path: Path
) -> None:
    own.turn_root_key()
    await refreshed(own.known(server.url), tmp_path)
    own.files["3.root.json"] = own.files["2.root.json"]

    await refused(own, server, tmp_path, "refused", "version")


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
async def test_a_repository_that_is_frozen_is_refused_once_its_word_has_run_out(
    own: OwnRepository, server: Server, tmp_path: Path, role: str
) -> None:
    await refreshed(own.known(server.url), tmp_path)
    own.lifetimes[role] = dt.timedelta(seconds=-1)
    if role == "root":
        with own.edit_root():
            pass
    own.publish(SECOND)

    await refused(own, server, tmp_path, "refused", "expired")


async def test_what_was_kept_counts_although_it_has_run_out(own: OwnRepository, server: Server, tmp_path: Path) -> None:
    """The package's root is older still, and a cluster that is cut off has no better one."""
    repository = own.known(server.url)
    await refreshed(repository, tmp_path)
    own.lifetimes["timestamp"] = own.lifetimes["targets"] = dt.timedelta(seconds=-1)
    own.publish(SECOND)
    said = _said(tmp_path, repository)
    newer = own.latest["targets"].to_bytes().decode()
    keeping.keep(
        file_of(tmp_path, repository),
        msgspec.structs.replace(
            said, files={**said.files, "targets.json": newer, "trusted_root.json": SECOND.decode()}
        ),
    )

    assert kept(tmp_path, repository).body == SECOND


@pytest.mark.parametrize("name", ["2.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json"])
async def test_data_without_end_are_read_up_to_a_limit(
    own: OwnRepository, server: Server, tmp_path: Path, name: str
) -> None:
    await refreshed(own.known(server.url), tmp_path)
    own.publish(SECOND)
    server.endless.add(name)

    await refused(own, server, tmp_path, "unreachable", f"more than {LARGEST} bytes")


async def test_data_that_come_slowly_are_waited_for_up_to_a_limit(
    own: OwnRepository, server: Server, tmp_path: Path
) -> None:
    server.slow.add("timestamp.json")
    with pytest.raises(TrustRefreshError, match=r"timestamp\.json did not come in time") as failure:
        await refreshed(own.known(server.url), tmp_path, patience=0.3)

    assert failure.value.cause == "unreachable"


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        ("timestamp.json", "HTTP 404"),
        ("2.snapshot.json", "HTTP 404"),
        ("2.targets.json", "HTTP 404"),
        ("targets/", "HTTP 404"),
    ],
)
async def test_what_is_missing_is_told(
    own: OwnRepository, server: Server, tmp_path: Path, lost: str, words: str
) -> None:
    await refreshed(own.known(server.url), tmp_path)
    own.publish(SECOND)
    for name in [name for name in own.files if name.startswith(lost)]:
        del own.files[name]

    await refused(own, server, tmp_path, "unreachable", words)


async def test_a_repository_without_a_trusted_root_is_refused(
    own: OwnRepository, server: Server, tmp_path: Path
) -> None:
    await refreshed(own.known(server.url), tmp_path)
    own.publish(None)

    await refused(own, server, tmp_path, "refused", r"no target trusted_root\.json")


@pytest.mark.parametrize("body", [b"{}", b"\xff\xfe", b"[" * 10_000, b"{", json.dumps({"mediaType": "x"}).encode()])
async def test_a_target_that_is_no_trusted_root_is_refused_and_the_one_before_is_kept(
    own: OwnRepository, server: Server, tmp_path: Path, body: bytes
) -> None:
    """Its own keepers have signed it: that does not make it one, and the old one goes on to count."""
    await refreshed(own.known(server.url), tmp_path)
    own.publish(body)

    await refused(own, server, tmp_path, "refused")
    assert kept(tmp_path, own.known(server.url)).body == FIRST


async def test_a_target_of_other_bytes_is_refused(own: OwnRepository, server: Server, tmp_path: Path) -> None:
    await refreshed(own.known(server.url), tmp_path)
    own.publish(SECOND)
    (name,) = [name for name, body in own.files.items() if body == SECOND]
    own.files[name] = SECOND.replace(b"rekor", b"rokor")

    await refused(own, server, tmp_path, "refused")


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b"\x80\x00", b'{"signed": 1}', b"[" * 10_000])
@pytest.mark.parametrize("name", ["2.root.json", "timestamp.json"])
async def test_garbage_is_refused(own: OwnRepository, server: Server, tmp_path: Path, name: str, body: bytes) -> None:
    await refreshed(own.known(server.url), tmp_path)
    own.files[name] = body

    await refused(own, server, tmp_path, "refused")


async def test_nobody_is_asked_where_nobody_may_be(own: OwnRepository, tmp_path: Path) -> None:
    """The metadata service of a cloud gives credentials away."""
    with pytest.raises(TrustRefreshError, match="never connect") as failure:
        await refreshed(own.known("http://169.254.169.254"), tmp_path)

    assert failure.value.cause == "unreachable"


async def test_more_than_is_kept_is_refused(
    own: OwnRepository, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "LIMIT", 1000)

    await refused(own, server, tmp_path, "refused", "more than 1000 bytes")


async def test_what_can_not_be_kept_does_not_count(own: OwnRepository, server: Server, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file in the folder's place")
    with pytest.raises(TrustRefreshError) as failure:
        await refreshed(own.known(server.url), tmp_path / "taken")

    assert failure.value.cause == "unkept"


def _said(folder: Path, repository: Repository) -> RepositoryAnswer:
    said = recalled(file_of(folder, repository))
    assert said is not None
    return said


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("trusted_root.json", lambda _: SECOND.decode()),
        ("trusted_root.json", None),
        ("targets.json", lambda text: text.replace('"length"', '"lengths"')),
        ("targets.json", None),
        ("root_history/2.root.json", lambda _: "{}"),
        ("root_history/2.root.json", lambda text: text.replace('"version":2', '"version":3')),
    ],
)
async def test_what_was_kept_is_not_believed_by_itself(
    own: OwnRepository, server: Server, tmp_path: Path, name: str, change: object
) -> None:
    own.turn_root_key()
    repository = own.known(server.url)
    await refreshed(repository, tmp_path)
    said = _said(tmp_path, repository)
    files = dict(said.files)
    if change is None:
        del files[name]
    else:
        assert callable(change)
        files[name] = change(files[name])
    keeping.keep(file_of(tmp_path, repository), msgspec.structs.replace(said, files=files))
    with pytest.raises(NothingKeptError):
        kept(tmp_path, repository)

    assert (await refreshed(repository, tmp_path)).body == FIRST


async def test_another_beginning_does_not_believe_what_was_kept_by_the_first(
    own: OwnRepository, server: Server, tmp_path: Path
) -> None:
    await refreshed(own.known(server.url), tmp_path)

    with pytest.raises(NothingKeptError):
        kept(tmp_path, OwnRepository(SECOND).known(server.url))


@pytest.mark.parametrize("size", [0, 1, 100, 5000])
async def test_a_file_that_was_torn_is_no_file(own: OwnRepository, server: Server, tmp_path: Path, size: int) -> None:
    repository = own.known(server.url)
    await refreshed(repository, tmp_path)
    path = file_of(tmp_path, repository)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(NothingKeptError, match="can't be read"):
        kept(tmp_path, repository)

    assert (await refreshed(repository, tmp_path)).body == FIRST


def test_names_that_lead_elsewhere_are_not_followed(tmp_path: Path) -> None:
    """Whoever can write the file must not write others through us."""
    (desk := tmp_path / "desk").mkdir()
    RepositoryAnswer(0.0, {"../stolen.json": "{}", "/stolen.json": "{}", "root_history/../x.json": "{}"}).put_into(desk)

    assert sorted(one.name for one in tmp_path.rglob("*")) == ["desk", "root_history"]
