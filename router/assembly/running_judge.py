"""Judges what runs, as the gate judges what comes: by the same rules, verifiers, trust and exemptions.

Rules:
(1) What is judged is the digest that runs, under the rule of the text as it is written (`ImageJudge.of_digest`).
(2) Of what runs by no digest of a repository only what needs none is said: what a static rule or no rule says of it.
(3) What a tag means now is asked besides, and that nobody can tell is no trouble.
(4) The decision is the one that enforcement would make; `admitted`, since it runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from router.admission.exempting import exempt_in
from router.admission.judging import ImageJudge
from router.decision import Finding, Place, decide
from router.errors import InvalidReferenceError, NotVerifiedError
from router.events import DecisionParts
from router.images import Digest, parse_reference
from router.policy import Exemptions
from router.reasons import Obstacle
from router.registry import RegistryClient
from router.scanning.findings import RunningJudgement
from router.scanning.scan import ImageQuestion
from router.verdict import Mode, Verdict
from router.verification import Asker
from router.verification.judgement import Judgement

_NO_DIGEST = Judgement(
    Verdict.UNVERIFIABLE, Obstacle.NO_DIGEST, "its node names no digest of a repository", None, (), cached=False
)


class RunningJudge:
    """Judges by one configuration.

    Args:
        judging: The gate's.
        exemptions: What is let in although it fails.
        registry: Who is asked what a tag means now.
        seconds: The time for each image.
    """

    def __init__(self, judging: ImageJudge, exemptions: Exemptions, registry: RegistryClient, seconds: float) -> None:
        self._judging = judging
        self._exemptions = exemptions
        self._registry = registry
        self._seconds = seconds

    async def judge(self, question: ImageQuestion, namespaces: Sequence[str]) -> Mapping[str, RunningJudgement]:
        """What is found about an image in each of these namespaces."""
        text, digest = question
        finding, tag_digest = await asyncio.gather(self.finding(text, digest), self._meant_now(text))
        return {one: _judged(exempt_in(self._exemptions, one, finding), tag_digest) for one in namespaces}

    async def finding(self, text: str, digest: str | None) -> Finding:
        """What is found about an image anywhere, exemptions aside."""
        place = Place("", "container", text, "")
        if digest is None:
            (finding,) = await self._judging.known([place])
            is_unasked = finding.verdict is Verdict.UNVERIFIABLE
            return replace(finding, judgement=_NO_DIGEST) if is_unasked else finding
        now, asker = asyncio.get_running_loop().time(), Asker("", is_dry_run=True)
        return await self._judging.of_digest(place, Digest.parse(digest), now, now + self._seconds, asker)

    async def _meant_now(self, text: str) -> str | None:
        try:
            image = parse_reference(text)
            if image.digest is not None:
                return None
            deadline = asyncio.get_running_loop().time() + self._seconds
            return str(await self._registry.resolve(image, deadline))
        except (InvalidReferenceError, NotVerifiedError):
            return None


def _judged(finding: Finding, tag_digest: str | None) -> RunningJudgement:
    return RunningJudgement(DecisionParts.of(decide([finding], Mode.DETECT), [finding]), tag_digest)
