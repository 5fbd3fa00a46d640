"""AdmissionReviews as a real API server sent them; `tests/data/admission/README.md` says what each shows."""

from __future__ import annotations

import json
from pathlib import Path

from router.admission.review import AdmissionRequest, parse_review

FOLDER = Path(__file__).resolve().parents[1] / "data" / "admission"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


def body(name: str) -> bytes:
    """The body as it came."""
    return (FOLDER / f"{name}.json").read_bytes()


def parsed(name: str) -> dict[str, dict[str, object]]:
    """The body as JSON, read by another parser than ours."""
    review: dict[str, dict[str, object]] = json.loads(body(name))
    return review


def request(name: str) -> AdmissionRequest:
    """The request in it."""
    return parse_review(body(name))


def mapping(value: object) -> dict[str, object]:
    """A value that is known to be a JSON object."""
    assert isinstance(value, dict)
    return value
