"""Findings for tests: one that stands for many, and others that differ from it by name."""

from __future__ import annotations

import dataclasses

import msgspec

from router.decision import Finding, Place
from router.images import Digest
from router.policy.rules import Rule
from router.reasons import Absence
from router.verdict import Mode, Verdict
from router.verification import Judgement

DIGEST = "sha256:" + "9f" * 32
RULE = Rule(
    pattern="registry.example/shop/*",
    verifier="shop-keys",
    threshold=None,
    required=(),
    annotations={},
    mode=Mode.ENFORCE,
    on_unverifiable="reject",
    key="",
)
UNSIGNED = Finding(
    Place("web", "container", "registry.example/shop/web:1.4", "/spec/containers/0/image"),
    "registry.example/shop/web:1.4",
    RULE,
    Judgement(
        Verdict.UNSIGNED,
        Absence.NO_SIGNATURE,
        "neither a .sig tag nor a referrer holds a signature",
        Digest.parse(DIGEST),
        (),
        cached=False,
    ),
    'a signature by key "release"',
    5.1,
)


def like(finding: Finding, **changes: object) -> Finding:
    """The finding with other values, by their names in place, judgement, rule (where there is one) or itself."""

    def of(part: type) -> dict[str, object]:
        return {name: changes.pop(name) for name in part.__annotations__ if name in changes}

    own = of(Finding)
    made = dataclasses.replace(
        finding,
        place=msgspec.structs.replace(finding.place, **of(Place)),
        judgement=dataclasses.replace(finding.judgement, **of(Judgement)),  # type: ignore[arg-type]  # by their names
        rule=finding.rule and dataclasses.replace(finding.rule, **of(Rule)),  # type: ignore[arg-type]  # the same
    )
    assert not changes, f"nothing is called {', '.join(changes)}"
    return dataclasses.replace(made, **own)  # type: ignore[arg-type]  # the same
