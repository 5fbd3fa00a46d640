"""One scan: counts what runs, has each image judged once, and says what was found.

Rules:
(1) An image is asked about once, however many Pods of however many owners run it: by the text that rules name and the
    digest that runs.
(2) A scan is full where it has seen all Pods of what it was asked about, and had an answer for each image. Whoever is
    not sure of that keeps nothing of it.
(3) What could not be looked at, as where its node names no repository digest, is unknown: Pods that run it are counted
    as such. What a rule says of every digest alike needs none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from router.kubernetes.client import EVERYTHING, Cluster, ObjectSelection
from router.readiness.judging import Scan
from router.readiness.sighting import sighting_of
from router.scanning.findings import RunningJudgement
from router.scanning.pods import PODS, Census, Running, RunningPlaces

ImageQuestion: TypeAlias = tuple[str, str | None]
"""An image as it is written, and the digest that runs."""
Judge: TypeAlias = Callable[[ImageQuestion, Sequence[str]], Awaitable[Mapping[str, RunningJudgement]]]
"""(image, namespaces) -> what is found in each of them."""
AskEach: TypeAlias = Callable[
    [Sequence[ImageQuestion], Callable[[ImageQuestion], Awaitable[Mapping[str, RunningJudgement]]]],
    AsyncIterator[Mapping[str, RunningJudgement]],
]
"""Has each question answered, some at once, in order."""


@dataclass(frozen=True, slots=True)
class ScanFinding:
    """One thing that runs, and what was found out about it."""

    running: Running
    where: RunningPlaces
    judged: RunningJudgement

    @property
    def standing(self) -> str:
        """passing, failing, unreachable or tolerated (`router.readiness.sighting`)."""
        decision = self.judged.parts.decision
        return sighting_of(self.judged.image, would_reject=decision["would_reject"]).standing

    @property
    def is_unknown(self) -> bool:
        """Whether it can't be said that it would be refused, nor that it would not (3)."""
        return self.standing == "unreachable"

    @property
    def has_moved(self) -> bool:
        """Whether its tag means another digest by now."""
        return self.running.digest is not None and self.judged.tag_digest not in {None, self.running.digest}


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a scan has found."""

    began_at: float
    """Seconds since 1970."""
    found: Sequence[ScanFinding]
    by_namespace: Mapping[str, Scan]
    """Of each namespace in which something runs."""


async def census(cluster: Cluster, namespaces: Sequence[str] | None) -> Census:
    """What runs in these namespaces, or everywhere; raises ClusterError."""
    whole = Census()
    for selection in [EVERYTHING] if namespaces is None else [ObjectSelection(namespace) for namespace in namespaces]:
        part = Census()
        async for page in cluster.pages(PODS, selection):
            if page.is_first:
                part = Census()
            part.take(page.objects)
        whole.add(part)
    return whole


async def scanned(counted: Census, judge: Judge, each: AskEach, began_at: float) -> Scanned:
    """Have all of it judged."""
    wanted: dict[ImageQuestion, dict[str, None]] = {}
    for running in counted.running:
        wanted.setdefault((running.image, running.digest), {})[running.namespace] = None

    async def ask(question: ImageQuestion) -> Mapping[str, RunningJudgement]:
        return await judge(question, list(wanted[question]))

    answers = [answer async for answer in each(list(wanted), ask)]
    by_question = dict(zip(wanted, answers, strict=True))
    found = [
        ScanFinding(running, where, by_question[running.image, running.digest][running.namespace])
        for running, where in counted.running.items()
    ]
    unknown = counted.pods_with(one.running for one in found if one.is_unknown)
    scans = {namespace: Scan(began_at, pods, unknown.get(namespace, 0)) for namespace, pods in counted.pods.items()}
    return Scanned(began_at, found, scans)
