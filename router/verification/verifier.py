"""Asks the registry for evidence and the scheme what it proves.

Steps of a judgement:
(1) A scheme that needs no evidence rules at once, without network and digest.
(2) A tag is resolved, in every request anew. A digest is taken as it is: nothing needs to be asked.
(3) What is remembered about this digest under this rule and this trust is the answer.
(4) Otherwise one verification per key is in flight: evidence is looked for (`router.verification.search` says in which
    order), and whenever some came, the scheme is asked whether that is proof enough. What is proven needs no more.
(5) The judgement is remembered for as long as its verdict allows.

Invariants: a NotVerifiedError is always turned into a judgement; whatever else is raised is a mistake of ours and
goes to the caller. Only the scheme makes `verified`; neither search nor memory can.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import assert_never

from router.errors import ConfigurationError, NotVerifiedError
from router.images import Digest, ImageReference
from router.policy import Rule
from router.verdict import Verdict
from router.verification.catalogue import BUILT_IN, CosignSettings, StaticSettings, describe
from router.verification.cosign.scheme import CosignKeyScheme
from router.verification.evidence import Evidence
from router.verification.judgement import Judgement, refused, ruled, told
from router.verification.places import ProvenPlaces
from router.verification.questions import EvidenceSource
from router.verification.scheme import Scheme
from router.verification.search import Search
from router.verification.static import StaticScheme
from router.verification.verdict_cache import Flights, Key, VerdictCache

_CHECKS_INLINE = 64
"""Signature checks of up to half a millisecond each that may hold up the loop; more of them go to a thread."""
_BYTES_INLINE = 128 * 1024
"""Bytes of payloads and bundles that may be read in the loop; more goes to a thread."""


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


class Verifier:
    """Judges images by rules. One instance per configuration; a new one may take the memory of the old one along."""

    def __init__(
        self,
        registry: EvidenceSource,
        settings: Sequence[CosignSettings | StaticSettings],
        clock: Callable[[], float] = _loop_time,
        *,
        remembered: VerdictCache | None = None,
    ) -> None:
        """Make the schemes of all verifiers, the built-in ones too.

        Args:
            registry: Where evidence is asked for.
            settings: The verifiers that rules may name.
            clock: Seconds, for how long something is remembered.
            remembered: The memory of another verifier: proofs are keyed by trust, so what still holds stays.

        Raises:
            ConfigurationError: A key stands in a file that was not read with the configuration.
        """
        self._registry = registry
        self._settings = {entry.name: entry for entry in (*settings, *BUILT_IN)}
        self._schemes = {name: scheme_of(entry) for name, entry in self._settings.items()}
        self._snapshots = {name: scheme.snapshot for name, scheme in self._schemes.items()}
        self.remembered = VerdictCache(clock) if remembered is None else remembered
        self._flights = Flights()
        self._words: dict[str, str] = {}
        self._proven_places = ProvenPlaces()

    async def judge(self, image: ImageReference, rule: Rule, deadline: float) -> Judgement:
        """What is known about the image under this rule.

        Args:
            image: The image; its digest decides where it has one.
            rule: Names the verifier and what it asks of signers.
            deadline: In the time of the running loop; after it, the judgement is unverifiable(timeout).

        Raises:
            ConfigurationError: The rule names a verifier that is not there.
        """
        scheme = self._schemes.get(rule.verifier)
        if scheme is None:
            raise ConfigurationError(f"there is no verifier {rule.verifier!r}")
        if not scheme.needs_evidence:  # (1)
            return _ruled_unseen(scheme, image, rule)
        digest = image.digest
        if digest is None:  # (2)
            try:
                digest = await self._registry.resolve(image, deadline)
            except NotVerifiedError as error:
                return refused(error, None)
        key = self._key(image, digest, rule)
        judgement = self.remembered.get(key)  # (3)
        if judgement is None:
            judgement = await self._flights.join(
                key, deadline, lambda until: self._verified(image, digest, rule, key, until)
            )
        return told(judgement, is_pinned=image.digest is not None)

    def knows(self, image: ImageReference, rule: Rule) -> Judgement | None:
        """The judgement, where it can be had without asking anybody: a static one, or a remembered one by digest."""
        scheme = self._schemes.get(rule.verifier)
        if scheme is None:
            return None
        if not scheme.needs_evidence:
            return _ruled_unseen(scheme, image, rule)
        if image.digest is None:
            return None
        judgement = self.remembered.get(self._key(image, image.digest, rule))
        return None if judgement is None else told(judgement, is_pinned=True)

    def wants(self, rule: Rule) -> str:
        """What the rule asks for, in words: `a signature by key "release"`."""
        words = self._words.get(rule.key)
        if words is None:
            words = self._words[rule.key] = describe(self._settings[rule.verifier], rule)
        return words

    def _key(self, image: ImageReference, digest: Digest, rule: Rule) -> Key:
        return image.registry, image.repository, digest, rule.key, self._snapshots[rule.verifier]

    async def _verified(
        self, image: ImageReference, digest: Digest, rule: Rule, key: Key, deadline: float
    ) -> Judgement:
        scheme = self._schemes[rule.verifier]
        found = Evidence()
        judgement = await _judged(scheme, found, digest, rule)  # what holds if nothing is found

        async def is_enough(news: Evidence) -> bool:
            nonlocal found, judgement
            found += news
            judgement = await _judged(scheme, found, digest, rule)
            return judgement.verdict is Verdict.VERIFIED

        await Search(self._registry, self._proven_places, image, digest, deadline).run(is_enough)  # (4)
        self.remembered.put(key, judgement)  # (5)
        return judgement


def scheme_of(settings: CosignSettings | StaticSettings) -> Scheme:
    """The scheme that a verifier's settings ask for; raises ConfigurationError where a key was not read."""
    match settings:
        case CosignSettings():
            return CosignKeyScheme([(entry.name, entry.loaded()) for entry in settings.keys])
        case StaticSettings():
            return StaticScheme(settings.name, settings.allow, settings.message)
        case _:
            assert_never(settings)


async def _judged(scheme: Scheme, found: Evidence, digest: Digest, rule: Rule) -> Judgement:
    try:
        if len(found) * scheme.effort > _CHECKS_INLINE or found.size > _BYTES_INLINE:
            return ruled(await asyncio.to_thread(scheme.prove, found, digest, rule), digest)
        return ruled(scheme.prove(found, digest, rule), digest)
    except NotVerifiedError as error:
        return refused(error, digest)


def _ruled_unseen(scheme: Scheme, image: ImageReference, rule: Rule) -> Judgement:
    return ruled(scheme.prove(Evidence(), image.digest, rule), image.digest)
