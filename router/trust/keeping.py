"""A trusted root that was taken from a repository, as it is kept on the disk, and read back without believing it.

It is one file, `trust/NAME.json` beside the outbox, NAME being that of the root: whatever the repository said, and when
that was last confirmed. A new one takes the old one's place as a whole, and only when all of it is good. What is read
back counts as far as a chain of signatures leads to it:

(1) Root metadata, from the beginning that came with package or configuration, version by version, each signed by enough
    keys of the one before and of its own (TUF specification 1.0, clause 5.3).
(2) Metadata of targets, signed as the last root says.
(3) `trusted_root.json` has the length and the hashes that stand there, and is a trusted root.

Not asked is whether any of it has expired: it was confirmed when it was kept, and what is older than it would be worse.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Targets

from router.trust.kept import KeptRoot
from router.verification.repositories import Repository
from router.verification.settings import SchemeSettings, repositories_of
from router.verification.sigstore.trusted_root import UnusableRootError, read_trusted_root
from router.verification.trust_roots import Roots
from router.whole_files import write_whole

TARGET = "trusted_root.json"
ROTATIONS = 256
"""Versions of root metadata that are followed from the beginning."""
LIMIT = 8 * 2**20
"""Bytes of the file."""
_PRIVATE = 0o700
_NAMES = re.compile(r"(?:root_history/[1-9][0-9]{0,8}\.root|timestamp|snapshot|targets|trusted_root)\.json", re.ASCII)


class RepositoryAnswer(msgspec.Struct, frozen=True):
    """What a repository said."""

    confirmed_at: float
    """When it said so last, in Unix time in seconds."""
    files: Mapping[str, str]
    """Its files, by where python-tuf's client puts them."""

    @classmethod
    def in_folder(cls, folder: Path, confirmed_at: float) -> RepositoryAnswer:
        """What python-tuf's client has put there."""
        found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.json"))}
        return cls(confirmed_at, {name: path.read_text() for name, path in found.items() if _NAMES.fullmatch(name)})

    def put_into(self, folder: Path) -> None:
        """Put it where python-tuf's client looks for it."""
        (folder / "root_history").mkdir()
        for name, text in self.files.items():
            if _NAMES.fullmatch(name):
                (folder / name).write_text(text)


class NothingKeptError(Exception):
    """Nothing that counts is kept; the text says why."""


def file_of(folder: Path, repository: Repository) -> Path:
    """Where it is kept."""
    return folder / f"{repository.name}.json"


def recalled(path: Path) -> RepositoryAnswer | None:
    """What was kept, believed or not; None where there is nothing that can be read."""
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(LIMIT), type=RepositoryAnswer)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def keep(path: Path, said: RepositoryAnswer) -> None:
    """Keep it in place of what was there.

    Raises:
        OSError: It can't be written; then nothing has changed.
        NothingKeptError: It is too large; the same.
    """
    body = msgspec.json.encode(said)
    if len(body) > LIMIT:
        raise NothingKeptError(f"all that the repository says has more than {LIMIT} bytes")
    path.parent.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    write_whole(path, body)


def believed(said: RepositoryAnswer, repository: Repository) -> KeptRoot:
    """The trusted root, where a chain of signatures leads to it; raises NothingKeptError."""
    try:
        root = _root(said, repository)
        metadata = Metadata[Targets].from_bytes(_file(said, "targets.json"))
        root.verify_delegate(Targets.type, metadata.signed_bytes, metadata.signatures)
        if (target := metadata.signed.targets.get(TARGET)) is None:
            raise NothingKeptError(f"the repository has no {TARGET}")
        body = _file(said, TARGET)
        target.verify_length_and_hashes(body)
        read_trusted_root(body)
    except (RepositoryError, UnusableRootError, ValueError) as error:
        raise NothingKeptError(f"it does not hold: {error}") from error
    return KeptRoot(body, said.confirmed_at, metadata.signed.expires.timestamp())


def kept(folder: Path, repository: Repository) -> KeptRoot:
    """What is kept of a repository; raises NothingKeptError."""
    said = recalled(path := file_of(folder, repository))
    if said is None:
        raise NothingKeptError(f"{path} is not there, or can't be read")
    return believed(said, repository)


def renewed(folder: Path, repository: Repository) -> KeptRoot | None:
    """What is kept of it, where that holds and is newer than what came with the package, as a keeper has it."""
    try:
        found = kept(folder, repository)
    except NothingKeptError:
        return None
    return found if found.confirmed_at > (repository.shipped_at or 0.0) else None


def renewed_roots(folder: Path, verifiers: Iterable[SchemeSettings]) -> Roots:
    """What the repositories that verifiers use are known to hold, where that was kept."""
    found = {repository.id: renewed(folder, repository) for repository in repositories_of(verifiers)}
    return {id_: read_trusted_root(one.body) for id_, one in found.items() if one is not None}


def _root(said: RepositoryAnswer, repository: Repository) -> Root:
    beginning = Metadata[Root].from_bytes(repository.root)
    root = beginning.signed
    root.verify_delegate(Root.type, beginning.signed_bytes, beginning.signatures)
    for version in range(root.version + 1, root.version + ROTATIONS + 1):
        if (name := f"root_history/{version}.root.json") not in said.files:
            break
        following = Metadata[Root].from_bytes(_file(said, name))
        for voucher in (root, following.signed):
            voucher.verify_delegate(Root.type, following.signed_bytes, following.signatures)
        if following.signed.version != version:
            raise NothingKeptError(f"{name} is of another version")
        root = following.signed
    return root


def _file(said: RepositoryAnswer, name: str) -> bytes:
    if (text := said.files.get(name)) is None:
        raise NothingKeptError(f"{name} is missing")
    return text.encode()
