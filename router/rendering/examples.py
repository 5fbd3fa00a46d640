"""Events as they can be, for rehearsing a template before any real event needs it. Pure.

Together they have every outcome, every verdict, every kind of null and list, text that people really write, and names
that nobody writes without bad intent; every state of an incident, and whatever is told of Gatecrier itself. Each has a
name that says what is special about it (`BY_NAME`). The first of each purpose has every field that there can be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

from router.events import (
    DECISION_TYPE,
    INCIDENT_TYPES,
    CloudEvent,
    DecisionData,
    HeldBy,
    ImageData,
    Origin,
    OwnerData,
    held_notice,
    top_owner,
    trouble_notice,
    unmatched_notice,
)
from router.rendering.context import Purpose
from router.telemetry.causes import Cause
from router.verdict import Verdict

_DIGEST = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_OWNER: OwnerData = {
    "api_version": "apps/v1",
    "kind": "ReplicaSet",
    "name": "web-7d4b9c",
    "uid": "0b9a3c1e-2f7d-4a51-9c55-3d2f6f0c8a11",
}


def _image(verdict: Verdict, number: int = 1) -> ImageData:
    is_judged = verdict not in {Verdict.DENIED, Verdict.UNVERIFIABLE}
    image = f"registry.example/shop/web-{number}:1.4"
    return {
        "container": f"web-{number}",
        "container_kind": "container",
        "image": image,
        "reference": image if verdict is not Verdict.DENIED else None,
        "digest": _DIGEST if is_judged else None,
        "rule": "registry.example/shop/*" if verdict is not Verdict.DENIED else None,
        "verifier": "shop-keys" if verdict is not Verdict.DENIED else None,
        "verdict": verdict.value,
        "reason": "signed" if verdict.is_pass else "no_signature",
        "detail": "" if verdict.is_pass else "neither a .sig tag nor a referrer holds a signature",
        "signers": [
            {"name": "release", "identity": None, "issuer": None, "fingerprint": _DIGEST},
            {"name": "security", "identity": "ci@example.com", "issuer": "https://issuer.example", "fingerprint": None},
        ]
        if verdict.is_pass
        else [],
        "cached": False,
        "milliseconds": 5.1,
    }


def _decision(
    outcome: Literal["admitted", "rejected", "unanswered"],
    severity: Literal["critical", "high", "medium", "info"],
    *,
    would_reject: bool,
) -> DecisionData:
    return {
        "outcome": outcome,
        "mode": "enforce" if outcome == "rejected" else "detect",
        "would_reject": would_reject,
        "severity": severity,
        "message": "registry.example/shop/web-1:1.4 (container web-1): unsigned.\nand 7 more images",
        "break_glass": None,
    }


def _event(decision: DecisionData, images: list[ImageData], owner: OwnerData | None = None) -> CloudEvent:
    return {
        "specversion": "1.0",
        "type": DECISION_TYPE,
        "id": "7c0e9d0b-6d5f-5f0a-9a53-0c1f2f7f0a11",
        "source": "/clusters/production-eu",
        "subject": "payments/Pod/web",
        "time": "2026-11-23T10:15:30.123Z",
        "datacontenttype": "application/json",
        "data": {
            "decision": decision,
            "request": {
                "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
                "operation": "CREATE",
                "api_version": "v1",
                "kind": "Pod",
                "subresource": "",
                "namespace": "payments",
                "name": "",
                "generate_name": "web-",
                "user": {"name": "alice@example.com", "groups": ["system:authenticated"]},
                "dry_run": False,
            },
            "workload": {
                "api_version": "v1",
                "kind": "Pod",
                "name": "web-",
                "owner": owner,
                "uid": "6a3c0f5e-0000-4000-8000-000000000001",
                "top_owner": top_owner("v1", "Pod", "web-", owner, "7d4b9c"),
            },
            "images": images,
            "cluster": "production-eu",
            "replica": "gatecrier-0",
            "timings": {"gate_milliseconds": 6.25},
            "sequence": 1042,
        },
    }


_BROKEN_GLASS = _decision("admitted", "critical", would_reject=True)
_BROKEN_GLASS["break_glass"] = "incident 4711: the registry is down"
_BROKEN_GLASS["grant"] = {
    "id": "7c0e9d0b-6d5f-5f0a-9a53-0c1f2f7f0a11",
    "by": "oncall@example.com",
    "until": "2026-11-23T14:15:30Z",
    "is_new": True,
}

WHOLE = _event(
    _decision("rejected", "high", would_reject=True),
    [_image(verdict, number) for number, verdict in enumerate([Verdict.VERIFIED, *reversed(Verdict)], 1)],
    _OWNER,
)
"""Every field that there can be, every verdict, many images."""
WHOLE["data"]["decision"]["is_attempt"] = True
WHOLE["data"]["decision"]["failure"] = "undelivered"
WHOLE["data"]["decision"]["grant"] = _BROKEN_GLASS["grant"]
WHOLE["data"]["images"][0]["exemption"] = {
    "pattern": "registry.example/shop/*",
    "reason": "SEC-4711: signed from 1.8 on",
    "until": "2027-01-01T00:00:00Z",
    "true_verdict": "unsigned",
    "true_reason": "no_signature",
}
WHOLE["data"]["corrects"] = "0c1f2f7f-9a53-5f0a-9a53-7c0e9d0b6d5f"
WHOLE["data"]["images_omitted"] = {"count": 300, "verdicts": {"verified": 300}}
WHOLE["data"]["unreadable"] = {"cause": "no_uid", "count": 3, "first_peer": "192.0.2.1", "first_sha256": "ab" * 32}
WHOLE["data"]["scan"] = {"pods": 3, "nodes": ["node-a", "node-b"], "image_id": _DIGEST, "tag_digest": _DIGEST}
_HOSTILE_NAME = 'web"},{\\ <!channel> [x](https://evil.example) <at>all</at> {{ 1 }}\u202e\n\x1b[2J'
"""No API server would take it; what the gate is asked about has not passed one yet."""
_HOSTILE = _event(
    _decision("rejected", "high", would_reject=True),
    [{**_image(Verdict.DENIED), "image": _HOSTILE_NAME, "container": _HOSTILE_NAME}],
    {**_OWNER, "name": _HOSTILE_NAME},
)
_HOSTILE["data"]["request"] |= {"namespace": _HOSTILE_NAME, "user": {"name": _HOSTILE_NAME, "groups": [_HOSTILE_NAME]}}
EXAMPLES: Mapping[str, CloudEvent] = {
    "rejected-many-images": WHOLE,
    "would-reject-one-image-no-owner": _event(
        _decision("admitted", "medium", would_reject=True), [_image(Verdict.UNSIGNED)]
    ),
    "admitted-one-image": _event(_decision("admitted", "info", would_reject=False), [_image(Verdict.VERIFIED)], _OWNER),
    "break-glass-two-images-no-owner": _event(_BROKEN_GLASS, [_image(Verdict.DENIED), _image(Verdict.UNVERIFIABLE, 2)]),
    "rejected-hostile-names": _HOSTILE,
    "unanswered-no-images-no-owner": _event(_decision("unanswered", "medium", would_reject=False), []),
}
"""By name; the last one is a request that could not be read."""
_ORIGIN = Origin("production-eu", "gatecrier-0")
TROUBLES = tuple(
    trouble_notice(
        _ORIGIN,
        cause,
        "siem" if cause.of else "",
        "http_500",
        began=1_790_000_000.0,
        ended=ended,
        times=3,
        at=1_790_000_600.0,
    )
    for cause in Cause
    for ended in (1_790_000_600.0, None)
)
"""Every cause, over and not; the first one has every field that a notice about trouble can have."""
TROUBLES[0]["data"]["notice"]["facts"]["advice"] = TROUBLES[1]["data"]["notice"]["facts"]["advice"]
SUMMARIES = {
    of: held_notice(
        _ORIGIN,
        "5e6a0a1c",
        f"the {of} of this destination",
        "soc-slack",
        owners=["payments/Deployment/web: 3 events, unsigned, still open"],
        incidents=2,
        events=4,
        still_open=1,
        of=of,
        at=1_790_000_600.0,
    )
    for of in get_args(HeldBy)
}
"""What was held back, by what has held it back."""
UNMATCHED = unmatched_notice(
    _ORIGIN,
    "5e6a0a1c-2f0e-4d8e-9f1c-7d1f0a6b1c22",
    "alice (planned)",
    ['request.namespace = "payments"'],
    since=1_790_000_000.0,
    ends=1_792_000_000.0,
    at=1_790_604_800.0,
)
NOTICES = (*TROUBLES, *SUMMARIES.values(), UNMATCHED)
"""Whatever is told of Gatecrier itself."""


def _incident(state: str, kind: str, severity: str, *, is_over: bool) -> dict[str, object]:
    images = [
        {
            "container": image["container"],
            "container_kind": image["container_kind"],
            "image": image["image"],
            "digest": image["digest"],
            "rule": image["rule"],
            "verdict": image["verdict"],
            "reason": image["reason"],
            "detail": image["detail"],
            "count": 21,
            "first_seen": "2026-11-23T10:15:30.123Z",
            "last_seen": "2026-11-23T10:20:30.123Z",
            "current": not is_over,
        }
        for image in (_image(Verdict.UNSIGNED), _image(Verdict.DENIED, 2))
    ]
    return {
        "specversion": "1.0",
        "type": f"{INCIDENT_TYPES[0]}{state}.v1",
        "id": "0b6b2a52-3a3c-5c0e-8f3a-1f1f6f0c9d55",
        "source": "/clusters/production-eu",
        "subject": "payments/Deployment/web",
        "time": "2026-11-23T10:15:30.123Z",
        "datacontenttype": "application/json",
        "data": {
            "incident": {
                "id": "5e6a0a1c-2f0e-5d8e-9f1c-7d1f0a6b1c22",
                "number": 17,
                "kind": kind,
                "state": state,
                "ended_by": {"how": "passing", "author": None, "reason": None} if is_over else None,
                "severity": severity,
                "cluster": "production-eu",
                "namespace": "payments",
                "owner": {"api_version": "apps/v1", "kind": "Deployment", "name": "web"},
                "claimed_owner": None if is_over else {"api_version": "apps/v1", "kind": "ReplicaSet", "name": "web-1"},
                "user": "alice@example.com",
                "images": images,
                "more_images": 2,
                "count": 42,
                "outcomes": {"rejected": 0, "admitted": 42, "unanswered": 0},
                "first_seen": "2026-11-23T10:15:30.123Z",
                "last_seen": "2026-11-23T10:20:30.123Z",
                "told": 1,
                "suppressed": 3,
                "links": {"runbook": "https://wiki.example/gatecrier/no_signature"},
            },
            "event": None if is_over else WHOLE["data"],
        },
    }


INCIDENTS = (
    _incident("opened", "workload", "high", is_over=False),
    _incident("changed", "group", "critical", is_over=False),
    _incident("repeated", "registry", "medium", is_over=False),
    _incident("resolved", "workload", "high", is_over=True),
    _incident("expired", "namespace", "info", is_over=True),
)
"""Every state of a message about an incident; the first one has every field."""
_STATE = re.compile(r"\.([a-z]+)\.v1\Z")


def _state(event_type: object) -> str:
    found = _STATE.search(str(event_type))
    return found[1] if found else ""


_TROUBLE_NAMES = [
    f"notice-{one['facts'].get('cause')}-{_state(one['event_type'])}"
    for one in (event["data"]["notice"] for event in TROUBLES)
]
BY_NAME: Mapping[Purpose, Mapping[str, Mapping[str, Any]]] = {
    "decision": EXAMPLES,
    "incident": {f"incident-{_state(message['type'])}": message for message in INCIDENTS},
    "notice": {
        **dict(zip(_TROUBLE_NAMES, TROUBLES, strict=True)),
        **{f"notice-held-back-by-{of}": notice for of, notice in SUMMARIES.items()},
        "notice-silence-unmatched": UNMATCHED,
    },
}
"""Every example, by what a template is for and then by its name; no name is there twice."""
