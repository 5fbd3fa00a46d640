"""Traps that other verifiers have stepped into, end to end: what lies in a registry, and what becomes of it.

Those that have a test of their own elsewhere (an attestation as a signature, another log's entry, a timestamp of other
bytes, thresholds that count signatures, floods) are not repeated here.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from router.images import Digest, ImageReference
from router.verdict import Verdict
from router.verification import Verifier
from router.verification.cosign.settings import CosignSettings
from router.verification.evidence import BUNDLE_TYPE
from tests.verification.test_identities import ALICE, WORKFLOW, judged, verifier
from tests.verification.test_keyless_mutations import case_of, written
from tests.verification.world import MemorySource, cosign, image, pen, rule, simple_signing, statement

FAR = float("inf")


async def verdict_of(source: MemorySource, settings: CosignSettings, of: ImageReference | None = None) -> Verdict:
    return (await Verifier(source, [settings]).judge(of or image(), rule(), FAR)).verdict


def with_bundle(document: dict[str, Any], digest: Digest) -> MemorySource:
    source = MemorySource()
    source.add_bundle(digest, json.dumps(document).encode())
    return source


SIGNED = Digest.parse(case_of("bundle-email")["digest"])


async def test_a_public_key_in_the_certificates_place_is_no_certificate() -> None:
    """Else whoever holds any key would be whomever he likes."""
    document = json.loads(written("bundle-email"))
    key = pen("stranger").public.material.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    document["verificationMaterial"]["certificate"]["rawBytes"] = base64.b64encode(key).decode()

    at = image(digest=SIGNED)
    sound = with_bundle(json.loads(written("bundle-email")), SIGNED)
    assert await verdict_of(sound, verifier(keyless=[ALICE]), at) is Verdict.VERIFIED
    assert await verdict_of(with_bundle(document, SIGNED), verifier(keyless=[ALICE]), at) is Verdict.INVALID


@pytest.mark.parametrize("layout", ["bundle-email", "bundle-workflow"])
async def test_the_issuer_of_one_identity_and_the_subject_of_another_are_nobody(layout: str) -> None:
    """Both are trusted, each with its own: a match of any issuer and any subject would let each speak as the other."""
    mail = {"name": "mail", "issuer": ALICE["issuer"], "subject_regex": WORKFLOW["subject_regex"]}
    flow = {"name": "flow", "issuer": WORKFLOW["issuer"], "subject": ALICE["subject"]}

    assert (await judged(layout, verifier(keyless=[ALICE, {**WORKFLOW, "subject_regex": ".+"}]))).verdict is (
        Verdict.VERIFIED
    )
    assert (await judged(layout, verifier(keyless=[mail, flow]))).verdict is Verdict.UNTRUSTED


async def test_a_signature_copied_from_another_repository_is_about_its_own_image_only() -> None:
    """Signatures are public: whoever can push puts a good one of another image beside his."""
    source = MemorySource()
    mine, other = source.add_image("v1", "mine"), source.add_image("v2", "other")
    payload = simple_signing(other)
    layer = source.layer(payload, pen("release").sign(payload))
    source.add_legacy(mine, layer)
    source.add_legacy(other, layer)

    assert await verdict_of(source, cosign("release"), image("v2")) is Verdict.VERIFIED
    assert await verdict_of(source, cosign("release"), image("v1")) is Verdict.INVALID


class TwoFaced(MemorySource):
    """A registry that gives the signed image to whoever asks first, and another one afterwards."""

    async def resolve(self, image: ImageReference, deadline: float) -> Digest:
        """Another digest each time."""
        found = await super().resolve(image, deadline)
        self.manifests[str(image.tag)] = self.manifests["other"]
        return found


async def test_a_registry_that_answers_another_manifest_on_the_second_read_has_proven_the_first_only() -> None:
    """What is told is the digest that was proven, and the next question is about what the tag then means."""
    source = TwoFaced()
    good, bad = source.add_image("v1", "good"), source.add_image("other", "bad")
    payload = simple_signing(good)
    source.add_legacy(good, source.layer(payload, pen("release").sign(payload)))
    checking = Verifier(source, [cosign("release")])
    first, second = [await checking.judge(image("v1"), rule(), FAR) for _ in range(2)]

    assert (first.verdict, first.digest) == (Verdict.VERIFIED, good)
    assert (second.verdict, second.digest) == (Verdict.UNSIGNED, bad)


async def test_bytes_that_are_not_those_of_their_digest_are_no_signature() -> None:
    """Checked in the client and again here: whoever answers must not choose what was signed."""
    source = MemorySource()
    digest = source.add_image()
    payload = simple_signing(digest)
    layer = source.layer(payload, pen("release").sign(payload))
    source.blobs[Digest.of(payload)] = payload.replace(b"cosign", b"Cosign")
    source.add_legacy(digest, layer)

    assert await verdict_of(source, cosign("release")) is Verdict.INVALID


async def test_whoever_asks_for_no_identity_gets_none() -> None:
    """An empty list of identities proves nothing, where some libraries take anybody."""
    with pytest.raises(ValueError, match="at least one key or identity"):
        verifier(keyless=[])


async def test_both_formats_of_one_signer_are_found_and_are_one_signer() -> None:
    """One reads bundles and never the tag, another the tag and never bundles."""
    source = MemorySource()
    digest = source.add_image()
    payload = simple_signing(digest)
    source.add_legacy(digest, source.layer(payload, pen("release").sign(payload)))
    source.add_bundle(digest, pen("release").bundle(statement(digest)), artifactType=BUNDLE_TYPE)
    checking = Verifier(source, [cosign("release", "security")])

    assert (await checking.judge(image(), rule(), FAR)).verdict is Verdict.VERIFIED
    assert (await checking.judge(image(), rule(threshold=2), FAR)).reason == "too_few_signers"
