"""What a fuzz target is: a reader of strangers' bytes, what real bytes look like, and what must hold of all others.

Of every input it must hold that the target raises nothing but what its reader says it raises, in bounded time. A target
that can prove something is given all that is proven of its corpus: whatever is accepted besides is a forgery.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

FOUND = Path(__file__).parent / "found"
"""Inputs that were once a finding, in a folder for each target; part of its corpus ever since."""
SECONDS = 5.0
"""Of one processor, for one input: real ones take milliseconds, and instrumented code ten times as long."""
SEPARATOR = b"\n~~\n"
"""Stands between the fields of an input."""


class FindingError(AssertionError):
    """Something that must hold does not."""


def framed(*fields: bytes) -> bytes:
    """Several fields as one input."""
    return SEPARATOR.join(fields)


def fields_of(data: bytes, count: int) -> tuple[bytes, ...]:
    """The fields of an input; those that are lacking are empty."""
    found = data.split(SEPARATOR, count - 1)
    return (*found, *[b""] * (count - len(found)))


@dataclass(frozen=True)
class Target:
    """One reader."""

    name: str
    run: Callable[[bytes], Iterable[Hashable]]
    """Reads an input; gives what it proves, where it can prove anything. Raises only what is expected."""
    expected: tuple[type[Exception], ...]
    """What the reader says that it raises."""
    made: Callable[[], Iterable[bytes]]
    """Makes the corpus of real inputs."""
    proves: bool = False
    """Whether it proves anything of real inputs."""
    less: Callable[[], Iterable[bytes]] = tuple
    """The same inputs without what nobody has to bring along: a log entry or timestamp that contradicts the rest may be
    left out by whoever pushes, and what is left is as good as if it had never been there."""

    @cached_property
    def corpus(self) -> tuple[bytes, ...]:
        """Real inputs, and what was found once."""
        found = sorted((FOUND / self.name).glob("*"))
        return tuple(dict.fromkeys([*self.made(), *(path.read_bytes() for path in found)]))

    @cached_property
    def proven(self) -> frozenset[Hashable]:
        """All that is proven of real inputs."""
        real = dict.fromkeys((*self.made(), *self.less()))
        return frozenset(proof for data in real for proof in self._accepted(data))

    def check(self, data: bytes) -> None:
        """Hold an input against what must hold.

        Raises:
            FindingError: It proves something that nobody signed, or takes too long.
            Exception: What nobody expected.
        """
        begin = time.process_time()
        accepted = self._accepted(data)
        seconds = time.process_time() - begin
        if seconds > SECONDS:
            raise FindingError(f"{self.name} took {seconds:.1f} s for {len(data)} bytes")
        if forged := [proof for proof in accepted if proof not in self.proven]:
            raise FindingError(f"{self.name} accepted what nobody signed: {forged!r}")

    def _accepted(self, data: bytes) -> tuple[Hashable, ...]:
        try:
            return tuple(self.run(data))
        except self.expected:
            return ()
