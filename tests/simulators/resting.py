"""API servers that many tests share rest while none of these tests runs.

One that nobody asks still looks after itself: leases, watches, queues and garbage, for a twentieth of a processor with
controllers, as long as a run of all tests takes. So its programs are stopped after a test unless the next one asks for
it, and go on before one that does. They are not ended: who takes over tests of others may ask for it again, and a start
takes longer than most of these tests. For the programs it is as if the machine had slept.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator

from tests.simulators.kube_apiserver import ApiServer

_awake: dict[str, ApiServer] = {}
_asleep: dict[str, ApiServer] = {}
"""By the fixtures that they are."""


@contextlib.contextmanager
def shared(fixture: str, server: ApiServer) -> Iterator[None]:
    """While this is entered, the server that is this fixture rests when no test asks for it."""
    _awake[fixture] = server
    try:
        yield
    finally:
        wake([fixture])
        del _awake[fixture]


def wake(fixtures: Collection[str]) -> None:
    """Let go on what a test with these fixtures asks for."""
    for name in _asleep.keys() & fixtures:
        _asleep[name].wake()
        _awake[name] = _asleep.pop(name)


def rest(fixtures: Collection[str]) -> None:
    """Let rest what a test with these fixtures does not ask for."""
    for name in _awake.keys() - fixtures:
        _awake[name].rest()
        _asleep[name] = _awake.pop(name)
