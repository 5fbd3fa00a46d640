"""What of an event follows from its decision alone: made and encoded once, however many events tell of it. Pure.

Forty Pods of one ReplicaSet are forty events with the same decision and the same images; only who asked, when, and
under which name differs. `router.events.encode` puts the encoded parts in as they are.

Invariant: a part that is encoded here has the bytes that it has in an event that is encoded whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import orjson

from router.decision import Decision, Finding
from router.events.json_text import as_json
from router.events.schema import DecisionData, ImageData
from router.policy.ends import end_text


@dataclass(frozen=True)
class DecisionParts:
    """Values that others must not change: many events hold them."""

    decision: DecisionData
    images: list[ImageData]

    @classmethod
    def of(cls, decision: Decision, findings: Sequence[Finding]) -> Self:
        """The parts of every event about this decision."""
        return cls(decision_data(decision), [image_data(finding) for finding in findings])

    @cached_property
    def encoded(self) -> tuple[orjson.Fragment, orjson.Fragment]:
        """The decision and the images as JSON."""
        decision, images = self._bytes
        return orjson.Fragment(decision), orjson.Fragment(images)

    @property
    def size(self) -> int:
        """Bytes of what is encoded."""
        return sum(map(len, self._bytes))

    @cached_property
    def _bytes(self) -> tuple[bytes, bytes]:
        return as_json(self.decision), as_json(self.images)


def decision_data(decision: Decision) -> DecisionData:
    """A decision as events tell it."""
    data: DecisionData = {
        "outcome": decision.outcome.value,
        "mode": decision.mode.value,
        "would_reject": decision.would_reject,
        "severity": decision.severity.value,
        "message": decision.message,
        "break_glass": None,
    }
    if decision.failure is not None:
        data["failure"] = decision.failure
    if decision.glass is not None:
        grant = decision.glass.grant
        data["break_glass"] = grant.justification
        data["grant"] = {
            "id": grant.id,
            "by": grant.by,
            "until": end_text(grant.until),
            "is_new": decision.glass.is_new,
        }
    return data


def image_data(finding: Finding) -> ImageData:
    """A place of an image and what was found out about it, as events and commands tell it."""
    place, rule, judgement = finding.place, finding.rule, finding.judgement
    data: ImageData = {
        "container": place.container,
        "container_kind": place.container_kind,
        "image": place.image,
        "reference": finding.reference,
        "digest": finding.digest,
        "rule": None if rule is None else rule.pattern,
        "verifier": None if rule is None else rule.verifier,
        "verdict": judgement.verdict.value,
        "reason": judgement.reason,
        "detail": judgement.detail,
        "signers": [
            {
                "name": signer.name,
                "identity": signer.identity,
                "issuer": signer.issuer,
                "fingerprint": signer.fingerprint,
            }
            for signer in judgement.signers
        ],
        "cached": judgement.cached,
        "milliseconds": round(finding.milliseconds, 3),
        "is_new": place.is_new,
        "wanted": finding.wanted,
        "judged_by": judgement.judged_by,
    }
    if not finding.is_enforced:
        data["is_enforced"] = False
    if (exempted := finding.exempted) is not None:
        data["exemption"] = {
            "pattern": exempted.by.pattern,
            "reason": exempted.by.reason,
            "until": end_text(exempted.by.until),
            "true_verdict": exempted.verdict.value,
            "true_reason": exempted.reason,
        }
    return data
