"""What is found about one image is examined as it comes, in slices, until it proves the image or the time is up.

Rules:
(1) Every piece of evidence is examined once: news are added to the findings, and nothing that was checked is checked
    again. What the findings prove is asked after each endorsement that says something new, so that a proof needs no
    look at the rest, and what is repeated is not ruled on again.
(2) Strangers choose how much there is to check: it is done in slices in the line of all such work, so that neither the
    loop nor another image waits for it, and it ends at the deadline. What could not be checked by then is
    `unverifiable(timeout)`, and not the registry's doing: it is a gap like any other. Where there are more than `MANY`
    pieces it is a defect: then it is the amount that takes the time, and whoever pushes chooses it.
(3) Trust and demands are those from when the case was opened.
(4) What counts only if certificates still stand is asked about when the examination is done, and only until the image
    is proven (`router.verification.settling`).
(5) Where an account is kept (`router.verification.account`), each piece is told of by itself, whatever waits is asked
    about, and nothing is enough: whoever asks why wants to see all that is there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from router.errors import InvalidSignatureError, NotVerifiedError, TimedOutError
from router.images import Digest
from router.reasons import EvidenceFlaw
from router.slices import OutOfTimeError, Slices
from router.steps import Steps
from router.verdict import Verdict
from router.verification.account import Notes, Tally
from router.verification.evidence import MANY, Evidence
from router.verification.judgement import Judgement, refused, ruled
from router.verification.scheme import Demands, Findings, Scheme
from router.verification.settling import settle_next
from router.verification.sought import SoughtPlace
from router.verification.trust import Trust

M = TypeVar("M")


def is_verified(judgement: Judgement) -> bool:
    """Whether the image is proven."""
    return judgement.verdict is Verdict.VERIFIED


def _is_nothing(_judgement: Judgement) -> bool:
    """Nothing is enough (5)."""
    return False


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

    def __init__(
        self,
        case: Case[M],
        slices: Slices,
        deadline: float,
        is_proof: Callable[[Judgement], bool] = is_verified,
        notes: Notes | None = None,
    ) -> None:
        """Begin without any evidence.

        Args:
            case: What is to be proven.
            slices: Where the work is done.
            deadline: In the time of the running loop.
            is_proof: Whether a judgement needs no more evidence; others than `is_verified` may want more.
            notes: Take down what each piece is (5).
        """
        self._case = case
        self._slices = slices
        self._deadline = deadline
        if notes is not None:
            notes.look_in(case.scheme.sought.places)
        self._notes = notes
        self._is_proof = is_proof if notes is None else _is_nothing
        self._waiting: list[Evidence] = []
        """The pieces that what is pending comes from, where notes are taken."""
        self._pieces = 0
        self.found = Findings(case.digest, case.now)
        self._judgement: Judgement | None = None

    @property
    def judgement(self) -> Judgement:
        """What holds by what was found so far; it is found out when it is asked for."""
        if self._judgement is None:
            self._judgement = self._case.judged(self.found)
        return self._judgement

    async def is_enough(self, place: SoughtPlace, news: Evidence) -> bool:
        """Examine the news, as far as there is time; whether the image is proven, so that nothing more is needed."""
        self._pieces += len(news)
        try:
            await self._slices.run(self._examined(place, news), self._deadline)
        except OutOfTimeError:
            before = Tally.of(self.found)
            self._run_out_of_time()
            self._note(place, Evidence(), before)
            self._judgement = None
        while self.found.pending and not self._is_proof(self.judgement):
            before = Tally.of(self.found)
            await settle_next(self.found, self._deadline)
            self._note(place, self._waiting.pop(0) if self._waiting else Evidence(), before)
            self._judgement = None
        return self._is_proof(self.judgement)

    def _run_out_of_time(self) -> None:
        words = "there was no time to check all signatures within the deadline of the request"
        if self._pieces > MANY:
            self.found.defects.append(InvalidSignatureError(words, reason=EvidenceFlaw.TOO_MANY))
        else:
            self.found.gaps.append(TimedOutError(words))

    def _examined(self, place: SoughtPlace, news: Evidence) -> Steps[None]:
        endorsed = len(self.found.endorsements)
        for piece in (news,) if self._notes is None else news.pieces():
            before = Tally.of(self.found)
            try:
                for _ in self._case.scheme.examine(piece, self.found, self._case.trust):
                    if len(self.found.endorsements) > endorsed:
                        endorsed = len(self.found.endorsements)
                        self._judgement = None
                        if self._is_proof(self.judgement):
                            return
                    yield
            finally:
                self._note(place, piece, before)
        self._judgement = None

    def _note(self, place: SoughtPlace, piece: Evidence, before: Tally) -> None:
        """Take down what this piece has added, and remember it for what it left pending."""
        if self._notes is not None:
            self._notes.add(place, piece, before, self.found)
            self._waiting += [piece] * (len(self.found.pending) - before.pending)
