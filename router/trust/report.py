"""What is known of trusted roots now, for people: `gatecrier trust show`.

A root of a repository is what was kept of it, where that holds and is newer than what came with the package: the same
that a keeper would tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from router.trust import keeping
from router.verification.anchors import Anchor, anchors_of
from router.verification.settings import SchemeSettings
from router.verification.sigstore.trusted_root import TrustedRoot, read_trusted_root
from router.verification.trust_roots import RootSource, TrustRootSettings

TrustOrigin: TypeAlias = Literal["file", "shipped", "repository", "nowhere"]
"""Where what is known comes from: a file, this package, a repository (its last word was kept), or nothing is known."""


@dataclass(frozen=True, slots=True)
class RootReport:
    """One trusted root."""

    name: str
    """What the operator calls it, or the path of the file that only one verifier uses."""
    origin: TrustOrigin
    address: str
    """The path of the file, or the address of the repository."""
    id: str | None
    """SHA-256 of its content in one spelling; None where nothing is known."""
    since: float | None
    """When it was confirmed last, or was current as far as the package knows, in Unix time; None: nobody says."""
    until: float | None
    """Until when the repository's word for it holds, in Unix time; None: it names no end."""
    used_by: tuple[str, ...]
    """Verifiers."""
    holds: tuple[Anchor, ...]

    @property
    def is_missing(self) -> bool:
        """Whether somebody needs it and it is not known."""
        return bool(self.used_by) and self.id is None


def root_reports(
    roots: Sequence[TrustRootSettings], verifiers: Sequence[SchemeSettings], folder: Path
) -> tuple[RootReport, ...]:
    """Every root that has a name or is used, by name."""
    named = {root.name: root.source for root in roots}
    users: dict[str, list[str]] = {name: [] for name in named}
    for verifier in verifiers:
        if (source := verifier.root_source) is not None:
            name = _name(source, named)
            named.setdefault(name, source)
            users.setdefault(name, []).append(verifier.name)
    return tuple(_report(name, named[name], tuple(users[name]), folder) for name in sorted(named))


def _name(source: RootSource, named: dict[str, RootSource]) -> str:
    if source.repository is not None:
        return source.repository.name
    return next((name for name, one in named.items() if one == source), source.written)


def _report(name: str, source: RootSource, used_by: tuple[str, ...], folder: Path) -> RootReport:
    origin: TrustOrigin = "file" if source.repository is None else "shipped" if source.root is not None else "nowhere"
    root, since, until = source.root, None, None
    if (repository := source.repository) is not None:
        since = repository.shipped_at
        if (kept := keeping.renewed(folder, repository)) is not None:
            root, origin = read_trusted_root(kept.body), "repository"
            since, until = kept.confirmed_at, kept.expires_at
    return RootReport(name, origin, source.written, _id(root), since, until, used_by, _holds(root))


def _id(root: TrustedRoot | None) -> str | None:
    return None if root is None else root.id


def _holds(root: TrustedRoot | None) -> tuple[Anchor, ...]:
    return () if root is None else anchors_of(root)
