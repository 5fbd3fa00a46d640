"""Asks the registry for evidence and the scheme what it proves.

Steps of a judgement:
(1) A scheme that needs no evidence rules at once, without network and digest.
(2) A tag is resolved, in every request anew (`router.verification.tags` says which may do without). A digest is taken
    as it is: nothing needs to be asked.
(3) Whom the scheme trusts is read once. What is remembered about this digest under this rule and this trust is the
    answer.
(4) Otherwise one verification per key is in flight: evidence is looked for (`router.verification.search` says in which
    order), and examined as it comes. What is proven needs no more.
(5) The judgement is remembered for as long as its verdict allows.

Verifiers that are combined go the same way in one flight (`router.verification.together`).

Invariants: a NotVerifiedError is always turned into a judgement; whatever else is raised is a mistake of ours and
goes to the caller. Only the scheme makes `verified`; neither search nor memory can.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from router.errors import ConfigurationError, NotVerifiedError, TimedOutError
from router.images import Digest, ImageReference
from router.policy import Rule
from router.registry import RegistryClient
from router.slices import Slices
from router.text import shown
from router.verification.account import JudgementAccount, Notes
from router.verification.catalogue import BUILT_IN
from router.verification.combination import Combination
from router.verification.combination import CombinationCase as CombinedCase
from router.verification.examination import Case, Examination
from router.verification.flights import Flights
from router.verification.judgement import Judgement, judged_by, refused, ruled, with_hint
from router.verification.lasting import KnownJudgement, Lasting
from router.verification.outside import NOTHING_KNOWN, Outside
from router.verification.places import ProvenPlaces
from router.verification.questions import Questions
from router.verification.scheme import AnyScheme, Findings
from router.verification.search import Search
from router.verification.settings import SchemeSettings
from router.verification.tags import RecentTags
from router.verification.together import Together, VerifierResources
from router.verification.verdict_cache import VerdictCache, VerdictKey

_SLICES_AT_ONCE = 1
"""Slices of one image's evidence that wait in no line: what is honest takes a part of one."""
_NOTHING = Findings(None)
"""For schemes that need no evidence."""


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


def _addressed(judgement: Judgement, image: ImageReference, rule: Rule, trust: str) -> Judgement:
    """The judgement as it is given to whoever asked about this image by this rule; `trust` is the id of the trust."""
    known = replace(judgement, judged_by=judged_by(rule.key, trust))
    return with_hint(known, is_pinned=image.digest is not None)


