"""What tags point to: asked of the registry, and remembered for a moment for those who may do with that.

Rules:
(1) Whoever pins a tag, or lets an image in because of what its tag points to, asks anew: a tag that was pushed a second
    ago would be pinned to what it was, and one that was moved after it was proven would pass. What was remembered is
    only for requests that nothing is refused or written for.
(2) Only digests are remembered, for so many seconds from the answer on; that a tag is not there never is: somebody may
    be pushing it right now.
(3) Equal questions that are under way are one. Whoever gives up takes nothing from the others.
(4) Bounded: of `MOST` tags those that were resolved last.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from router.errors import NotVerifiedError, TimedOutError
from router.images import Digest, ImageReference
from router.registry import RegistryClient
from router.verification.flights import Flights

MOST = 20_000
"""Tags that are remembered: some 10 MiB."""

_Place: TypeAlias = tuple[str, str, str]
"""Registry, repository, tag."""


class Recent(NamedTuple):
    """What a tag pointed to."""

    digest: Digest
    until: float
    """When it is too long ago, by the clock of the memory."""


class RecentTags:
    """Resolves tags.

    Args:
        registry: Who is asked.
        clock: Seconds.
        seconds: For how long an answer is remembered; 0: not at all.
    """

    def __init__(self, registry: RegistryClient, clock: Callable[[], float], seconds: float) -> None:
        self._registry = registry
        self._clock = clock
        self._seconds = seconds
        self._recent: OrderedDict[_Place, Recent] = OrderedDict()
        self._flights: Flights[_Place, Digest | NotVerifiedError] = Flights(_ran_out)

    def get(self, image: ImageReference) -> Recent | None:
        """What its tag pointed to a moment ago, where that is remembered."""
        place = _place(image)
        recent = self._recent.get(place)
        if recent is not None and recent.until <= self._clock():
            del self._recent[place]
            return None
        return recent

    async def resolved(self, image: ImageReference, deadline: float) -> Digest:
        """What its tag points to now; raises NotVerifiedError, the registry's or for the deadline."""
        answer = await self._flights.join(_place(image), deadline, lambda until: self._asked(image, until))
        if answer is None:
            raise TimedOutError("no digest within the deadline of the request")
        if isinstance(answer, NotVerifiedError):
            raise answer
        return answer

    async def _asked(self, image: ImageReference, deadline: float) -> Digest | NotVerifiedError:
        try:
            digest = await self._registry.resolve(image, deadline)
        except NotVerifiedError as error:
            return error.with_traceback(None)  # several may raise it
        if self._seconds > 0:
            place = _place(image)
            self._recent[place] = Recent(digest, self._clock() + self._seconds)
            self._recent.move_to_end(place)
            if len(self._recent) > MOST:
                self._recent.popitem(last=False)
        return digest


def _place(image: ImageReference) -> _Place:
    return image.registry, image.repository, image.tag or "latest"


def _ran_out(answer: Digest | NotVerifiedError) -> bool:
    return isinstance(answer, TimedOutError)
