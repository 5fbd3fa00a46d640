"""The event about something that runs: a finding of a scan, in the shape of a decision. Pure.

Rules:
(1) There is one for each owner and image. It has the members of a decision, so that routes, templates and receivers
    need nothing new: `operation` is SCAN, the outcome `admitted`, since it runs; `would_reject` says whether it would
    be refused if it came now.
(2) Its id is made of cluster, owner, image, digest, verdict and day (UTC): a scan that finds the same twice a day tells
    once, and what has changed is told. Rules go by the name: the same digest by another name is another finding.
(3) A tag that means another digest by now is no failure: `scan.tag_digest` is what it means.
"""

from __future__ import annotations

from dataclasses import dataclass

from router.events import CloudEvent, DecisionParts, ImageData, Origin, event_id, timestamp
from router.events.schema import SCAN_TYPE, RequestData
from router.scanning.pods import Running, RunningPlaces

DAY = 86400.0


@dataclass(frozen=True, slots=True)
class RunningJudgement:
    """What was found out about an image that runs, in one namespace."""

    parts: DecisionParts
    """The decision that would be made, and the image."""
    tag_digest: str | None = None
    """What its tag means now; None where it has none, or nobody could tell."""

    def __post_init__(self) -> None:
        """Raises ValueError where it is not about one image, as when another replica says so."""
        if len(self.parts.images) != 1:
            raise ValueError("one image is judged at a time")

    @property
    def image(self) -> ImageData:
        """The image."""
        return self.parts.images[0]


def finding_id(cluster: str, running: Running, verdict: str, at: float) -> str:
    """The id of the event (2)."""
    group = running.owner[0].rpartition("/")[0]
    owner = f"{running.namespace}/{group}/{running.owner[1]}/{running.owner[2]}"
    return event_id(cluster, f"scan/{owner}/{running.image}@{running.digest or ''}/{verdict}/{int(at // DAY)}")


def finding(origin: Origin, running: Running, where: RunningPlaces, judged: RunningJudgement, at: float) -> CloudEvent:
    """The event; `at` is in seconds since 1970."""
    api_version, kind, name = running.owner
    images: list[ImageData] = [
        {**judged.image, "container_kind": place[0], "container": place[1]} for place in where.places
    ]
    return {
        "specversion": "1.0",
        "type": SCAN_TYPE,
        "id": finding_id(origin.cluster, running, judged.image["verdict"], at),
        "source": f"/clusters/{origin.cluster}",
        "subject": f"{running.namespace}/{kind}/{name}",
        "time": timestamp(at),
        "datacontenttype": "application/json",
        "data": {
            "decision": judged.parts.decision,
            "request": _asked(running),
            "workload": {"api_version": api_version, "kind": kind, "name": name, "owner": None},
            "images": images,
            "cluster": origin.cluster,
            "replica": origin.replica,
            "scan": {
                "pods": where.pods,
                "nodes": list(where.nodes),
                "image_id": where.image_id,
                "tag_digest": judged.tag_digest,
            },
        },
    }


def _asked(running: Running) -> RequestData:
    return {
        "uid": "",
        "operation": "SCAN",
        "api_version": running.owner[0],
        "kind": running.owner[1],
        "subresource": "",
        "namespace": running.namespace,
        "name": running.owner[2],
        "generate_name": "",
        "user": {"name": "", "groups": []},
        "dry_run": False,
    }
