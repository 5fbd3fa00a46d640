"""What the settings of every scheme have, so that nobody needs to know which schemes there are. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BeforeValidator

from router.fields import Name, SettingsModel
from router.verification.anchors import Anchor
from router.verification.combination import Combination
from router.verification.outside import NOTHING_KNOWN, Outside
from router.verification.repositories import Repository
from router.verification.scheme import AnyScheme, Demands
from router.verification.trust_roots import RootSource, TrustRootSettings

BUILT_IN_RULINGS: Mapping[str, bool] = {"allow": True, "deny": False}
"""Verifiers that every configuration has, and whether they let every image pass; nobody can give these names another
meaning."""


def _not_built_in(value: object) -> object:
    if isinstance(value, str) and value in BUILT_IN_RULINGS:
        raise ValueError(f'"{value}" is built in and can not be defined again; choose another name')
    return value


VerifierName = Annotated[Name, BeforeValidator(_not_built_in)]
"""A name for a verifier; those that are built in are taken."""


@dataclass(frozen=True, slots=True)
class _AnySigner:
    """Demands that one signature by anybody who is trusted meets."""

    threshold: int | None = None
    required: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)


ANY_SIGNER: Demands = _AnySigner()
"""What is asked of a verifier that a rule asks nothing more of, and of the members of combined ones."""


def annotated(demands: Demands) -> str:
    """What a signature must say besides, in words that follow what is wanted; empty where nothing."""
    return "".join(f', annotated {name}="{value}"' for name, value in demands.annotations.items())


@dataclass(frozen=True, slots=True)
class DeclaredSigner:
    """Somebody whom rules may ask for."""

    name: str
    who: str
    """What is the same for the same signer."""
    kind: Literal["key", "identity"]
    place: tuple[str | int, ...]
    """Where it stands beneath its verifier."""


@dataclass(frozen=True, slots=True)
class Demandable:
    """Whom a rule may ask for by name (`required`), and who counts towards its `threshold`."""

    keys: tuple[str, ...] = ()
    identities: tuple[str, ...] = ()
    authorities: tuple[str, ...] = ()
    """Those who vouch for signers whom nobody has named: how many those are is not known."""

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys((*self.keys, *self.identities, *self.authorities)))

    def and_also(self, other: Demandable) -> Demandable:
        """Those of both."""
        return Demandable(
            self.keys + other.keys, self.identities + other.identities, self.authorities + other.authorities
        )


class SchemeSettings(SettingsModel, ABC):
    """One verifier: what rules call it, and how it proves."""

    name: VerifierName
    """What rules call this verifier."""

    @abstractmethod
    def scheme(self, outside: Outside = NOTHING_KNOWN) -> AnyScheme | Combination:
        """What proves by these settings, by what is known of the outside.

        Raises:
            ConfigurationError: A file was not read.
        """

    @abstractmethod
    def wants(self, demands: Demands) -> str:
        """What a rule wants, in words that follow "wants": `a signature by key "release"`."""

    def bind(self, roots: Sequence[TrustRootSettings], verifiers: Sequence[SchemeSettings] = ()) -> None:
        """Look up what the verifier names of the rest of the configuration; what is not there is told elsewhere."""

    @property
    def root_source(self) -> RootSource | None:
        """Where the trusted root stands that it uses; None where it uses none."""
        return None

    @property
    def named_root(self) -> str | None:
        """The name of the trust root that it is to use; None where it names none."""
        return None

    @property
    def demandable(self) -> Demandable:
        """Whom rules may ask for, as far as these settings name them."""
        return Demandable()

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        """What it trusts by itself, beside its trusted root."""
        return ()

    @property
    def signers(self) -> tuple[DeclaredSigner, ...]:
        """Each signer, in the order of the configuration.

        Raises:
            ConfigurationError: A file was not read.
        """
        return ()

    @property
    def caution(self) -> tuple[str, str] | None:
        """A key of these settings, and what is dangerous about what it says; None where nothing is."""
        return None

    @property
    def ruling(self) -> bool | None:
        """Whether every image passes unseen (True) or none (False); None where evidence decides."""
        return None


def repositories_of(verifiers: Iterable[SchemeSettings]) -> tuple[Repository, ...]:
    """From where trusted roots that verifiers use are renewed, each once."""
    found = (each.root_source.repository for each in verifiers if each.root_source is not None)
    return tuple({one.id: one for one in found if one is not None}.values())
