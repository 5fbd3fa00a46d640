"""One search for evidence: the order of the places, what is news, and when to stop. Nothing is judged here.

Order:
(1) The place where this repository's last proof lay, alone.
(2) All other places at the same time: with a registry far away, what counts is how many questions follow one another.
    That of the registry's last proof goes before the others.
(3) What had to wait in any of them, see `router.verification.discovery`.

Each piece of evidence is handed over once, with whatever else came while the last one was judged. As soon as it is
enough, everything under way is dropped; and the next step begins only when all that came was judged and is not enough.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeAlias

from router.images import Digest, ImageReference
from router.verification.discovery import Discovery
from router.verification.evidence import Evidence
from router.verification.places import ProvenPlaces
from router.verification.questions import Questions
from router.verification.sought import Sought, SoughtPlace

IsEnough: TypeAlias = Callable[[SoughtPlace, Evidence], Awaitable[bool]]
"""Whether what lay in a place is enough, with what came before."""


class Search:
    """One search for evidence about one digest."""

    def __init__(self, questions: Questions, proven: ProvenPlaces, image: ImageReference, digest: Digest) -> None:
        """Ask nothing yet.

        Args:
            questions: Those about the image; other searches may share them.
            proven: Where proofs of other images lay; learns where this one's lies.
            image: Names the registry and the repository.
            digest: What the evidence is about.
        """
        self._proven = proven
        self._image = image
        self._questions = questions
        self._digest = digest
        self._news: dict[SoughtPlace, list[Evidence]] = {}
        self._has_news = asyncio.Event()

    async def run(self, sought: Sought, is_enough: IsEnough) -> None:
        """Look until something is enough or nothing is left.

        Args:
            sought: What is looked for, and where.
            is_enough: Is asked about each increment of evidence and its place, one at a time: news only, never what it
                was given before. It is not asked where nothing is found.
        """
        discovery = Discovery(self._questions, self._digest, sought, self._note)
        last = self._proven.last(self._image, sought)
        first = [place for place in sought.places if place is last]
        usual = self._proven.usual(self._image, sought)
        others = sorted((place for place in sought.places if place is not last), key=lambda place: place is not usual)
        steps = [lambda: discovery.look_in(*first)] if first else []
        for step in (*steps, lambda: discovery.look_in(*others), discovery.look_at_the_rest):
            if await self._is_settled(step(), sought, is_enough):
                return

    async def _is_settled(self, step: Coroutine[None, None, None], sought: Sought, is_enough: IsEnough) -> bool:
        looking = asyncio.create_task(step)
        looking.add_done_callback(lambda _: self._has_news.set())
        try:
            while True:
                if self._news:
                    place = next(iter(self._news))
                    if await is_enough(place, sum(self._news.pop(place), Evidence())):
                        self._proven.note(self._image, sought, place)
                        return True
                elif looking.done():
                    looking.result()
                    return False
                else:
                    await self._has_news.wait()
                    self._has_news.clear()
        finally:
            if looking.cancel():
                await asyncio.wait([looking])

    def _note(self, place: SoughtPlace, found: Evidence) -> None:
        if found != Evidence():
            self._news.setdefault(place, []).append(found)
            self._has_news.set()
