"""Pods as the API server has them, and a judge who counts what he is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from router.events.parts import DecisionParts
from router.kubernetes.client import Json
from router.scanning.findings import RunningJudgement
from router.scanning.pods import Pod
from router.scanning.scan import ImageQuestion
from tests.routing.event import image

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64


def controller(kind: str, name: str) -> Json:
    """A claim of a controller."""
    version = "batch/v1" if kind == "Job" else "v1" if kind == "Node" else "apps/v1"
    return {"apiVersion": version, "kind": kind, "name": name, "uid": f"uid-{name}", "controller": True}


def pod(
    name: str,
    *images: tuple[str, str],
    namespace: str = "shop",
    owner: Json = None,
    node: str = "n1",
    phase: str = "Running",
    **metadata: Json,
) -> dict[str, Json]:
    """A Pod with these images, each with its imageID, as JSON."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "ownerReferences": [owner] if owner else None, **metadata},
        "spec": {
            "nodeName": node,
            "containers": [{"name": f"c{number}", "image": text} for number, (text, _) in enumerate(images)],
        },
        "status": {
            "phase": phase,
            "containerStatuses": [{"name": f"c{number}", "imageID": id_} for number, (_, id_) in enumerate(images)],
        },
    }


def read(*pods: Mapping[str, Json]) -> list[Pod]:
    """As the client reads them."""
    return [msgspec.convert(one, Pod) for one in pods]


def runs(text: str, digest: str = DIGEST) -> tuple[str, str]:
    """An image, and what a node says of it."""
    return text, f"docker.io/{text.partition(':')[0]}@{digest}"


def judged(verdict: str = "verified", tag_digest: str | None = None, **fields: object) -> RunningJudgement:
    """What is found about an image."""
    would_reject = verdict not in {"verified", "exempt"}
    found = image(verdict, **fields)
    return RunningJudgement(
        DecisionParts(
            {
                "outcome": "admitted",
                "mode": "detect",
                "would_reject": would_reject,
                "severity": "medium" if would_reject else "info",
                "message": "",
                "break_glass": None,
            },
            [found],
        ),
        tag_digest,
    )


class Judge:
    """Answers by a rule, and counts."""

    def __init__(self, answer: Callable[[ImageQuestion], RunningJudgement]) -> None:
        self._answer = answer
        self.asked: list[ImageQuestion] = []

    async def __call__(self, question: ImageQuestion, namespaces: Sequence[str]) -> Mapping[str, RunningJudgement]:
        """The same in every namespace."""
        self.asked.append(question)
        return dict.fromkeys(namespaces, self._answer(question))
