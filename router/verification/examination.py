"""What is found about one image is examined as it comes, in slices, until it proves the image or the time is up.

Rules:
(1) Every piece of evidence is examined once: news are added to the findings, and nothing that was checked is checked
    again. What the findings prove is asked after each endorsement, so that a proof needs no look at the rest.
(2) Strangers choose how much there is to check: it is done in slices in the line of all such work, so that neither the
    loop nor another image waits for it, and it ends at the deadline. What could not be checked by then is
    `unverifiable(timeout)`, and not the registry's doing.
(3) Trust and demands are those from when the case was opened.
(4) Where an account is kept (`router.verification.account`), each piece is examined by itself, and nothing is enough:
    whoever asks why wants to see all that is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from router.errors import NotVerifiedError, TimedOutError
from router.images import Digest
from router.slices import OutOfTimeError, Slices
from router.steps import Steps
from router.verdict import Verdict
from router.verification.account import Account, Tally
from router.verification.evidence import Evidence
from router.verification.judgement import Judgement, refused, ruled
from router.verification.scheme import Demands, Findings, Scheme
from router.verification.sought import Place
from router.verification.trust import Trust

M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Case(Generic[M]):
    """What is to be proven, and by whom."""

    scheme: Scheme[M]
    trust: Trust[M]
    demands: Demands
    digest: Digest
    now: float
    """When it was opened, in Unix time."""

    def judged(self, found: Findings) -> Judgement:
        """What the findings amount to."""
        try:
            return ruled(self.scheme.prove(found, self.demands, self.trust, self.now), self.digest)
        except NotVerifiedError as error:
            return refused(error, self.digest)


class Examination(Generic[M]):
    """One case under way: what was found so far, and what that proves."""

    def __init__(self, case: Case[M], slices: Slices, deadline: float, account: Account | None = None) -> None:
        """Begin without any evidence.

        Args:
            case: What is to be proven.
            slices: The line of all such work.
            deadline: In the time of the running loop.
            account: Takes down what each piece is (4).
        """
        self._case = case
        self._slices = slices
        self._deadline = deadline
        self._account = account
        self._found = Findings(case.digest, case.now)
        self._is_late = False
        self.judgement = case.judged(self._found)
        """What holds by what was found so far."""

    async def is_enough(self, place: Place, news: Evidence) -> bool:
        """Examine the news, as far as there is time; whether the image is proven, so that nothing more is needed."""
        account = self._account
        try:
            steps = self._examined(news) if account is None else self._accounted(account, place, news)
            await self._slices.run(steps, self._deadline)
        except OutOfTimeError:
            self._is_late = True
        if self._is_late and not self._is_proven:
            late = TimedOutError("there was no time to check all signatures within the deadline of the request")
            self.judgement = refused(late, self._case.digest)
        return self._is_proven and account is None

    def _examined(self, news: Evidence) -> Steps[None]:
        endorsed = len(self._found.endorsements)
        for _ in self._case.scheme.examine(news, self._found, self._case.trust):
            if len(self._found.endorsements) > endorsed:
                endorsed = len(self._found.endorsements)
                self.judgement = self._case.judged(self._found)
                if self._is_proven:
                    return
            yield
        self.judgement = self._case.judged(self._found)

    def _accounted(self, account: Account, place: Place, news: Evidence) -> Steps[None]:
        for piece in news.pieces():
            before = Tally.of(self._found)
            yield from self._case.scheme.examine(piece, self._found, self._case.trust)
            account.note(place, piece, before, self._found)
        self.judgement = self._case.judged(self._found)

    @property
    def _is_proven(self) -> bool:
        return self.judgement.verdict is Verdict.VERIFIED
