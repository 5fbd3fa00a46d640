"""Readiness as reports that other tools read: PolicyReport and OpenReports' Report, a document each for each namespace.

Rules:
(1) Both have the same members; the group, the version and the kind tell them apart.
(2) A result is what would break (`fail`) or could not be looked at (`error`), about its owner. A namespace of which
    something is not known has a result for each cause (`warn`); one that is ready has one that says so (`pass`).
(3) Severities are high and medium: older versions of the schema know no other beside low.

Source: kubernetes-sigs/wg-policy-prototypes, CRD policyreports.wgpolicyk8s.io v1alpha2; openreports/reports-api, CRD
reports.openreports.io v1alpha1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import yaml

from router.cli.readiness.report import Report, what_of
from router.readiness.judging import ReadinessState
from router.readiness.sighting import SightedImage
from router.readiness.wording import missing_words, next_steps
from router.text import cut, one_line

if TYPE_CHECKING:
    from router.kubernetes.client import Json

_KINDS = (("wgpolicyk8s.io/v1alpha2", "PolicyReport"), ("openreports.io/v1alpha1", "Report"))
_RESULTS = ("pass", "fail", "warn", "error", "skip")
NAME = "gatecrier-readiness"
MESSAGE_LIMIT = 1000
"""Characters of a message."""


def policy_reports(reports: Sequence[Report], now: float) -> str:
    """The documents as YAML; `now` is in seconds since 1970."""
    documents = [
        _document(report, api_version, kind, now)
        for report in reports
        if report.overview.namespace
        for api_version, kind in _KINDS
    ]
    return yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=False).rstrip()


def _document(report: Report, api_version: str, kind: str, now: float) -> Mapping[str, Json]:
    namespace, results = report.overview.namespace, list(_results(report, now))
    counts = Counter(str(result["result"]) for result in results)
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": NAME,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "gatecrier"},
        },
        "scope": {"apiVersion": "v1", "kind": "Namespace", "name": namespace},
        "summary": {result: counts[result] for result in _RESULTS},
        "results": results,
    }


def _results(report: Report, now: float) -> Iterator[dict[str, Json]]:
    namespace = report.overview.namespace
    for image in report.failing:
        yield _of_image(image, namespace, "fail", "high")
    for image in report.unreachable:
        yield _of_image(image, namespace, "error", "medium")
    for missing in report.overview.judged.missing:
        meaning, step = missing_words(missing, report.settings, namespace)
        yield _result("readiness", missing.value, "warn", "medium", f"{meaning}. {step}", now)
    if report.overview.judged.state is ReadinessState.READY:
        yield _result("readiness", "ready", "pass", "medium", "this namespace can be enforced now", now)


def _of_image(image: SightedImage, namespace: str, result: str, severity: str) -> dict[str, Json]:
    sighting, owner = image.seen.sighting, image.seen.owner
    message = " ".join((f"{what_of(image)}.", *next_steps(image, namespace)))
    found = _result("images", sighting.rule or "no-rule", result, severity, message, image.last_at)
    found["resources"] = [
        {"apiVersion": owner["api_version"], "kind": owner["kind"], "name": owner["name"], "namespace": namespace}
    ]
    found["properties"] = {
        "image": one_line(sighting.image),
        "digest": sighting.digest or "",
        "verdict": sighting.verdict,
        "reason": sighting.reason,
        "times": str(image.times),
    }
    return found


def _result(policy: str, rule: str, result: str, severity: str, message: str, at: float) -> dict[str, Json]:
    return {
        "source": "gatecrier",
        "policy": policy,
        "rule": one_line(rule),
        "category": "Image signatures",
        "severity": severity,
        "result": result,
        "scored": result in {"pass", "fail"},
        "message": cut(one_line(message), MESSAGE_LIMIT),
        "timestamp": {"seconds": int(at), "nanos": 0},
    }
