"""What one process observes is counted in another: facts are written down, sent in batches, and played there.

Rules:
(1) An observer is a class whose public methods take plain values (texts, numbers, enums, collections of them) and
    return nothing. `forwarding` makes one that only writes down what it observes, `Replay` plays it to the one that
    counts. Which methods there are, and what they take, follows from that class; nobody keeps a list.
(2) Facts keep their order. None is lost while both processes live and the other takes them, but for the oldest beyond
    `KEPT`; what was written down and not yet sent goes with the process that dies.
(3) Writing down costs less than counting: nothing is looked up, nothing is encoded before it is sent. A batch is read
    in one go, each fact into the type that its method has.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from typing import Generic, TypeVar, Union, cast, get_type_hints

import msgspec

BATCH = 4096
"""Facts that are sent together without being asked for."""
KEPT = 16 * BATCH
"""Facts that wait at most for a process that takes none: some 10 MiB."""
_T = TypeVar("_T")
_encode = msgspec.msgpack.Encoder().encode


class Observations:
    """What was written down and is still to be sent.

    Args:
        take: Sends a batch; says whether that went.
    """

    def __init__(self, take: Callable[[bytes], bool]) -> None:
        self._take = take
        self._facts: list[msgspec.Struct] = []

    def note(self, fact: msgspec.Struct) -> None:
        """Write a fact down."""
        self._facts.append(fact)
        if len(self._facts) % BATCH == 0:
            self.send()
            del self._facts[: max(0, len(self._facts) - KEPT)]

    def send(self) -> None:
        """Send all that waits; it goes on waiting where nobody takes it."""
        if self._facts and self._take(_encode(self._facts)):
            self._facts = []


def forwarding(observer: type[_T], facts: Observations) -> _T:
    """An observer with the methods of this class that only writes down what it observes."""

    def noting(kind: type[msgspec.Struct]) -> Callable[..., None]:
        def note(_self: object, *values: object, **named: object) -> None:
            facts.note(kind(*values, **named))

        return note

    made = type(
        f"Forwarding{observer.__name__}",
        (),
        {name: noting(kind) for name, kind in _kinds(cast("type", observer)).items()},
    )
    return cast("_T", made())  # it has every method of the class, as `_kinds` is made of what the class has


class Replay(Generic[_T]):
    """Plays facts to the observer that counts.

    Args:
        observer: It.
    """

    def __init__(self, observer: _T) -> None:
        kinds = _kinds(cast("type", type(observer)))
        self._calls = {kind: _calling(getattr(observer, name)) for name, kind in kinds.items()}
        self._decode = msgspec.msgpack.Decoder(list[Union[tuple(kinds.values())]]).decode  # type: ignore[misc]  # noqa: UP007 - a union that is made here

    def play(self, encoded: bytes) -> None:
        """Call what `Observations` sent; raises msgspec.MsgspecError where it is something else."""
        for fact in self._decode(encoded):
            self._calls[type(fact)](fact)


@functools.cache
def _kinds(observer: type) -> Mapping[str, type[msgspec.Struct]]:
    """For each method of the class a kind of fact that holds what it is told; made once in a process and its forks."""
    methods = inspect.getmembers(observer, inspect.isfunction)
    return {name: _kind(name, method) for name, method in methods if not name.startswith("_")}


def _kind(name: str, method: Callable[..., None]) -> type[msgspec.Struct]:
    hints = get_type_hints(method)
    hints.pop("return", None)
    return msgspec.defstruct(name, list(hints.items()), tag=name, array_like=True, frozen=True, gc=False)


def _calling(method: Callable[..., None]) -> Callable[[msgspec.Struct], None]:
    parameters = signature(method).parameters.values()
    plain = [one.name for one in parameters if one.kind is not Parameter.KEYWORD_ONLY]
    named = [one.name for one in parameters if one.kind is Parameter.KEYWORD_ONLY]

    def call(fact: msgspec.Struct) -> None:
        method(*[getattr(fact, name) for name in plain], **{name: getattr(fact, name) for name in named})

    return call
