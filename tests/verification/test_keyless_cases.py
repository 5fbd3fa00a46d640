"""What real tools signed with short-lived certificates, on a Sigstore instance of our own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from router.fields import ReadingContext
from router.verification import Verifier
from router.verification.cosign.settings import CosignSettings
from tests.verification.world import DATA, MemorySource, image, rule

FOLDER = DATA / "keyless"
CASES = json.loads((FOLDER / "cases.json").read_text())
FAR = float("inf")
_OF_VERIFIER = ("transparency_log", "timestamp", "sct", "attestation")


def expectations() -> Iterator[Any]:
    for case in CASES:
        for index, expected in enumerate(case["expect"]):
            for has_api in (True, False):
                if has_api or not case["format"].endswith("referrers"):
                    name = f"{case['name']}-{index}-{'api' if has_api else 'tag'}"
                    yield pytest.param(case, expected, has_api, id=name)


def settings_of(policy: dict[str, Any]) -> CosignSettings:
    """The verifier that a case's policy describes."""
    written: dict[str, Any] = {"name": "keys", "kind": "cosign"}
    written |= {key: policy[key] for key in _OF_VERIFIER if key in policy}
    if keys := policy.get("keys"):
        written["keys"] = [{"name": key, "pem": (FOLDER / "keys" / f"{key}.pub").read_text()} for key in keys]
    if identities := policy.get("keyless"):
        identities = identities if isinstance(identities, list) else [identities]
        written["keyless"] = [{"name": f"identity-{number}", **entry} for number, entry in enumerate(identities)]
    written["trust_root"] = {"file": policy.get("trust_root", "trusted_root.json")}
    reading = ReadingContext(FOLDER, {}, lambda path, _: Path(path).read_bytes())
    settings = CosignSettings.model_validate(written, context={"reading": reading})
    settings.bind(())
    return settings


@pytest.mark.parametrize(("case", "expected", "has_api"), list(expectations()))
async def test_real_evidence_by_identities_gets_the_verdict_that_it_deserves(
    case: dict[str, Any], expected: dict[str, Any], *, has_api: bool
) -> None:
    policy = expected["policy"]
    source = MemorySource.of_layout(FOLDER / "layouts" / case["layout"], has_api=has_api)
    verifier = Verifier(source, [settings_of(policy)])
    judgement = await verifier.judge(image(case["reference"]), rule(threshold=policy.get("threshold")), FAR)

    assert judgement.verdict in (expected.get("accept_any") or [expected["verdict"]]), judgement
