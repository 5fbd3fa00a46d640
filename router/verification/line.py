"""Who waits to have a question asked: requests, by namespace, and what each of them holds. Pure values.

A namespace has two rings of requests, one of them for dry runs; in each the one whose turn it is stands first. A
request has a lane for every registry that it asks.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T")

DRY_RUN_COST = 4
"""What a turn of a dry run costs, where that of another request costs one."""


@dataclass(frozen=True, slots=True, eq=False)
class Asker:
    """Who asks: one instance per request, and its identity is the request."""

    namespace: str
    is_dry_run: bool

    @property
    def cost(self) -> int:
        """What a turn costs."""
        return DRY_RUN_COST if self.is_dry_run else 1


@dataclass(eq=False, slots=True)
class Turn(Generic[T]):
    """A question in line, or under way."""

    asker: Asker
    registry: str
    question: T
    since: float = 0.0
    """When it got its turn, where it has one."""
    gave_way: int = 0
    """How often it made room although its registry was not silent."""


@dataclass(eq=False, slots=True)
class QueuedRequest(Generic[T]):
    """A request with questions."""

    asker: Asker
    lanes: OrderedDict[str, deque[Turn[T]]] = field(default_factory=OrderedDict)
    """What waits, by registry; the registry that is next stands first."""
    waiting: int = 0
    under_way: int = 0

    @property
    def load(self) -> int:
        """What its turns under way cost."""
        return self.under_way * self.asker.cost


Ring: TypeAlias = "OrderedDict[Asker, QueuedRequest[T]]"


@dataclass(eq=False, slots=True)
class NamespaceLine(Generic[T]):
    """A namespace with requests."""

    name: str
    ordinary: Ring[T] = field(default_factory=OrderedDict)
    dry_runs: Ring[T] = field(default_factory=OrderedDict)
    waiting: int = 0
    load: int = 0
    """What its turns under way cost."""
    debt: int = 0
    """How often it is passed over before its next turn."""
    favours: int = 0
    """Turns of others since the last one of a dry run."""

    def ring(self, asker: Asker) -> Ring[T]:
        """Where its requests of this kind are."""
        return self.dry_runs if asker.is_dry_run else self.ordinary

    def in_order(self) -> Iterator[QueuedRequest[T]]:
        """Its requests, the one whose turn it is first."""
        is_a_dry_runs_turn = self.favours >= DRY_RUN_COST
        yield from (self.dry_runs if is_a_dry_runs_turn else self.ordinary).values()
        yield from (self.ordinary if is_a_dry_runs_turn else self.dry_runs).values()
