"""Looks for what the members of a combination ask for, all at the same time, until they prove the image together.

Rules:
(1) What is remembered of a member under a rule that demands nothing is taken, and what is found out about it is
    remembered as if it stood alone: proofs, and refusals whose evidence was seen to its end. Where the rule demands
    something of the union, every member is examined, since what is remembered does not say who else has signed.
(2) Each member has a search and findings of its own. Searches in one repository share their questions, so that equal
    evidence is fetched once, and the budget of an image is not multiplied by how many look at it.
(3) A member needs no more evidence when it is proven, or, where something is demanded of the union, when the whole is.
    When the whole is proven, everything under way is dropped.
(4) Where an account is kept, nothing that is remembered is taken and nothing is dropped: every member says of all that
    is there what it is to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from dataclasses import dataclass

from router.images import ImageReference
from router.policy import proof_key
from router.registry import RegistryClient
from router.slices import Slices
from router.verification.account import JudgementAccount
from router.verification.combination import CombinationCase as CombinedCase
from router.verification.examination import Case, Examination, is_verified
from router.verification.judgement import Judgement
from router.verification.places import ProvenPlaces
from router.verification.questions import Questions
from router.verification.search import Search
from router.verification.settings import ANY_SIGNER
from router.verification.verdict_cache import VerdictCache, VerdictKey


@dataclass(frozen=True, slots=True)
class VerifierResources:
    """What a verifier has for all of its judgements."""

    registry: RegistryClient
    places: ProvenPlaces
    slices: Slices
    remembered: VerdictCache


class Together:
    """One combination under way about one image."""

    def __init__(
        self,
        case: CombinedCase,
        image: ImageReference,
        around: VerifierResources,
        deadline: float,
        account: JudgementAccount | None = None,
    ) -> None:
        """Take what is remembered of the members; `deadline` is in the time of the running loop."""
        self._case = case
        self._image = image
        self._around = around
        self._deadline = deadline
        self._account = account
        self._known: dict[str, Judgement] = {}
        self.until = math.inf
        """When the first of what was remembered of members is remembered no more; so long is what it proves."""
        self._under_way: dict[str, Examination[object]] = {}
        for name, scheme in case.combination.singles.items():
            is_known = case.demands_nothing and account is None
            known = around.remembered.get(self._key(name)) if is_known else None
            if known is None:
                single = Case(scheme, case.trust.material[name], ANY_SIGNER, case.digest, case.now)
                notes = None if account is None else account.by(name)
                self._under_way[name] = Examination(single, around.slices, deadline, self._is_enough, notes)
            else:
                self._known[name] = known.judgement
                self.until = min(self.until, known.until)

    async def verified(self) -> Judgement:
        """What the members prove together, when nothing more can change it or nothing more is needed."""
        async with contextlib.AsyncExitStack() as stack:
            asked: dict[ImageReference, Questions] = {}
            searches: dict[asyncio.Task[None], str] = {}
            of = {name: self._case.combination.singles[name].sought for name in self._under_way}
            limit = max((sought.limit for sought in of.values()), default=0)
            for name, examination in self._under_way.items():
                sought = of[name]
                where = sought.repository or self._image
                if where not in asked:
                    questions = Questions(self._around.registry, where, self._deadline, limit)
                    asked[where] = await stack.enter_async_context(questions)
                search = Search(asked[where], self._around.places, where, self._case.digest)
                searches[asyncio.create_task(search.run(sought, examination.is_enough))] = name
            try:
                await self._until_enough(searches)
            finally:
                for task in searches:
                    task.cancel()
                await asyncio.gather(*searches, return_exceptions=True)
        return self._judged()

    async def _until_enough(self, searches: dict[asyncio.Task[None], str]) -> None:
        pending = set(searches)
        is_proven = is_verified(self._judged())
        while pending and (self._account is not None or not is_proven):
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            is_proven = is_verified(self._judged())
            for task in done:
                task.result()
                judgement = self._under_way[searches[task]].judgement
                if is_verified(judgement) or not is_proven:  # otherwise its search may have ended before its end
                    self._around.remembered.put(self._key(searches[task]), judgement)

    def _is_enough(self, single: Judgement) -> bool:
        """Whether a member of which this is known now needs no more evidence (3)."""
        return is_verified(single) if self._case.demands_nothing else is_verified(self._judged())

    def _judged(self) -> Judgement:
        judgements = {name: examination.judgement for name, examination in self._under_way.items()}
        found = {name: examination.found for name, examination in self._under_way.items()}
        return self._case.judged(self._known | judgements, found)

    def _key(self, name: str) -> VerdictKey:
        single = proof_key(name, ANY_SIGNER.threshold, ANY_SIGNER.required, ANY_SIGNER.annotations)
        trust = self._case.trust.material[name]
        return self._image.registry, self._image.repository, self._case.digest, single, trust.id
