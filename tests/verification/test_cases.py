"""What real tools signed: every cosign case, by a registry with and without the referrers API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from router.images import ImageReference
from router.registry import RegistryClient
from router.verdict import Verdict
from router.verification import Verifier
from router.verification.cosign.settings import CosignSettings
from tests.simulators.docker_registry import DockerRegistry
from tests.simulators.registry import RegistrySimulator
from tests.verification.world import DATA, MemorySource, image, rule

CASES = json.loads((DATA / "cases.json").read_text())
FAR = float("inf")


def expectations() -> Iterator[Any]:
    for case in CASES:
        for index, expected in enumerate(case["expect"]):
            policy = expected["policy"]
            if policy["kind"] == "cosign":
                for has_api in (True, False):
                    if has_api or not case["format"].endswith("referrers"):
                        name = f"{case['name']}-{index}-{'api' if has_api else 'tag'}"
                        yield pytest.param(case, expected, has_api, id=name)


def settings_of(keys: Sequence[str]) -> CosignSettings:
    entries = [{"name": name, "pem": (DATA / "keys" / f"{name}.pub").read_text()} for name in keys]
    return CosignSettings.model_validate({"name": "keys", "kind": "cosign", "keys": entries})


@pytest.mark.parametrize(("case", "expected", "has_api"), list(expectations()))
async def test_real_evidence_gets_the_verdict_that_it_deserves(
    case: dict[str, Any], expected: dict[str, Any], *, has_api: bool
) -> None:
    policy = expected["policy"]
    source = MemorySource.of_layout(DATA / "layouts" / case["layout"], has_api=has_api)
    verifier = Verifier(source, [settings_of(policy["keys"])])
    asked = rule(**{name: policy[name] for name in ("threshold", "required", "annotations") if name in policy})
    judgement = await verifier.judge(image(case["reference"]), asked, FAR)

    assert judgement.verdict in expected.get("accept_any", [expected["verdict"]]), judgement
    if case["digest"]:
        assert str(judgement.digest) == case["digest"]


@pytest.mark.parametrize("name", ["legacy-ed25519", "legacy-v2-ed25519", "bundle-ed25519"])
async def test_what_cosign_signs_with_ed25519_is_verified(name: str) -> None:
    """Cosign signs with Ed25519ph and then refuses its own signature; here both variants hold."""
    verifier = Verifier(MemorySource.of_layout(DATA / "layouts" / name), [settings_of(["ed25519"])])
    judgement = await verifier.judge(image(), rule(), FAR)

    assert judgement.verdict is Verdict.VERIFIED


async def test_simple_signing_behind_the_referrers_api_is_verified() -> None:
    verifier = Verifier(MemorySource.of_layout(DATA / "layouts" / "oci11-release"), [settings_of(["release"])])
    judgement = await verifier.judge(image(), rule(), FAR)

    assert judgement.verdict is Verdict.VERIFIED


@pytest.mark.parametrize(
    ("layout", "verdict"),
    [
        ("bundle-key-logged", "verified"),
        ("bundle-key-logged-rekor-v1", "verified"),
        ("bundle-key-timestamp-only", "verified"),
        ("legacy-key-logged", "verified"),
        ("bundle-email", "untrusted"),
    ],
)
async def test_log_material_beside_a_keys_signature_is_not_needed_and_keyless_is_a_stranger(
    layout: str, verdict: str
) -> None:
    folder = DATA / "keyless"
    keys = [{"name": "release", "pem": (folder / "keys" / "release.pub").read_text()}]
    settings = CosignSettings.model_validate({"name": "keys", "kind": "cosign", "keys": keys})
    source = MemorySource.of_layout(folder / "layouts" / layout)
    judgement = await Verifier(source, [settings]).judge(image(), rule(), FAR)

    assert judgement.verdict == verdict, judgement


def cases_for(*, has_api: bool) -> list[dict[str, Any]]:
    return [case for case, _, api in (entry.values for entry in expectations()) if api == has_api]


async def verdicts(client: RegistryClient, images: Mapping[str, ImageReference], *, has_api: bool) -> list[str]:
    """What differs from what is expected, by the real client; one verifier per expectation."""
    differing = []
    for case, expected, api in (entry.values for entry in expectations()):
        if api != has_api:
            continue
        policy = expected["policy"]
        verifier = Verifier(client, [settings_of(policy["keys"])])
        asked = rule(**{name: policy[name] for name in ("threshold", "required", "annotations") if name in policy})
        judgement = await verifier.judge(images[case["name"]], asked, FAR)
        if judgement.verdict not in expected.get("accept_any", [expected["verdict"]]):
            differing.append(f"{case['name']}: {judgement}")
    return differing


async def test_the_client_leads_to_the_same_verdicts_by_the_referrers_api() -> None:
    async with RegistrySimulator().running() as registry, RegistryClient([registry.settings]) as client:
        images = {}
        for case in cases_for(has_api=True):
            registry.load_layout(DATA / "layouts" / case["layout"], f"cases/{case['layout']}")
            images[case["name"]] = registry.image(f"cases/{case['layout']}:{case['reference']}")

        assert await verdicts(client, images, has_api=True) == []


async def test_the_client_leads_to_the_same_verdicts_in_a_real_registry(open_registry: DockerRegistry) -> None:
    """docker-registry has no referrers API: bundles lie behind the fallback tag."""
    layouts = {case["layout"] for case in cases_for(has_api=False)}
    for layout in layouts:
        open_registry.push_layout(DATA / "layouts" / layout, f"cases/{layout}")
    images = {
        case["name"]: open_registry.image(f"cases/{case['layout']}:{case['reference']}")
        for case in cases_for(has_api=False)
    }

    async with RegistryClient([open_registry.settings]) as client:
        assert await verdicts(client, images, has_api=False) == []
