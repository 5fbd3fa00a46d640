"""What one process observes is counted in another: facts are written down, sent in batches, and told again there.

Rules:
(1) An observer is a class whose public methods take plain values (texts, numbers, enums, collections of them), at most
    one of them by keyword only, and return nothing. `forwarding` makes one that only writes down what it is told,
    `Replay` tells it to the one that counts. Which methods there are follows from that class; nobody keeps a list.
(2) Facts keep their order. None is lost while both processes live and the other takes them, but for the oldest beyond
    `KEPT`; what was written down and not yet sent goes with the process that dies.
(3) Writing down costs less than counting: nothing is looked up, nothing is encoded before it is sent.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Generic, TypeVar, cast, get_type_hints

import msgspec

BATCH = 4096
"""Facts that are sent together without being asked for."""
KEPT = 16 * BATCH
"""Facts that wait at most for a process that takes none: some 10 MiB."""
_T = TypeVar("_T")


def _methods(observer: type) -> Mapping[str, Callable[..., None]]:
    return {
        name: method for name, method in inspect.getmembers(observer, inspect.isfunction) if not name.startswith("_")
    }


class Facts:
    """What was written down and is still to be sent.

    Args:
        tell: Sends a batch; says whether that went.
    """

    def __init__(self, tell: Callable[[bytes], bool]) -> None:
        self._tell = tell
        self._facts: list[tuple[str, tuple[object, ...]]] = []

    def note(self, name: str, values: tuple[object, ...]) -> None:
        """Write a fact down."""
        self._facts.append((name, values))
        if len(self._facts) % BATCH == 0:
            self.send()
            del self._facts[: max(0, len(self._facts) - KEPT)]

    def send(self) -> None:
        """Send all that waits; it goes on waiting where nobody takes it."""
        if self._facts and self._tell(msgspec.msgpack.encode(self._facts)):
            self._facts = []


def forwarding(observer: type[_T], facts: Facts) -> _T:
    """An observer with the methods of this class that only writes down what it is told."""

    def noting(name: str) -> Callable[..., None]:
        def note(_self: object, *values: object, **named: object) -> None:
            facts.note(name, (*values, *named.values()))

        return note

    made = type(f"Forwarding{observer.__name__}", (), {name: noting(name) for name in _methods(observer)})
    return cast("_T", made())  # it has every method of the class, as `_methods` is what the class has


class Replay(Generic[_T]):
    """Tells facts again to the observer that counts.

    Args:
        observer: It.
    """

    def __init__(self, observer: _T) -> None:
        self._tell: dict[str, tuple[Callable[..., None], object, tuple[str, ...]]] = {}
        for name in _methods(type(observer)):
            method = getattr(observer, name)
            hints = get_type_hints(method)
            hints.pop("return", None)
            named = tuple(one.name for one in signature(method).parameters.values() if one.kind is one.KEYWORD_ONLY)
            self._tell[name] = method, tuple.__class_getitem__(tuple(hints.values())), named

    def tell(self, encoded: bytes) -> None:
        """Tell what `Facts` sent; raises msgspec.MsgspecError or KeyError where it is something else."""
        facts: Sequence[tuple[str, Sequence[object]]] = msgspec.msgpack.decode(
            encoded, type=list[tuple[str, list[object]]]
        )
        for name, values in facts:
            method, types, named = self._tell[name]
            told = msgspec.convert(values, types)
            plain = len(told) - len(named)
            method(*told[:plain], **dict(zip(named, told[plain:], strict=True)))