class Verifier:
    """Judges images by rules. One instance per configuration; a new one may take the memory of the old one along."""

    def __init__(  # noqa: PLR0913 - all but two have a default that most do with
        self,
        registry: RegistryClient,
        settings: Sequence[SchemeSettings],
        clock: Callable[[], float] = _loop_time,
        *,
        now: Callable[[], float] = time.time,
        cache: VerdictCache | None = None,
        outside: Outside = NOTHING_KNOWN,
        resolve_every: float = 0.0,
    ) -> None:
        """Make the schemes of all verifiers, the built-in ones too.

        Args:
            registry: Where evidence is asked for.
            settings: The verifiers that rules may name.
            clock: Seconds, for how long something is remembered.
            now: Unix time in seconds, until when something is trusted.
            cache: The memory of another verifier: proofs are keyed by trust, so what still holds stays.
            outside: What is known beside the configuration.
            resolve_every: Seconds for which it is remembered what a tag pointed to.

        Raises:
            ConfigurationError: A key stands in a file that was not read with the configuration.
        """
        self._registry = registry
        self._settings: dict[str, SchemeSettings] = {entry.name: entry for entry in (*settings, *BUILT_IN)}
        self._schemes: dict[str, AnyScheme | Combination] = {
            name: entry.scheme(outside) for name, entry in self._settings.items()
        }
        self._clock = clock
        self._now = now
        self.cache = VerdictCache(clock, now) if cache is None else cache
        self._slices = Slices(_SLICES_AT_ONCE)
        self._flights: Flights[VerdictKey, Judgement] = Flights(lambda judgement: judgement.is_timeout)
        self._tags = RecentTags(registry, clock, resolve_every)
        self._words: dict[str, str] = {}
        self._proven_places = ProvenPlaces()

    async def judge(
        self, image: ImageReference, rule: Rule, deadline: float, account: JudgementAccount | None = None
    ) -> Judgement:
        """What is known about the image under this rule.

        Args:
            image: The image; its digest decides where it has one.
            rule: Names the verifier and what it asks of signers.
            deadline: In the time of the running loop; after it, the judgement is unverifiable(timeout).
            account: Takes down what is looked at; then all is looked at anew, whatever is remembered.

        Raises:
            ConfigurationError: The rule names a verifier that is not there.
        """
        scheme = self._schemes.get(rule.verifier)
        if scheme is None:
            raise ConfigurationError(f"there is no verifier {shown(rule.verifier)}")
        if not isinstance(scheme, Combination) and not scheme.needs_evidence:  # (1)
            return self._unseen(scheme, image, rule)
        digest = image.digest
        if digest is None:  # (2)
            try:
                digest = await self._tags.resolved(image, deadline)
            except NotVerifiedError as error:
                return refused(error, None)
        case = self._case(scheme, digest, rule)  # (3)
        key: VerdictKey = image.registry, image.repository, digest, rule.key, case.trust.id
        if account is not None:
            judgement = await self._verified(image, case, key, deadline, account.by(rule.verifier))
        elif (kept := self.cache.get(key)) is not None:
            judgement = kept.judgement
        else:
            found = await self._flights.join(key, deadline, lambda until: self._verified(image, case, key, until))
            judgement = found or refused(TimedOutError("no verdict within the deadline of the request"), digest)
        return _addressed(judgement, image, rule, case.trust.id)

    def remembered(self, image: ImageReference, rule: Rule, *, is_recent_enough: bool = False) -> KnownJudgement | None:
        """The judgement, where it can be had without asking anybody: a static one, or a remembered one by digest.

        With `is_recent_enough` what a tag pointed to a moment ago will do.
        """
        scheme = self._schemes.get(rule.verifier)
        if scheme is None:
            return None
        if not isinstance(scheme, Combination) and not scheme.needs_evidence:
            return KnownJudgement(self._unseen(scheme, image, rule))
        digest, until = image.digest, math.inf
        if digest is None:
            if not is_recent_enough or (recent := self._tags.get(image)) is None:
                return None
            digest, until = recent
        trust = scheme.trust.id
        kept = self.cache.get((image.registry, image.repository, digest, rule.key, trust))
        if kept is None:
            return None
        judgement = kept.judgement
        valid_until = math.inf if judgement.valid_until is None else judgement.valid_until
        lasting = Lasting(min(until, kept.until), valid_until, frozenset(((rule.verifier, trust),)))
        return KnownJudgement(_addressed(judgement, image, rule, trust), lasting)

    def holds(self, lasting: Lasting) -> bool:
        """Whether what was known still holds, the clocks and all trust considered."""
        return (
            self._clock() < lasting.until
            and self._now() < lasting.valid_until
            and all(self._schemes[name].trust.id == trust for name, trust in lasting.trusts)
        )

    def wants(self, rule: Rule) -> str:
        """What the rule asks for, in words: `a signature by key "release"`."""
        words = self._words.get(rule.key)
        if words is None:
            words = self._words[rule.key] = self._settings[rule.verifier].wants(rule)
        return words

    def _unseen(self, scheme: AnyScheme, image: ImageReference, rule: Rule) -> Judgement:
        return ruled(scheme.prove(_NOTHING, rule, scheme.trust, self._now()), image.digest)

    def _case(self, scheme: AnyScheme | Combination, digest: Digest, rule: Rule) -> Case[object] | CombinedCase:
        if isinstance(scheme, Combination):
            return CombinedCase(scheme, scheme.trust, rule, digest, self._now())
        return Case(scheme, scheme.trust, rule, digest, self._now())

    async def _verified(
        self,
        image: ImageReference,
        case: Case[object] | CombinedCase,
        key: VerdictKey,
        deadline: float,
        notes: Notes | None = None,
    ) -> Judgement:
        if isinstance(case, CombinedCase):
            around = VerifierResources(self._registry, self._proven_places, self._slices, self.cache)
            together = Together(case, image, around, deadline, None if notes is None else notes.account)
            judgement = await together.verified()
            self.cache.put(key, judgement, together.until)
            return judgement
        sought = case.scheme.sought
        examination = Examination(case, self._slices, deadline, notes=notes)
        where = sought.repository or image
        async with Questions(self._registry, where, deadline, sought.limit) as questions:
            search = Search(questions, self._proven_places, where, case.digest)
            await search.run(sought, examination.is_enough)  # (4)
        self.cache.put(key, examination.judgement)  # (5)
        return examination.judgement
