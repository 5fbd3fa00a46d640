"""What the real tool signed: every case of Notation, by a registry with and without the referrers API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from router.verdict import Verdict
from router.verification import Verifier
from router.verification.notation.settings import NotationSettings
from tests.verification.world import DATA, MemorySource, cosign, image, rule

CASES = json.loads((DATA / "cases.json").read_text())
FAR = float("inf")
THEN = datetime(2026, 11, 25, tzinfo=UTC).timestamp()
"""After what was made to expire had expired."""


def expectations() -> Iterator[Any]:
    for case in CASES:
        for index, expected in enumerate(case["expect"]):
            if expected["policy"]["kind"] == "notation":
                for has_api in (True, False):
                    if has_api or not case["format"].endswith("referrers"):
                        yield pytest.param(case, expected, has_api, id=f"{case['name']}-{index}-{has_api}")


def settings_of(policy: dict[str, Any]) -> NotationSettings:
    stores = [
        {"name": name, "type": "ca", "pem": (DATA / "keys" / f"{name}.pem").read_text()} for name in policy["keys"]
    ]
    told = {"name": "suppliers", "kind": "notation", "trust_stores": stores}
    return NotationSettings.model_validate(told | {key: policy[key] for key in ("level", "identities")})


def test_there_are_cases() -> None:
    assert len(list(expectations())) >= 70


@pytest.mark.parametrize(("case", "expected", "has_api"), list(expectations()))
async def test_real_evidence_gets_the_verdict_that_it_deserves(
    case: dict[str, Any], expected: dict[str, Any], *, has_api: bool
) -> None:
    source = MemorySource.of_layout(DATA / "layouts" / case["layout"], has_api=has_api)
    verifier = Verifier(source, [settings_of(expected["policy"])], now=lambda: THEN)
    asked = rule("suppliers", annotations=expected["policy"].get("annotations"))
    judgement = await verifier.judge(image(case["reference"]), asked, FAR)

    assert judgement.verdict in expected.get("accept_any", [expected["verdict"]]), judgement
    assert str(judgement.digest) == case["digest"]


async def test_each_scheme_looks_for_its_own_evidence_only() -> None:
    """Both lie behind one fallback tag; Notation never asks for the tag that only cosign has."""
    case = next(entry for entry in CASES if entry["name"] == "notation-beside-cosign")
    source = MemorySource.of_layout(DATA / "layouts" / case["layout"], has_api=False)
    policy = next(entry["policy"] for entry in case["expect"] if entry["policy"]["kind"] == "notation")
    judgement = await Verifier(source, [settings_of(policy)], now=lambda: THEN).judge(
        image(case["reference"]), rule("suppliers"), FAR
    )

    assert judgement.verdict is Verdict.VERIFIED
    assert not [question for question in source.asked if question.endswith(".sig")]


async def test_what_is_broken_of_cosigns_is_nothing_to_notation() -> None:
    """And the other way round: who breaks the one must not turn the other's "unsigned" into "invalid"."""
    source = MemorySource()
    digest = source.add_image()
    source.add_bundle(digest, b"{", layers=[])
    notation = settings_of({"keys": ["notation-ec-ca"], "level": "strict", "identities": ["*"]})
    verifier = Verifier(source, [notation, cosign("release")], now=lambda: THEN)

    assert (await verifier.judge(image(), rule("suppliers"), FAR)).verdict is Verdict.UNSIGNED
    assert (await verifier.judge(image(), rule(), FAR)).verdict is Verdict.INVALID


@pytest.mark.parametrize(
    ("differing", "verdict", "reason"),
    [
        ({"layers": []}, Verdict.INVALID, "malformed"),
        (
            {"config": {"mediaType": "application/vnd.cncf.notary.signature"}, "artifactType": ""},
            Verdict.INVALID,
            "media_type",
        ),
        ({"artifactType": "application/vnd.example"}, Verdict.UNSIGNED, "no_signature"),
    ],
)
async def test_the_manifest_says_what_is_of_notation(
    differing: dict[str, object], verdict: Verdict, reason: str
) -> None:
    """By artifact type, or by the config's media type as version 1.1 of the specification has it; with one layer."""
    source = MemorySource()
    digest = source.add_image()
    source.add_bundle(digest, b"{}", **({"artifactType": "application/vnd.cncf.notary.signature"} | differing))
    notation = settings_of({"keys": ["notation-ec-ca"], "level": "strict", "identities": ["*"]})
    judgement = await Verifier(source, [notation], now=lambda: THEN).judge(image(), rule("suppliers"), FAR)

    assert (judgement.verdict, judgement.reason) == (verdict, reason)
