"""AdmissionReviews as a real API server sent them; `tests/data/admission/README.md` says what each shows."""

from __future__ import annotations

import json
from pathlib import Path

from router.admission.review import AdmissionRequest, RawObjects, read_review
from router.admission.workloads import Workload, read_workload
from router.steps import finish

CSI_DRIVERS = frozenset({"container-image.csi.k8s.io", "csi-image.warm-metal.tech"})

FOLDER = Path(__file__).resolve().parents[1] / "data" / "admission"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


def body(name: str) -> bytes:
    """The body as it came."""
    return (FOLDER / f"{name}.json").read_bytes()


def parsed(name: str) -> dict[str, dict[str, object]]:
    """The body as JSON, read by another parser than ours."""
    review: dict[str, dict[str, object]] = json.loads(body(name))
    return review


def read(body: bytes) -> tuple[AdmissionRequest, RawObjects]:
    """What is asked, and about which objects."""
    return finish(read_review(memoryview(body)))


def request(name: str) -> AdmissionRequest:
    """The request in it."""
    return read(body(name))[0]


def workload(body: bytes) -> Workload:
    """What the object in it would run."""
    return finish(read_workload(*read(body), CSI_DRIVERS))


def mapping(value: object) -> dict[str, object]:
    """A value that is known to be a JSON object."""
    assert isinstance(value, dict)
    return value
