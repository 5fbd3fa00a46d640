"""What verification costs: CPU by format beside the bare signature checks, a burst of Pods, and what it weighs.

The bare counterpart of a format is measured, not guessed: while one piece of evidence is verified, every signature
check that held is noted, and those checks alone are run again by `cryptography` with keys that are read already.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias
from unittest.mock import patch

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from router.images import Digest
from router.verdict import Verdict
from router.verification import Verifier
from router.verification.evidence import Evidence, SigstoreBundle, SimpleSigning
from router.verification.keys import PublicKey
from router.verification.notation.algorithms import SigningKey
from router.verification.pki import signatures
from router.verification.pki.certificates import Certificate
from router.verification.scheme import AnyScheme, Verified
from tests.bench.table import Row
from tests.verification import test_cases, test_keyless_mutations
from tests.verification.notation import test_mutations
from tests.verification.world import DATA, MemorySource, cosign, image, pen, proven, rule, simple_signing

Work: TypeAlias = Callable[[], object]
_ROUNDS, _BATCH = 15, 20


class _Piece:
    """Evidence that holds, and what it takes to verify it."""

    def __init__(self, scheme: AnyScheme, evidence: Evidence, digest: Digest, now: float = 0.0) -> None:
        self.verify: Work = partial(proven, scheme, evidence, digest, rule(), now)

    @property
    def checks(self) -> Sequence[Work]:
        """The signature checks that held while it was verified, bare."""
        found: list[Work] = []
        with _noting(found):
            if not isinstance(self.verify(), Verified):
                raise TypeError("the evidence of a benchmark proves nothing")
        return found


def _bare(key: object, signature: bytes, content: bytes, ways: Sequence[hashes.HashAlgorithm]) -> Work:
    """The check by whichever of these hash functions holds."""
    for way in ways:
        match key:
            case ec.EllipticCurvePublicKey():
                work: Work = partial(key.verify, signature, content, ec.ECDSA(way))
            case rsa.RSAPublicKey():
                work = partial(key.verify, signature, content, padding.PKCS1v15(), way)
            case ed25519.Ed25519PublicKey():
                work = partial(key.verify, signature, content)
            case _:
                raise TypeError(key)
        try:
            work()
        except InvalidSignature:  # the next one may hold
            continue
        return work
    raise ValueError("no hash function holds")


_SHA2 = (hashes.SHA256(), hashes.SHA384(), hashes.SHA512())


@contextmanager
def _noting(found: list[Work]) -> Iterator[None]:
    """While evidence is verified: note each check that holds."""
    by_key, by_signer, issued, by_stamp = (
        PublicKey.has_signed,
        SigningKey.has_signed,
        Certificate.is_issued_by,
        signatures.has_signed,
    )

    def key_signed(self: PublicKey, content: bytes, signature: bytes) -> bool:
        if holds := by_key(self, content, signature):
            found.append(_bare(self.material, signature, content, _SHA2))
        return holds

    def signer_signed(self: SigningKey, content: bytes, signature: bytes) -> bool:
        if holds := by_signer(self, content, signature):
            found.append(partial(by_signer, self, content, signature))
        return holds

    def is_issued_by(self: Certificate, issuer: Certificate) -> bool:
        if holds := issued(self, issuer):
            content = self.parsed.tbs_certificate_bytes
            found.append(_bare(issuer.key.material, self.parsed.signature, content, _SHA2))
        return holds

    def stamp_signed(key: PublicKey, signature: bytes, content: bytes, *others: object) -> bool:
        if holds := by_stamp(key, signature, content, *others):  # type: ignore[arg-type]  # handed on as they came
            found.append(_bare(key.material, signature, content, _SHA2))
        return holds

    with ExitStack() as stack:
        stack.enter_context(patch.object(PublicKey, "has_signed", key_signed))
        stack.enter_context(patch.object(SigningKey, "has_signed", signer_signed))
        stack.enter_context(patch.object(Certificate, "is_issued_by", is_issued_by))
        stack.enter_context(patch.object(signatures, "has_signed", stamp_signed))
        yield


def _pinned(layout: str) -> _Piece:
    """Evidence by a pinned key, by the real tool."""
    case = next(entry for entry in test_cases.CASES if entry["name"] == layout)
    folder = DATA / "layouts" / case["layout"] / "blobs" / "sha256"
    for path in sorted(folder.iterdir()):
        body = path.read_bytes()
        if b"dsseEnvelope" in body:
            evidence = Evidence(bundles=(SigstoreBundle(Digest.of(body), body),))
        elif b"dev.cosignproject.cosign/signature" in body:
            (layer,) = json.loads(body)["layers"]
            payload = (folder / layer["digest"].partition(":")[2]).read_bytes()
            written = layer["annotations"]["dev.cosignproject.cosign/signature"]
            evidence = Evidence((SimpleSigning(layer["mediaType"], Digest.of(payload), written, payload),))
    return _Piece(test_cases.settings_of(["release"]).scheme(), evidence, Digest.parse(case["digest"]))


def _keyless(layout: str, version: str | None = None) -> _Piece:
    """Evidence by an identity, by the real tools; a bundle may say another version of its format."""
    document = json.loads(test_keyless_mutations.written(layout))
    if version is not None:
        document["mediaType"] = f"application/vnd.dev.sigstore.bundle+json;version={version}"
    digest = Digest.parse(test_keyless_mutations.case_of(layout)["digest"])
    return _Piece(test_keyless_mutations.scheme_of(layout), test_keyless_mutations.evidence_of(document), digest)


def _notation(name: str) -> _Piece:
    true = test_mutations.original(name)
    return _Piece(true.scheme, Evidence(notations=(true.piece,)), true.digest, true.now)


FORMATS: Mapping[str, tuple[Callable[[], _Piece], float]] = {
    "legacy signature by a key": (partial(_pinned, "legacy-release"), 1.5),
    "bundle by a key": (partial(_pinned, "bundle-release"), 2),
    "legacy signature by an identity, Rekor v1": (partial(_keyless, "legacy-email"), 2),
    "bundle v0.1 by an identity, Rekor v1": (partial(_keyless, "bundle-rekor-v1", "0.1"), 2),
    "bundle v0.2 by an identity, Rekor v1": (partial(_keyless, "bundle-rekor-v1", "0.2"), 2),
    "bundle v0.3 by an identity, Rekor v1": (partial(_keyless, "bundle-rekor-v1"), 2),
    "bundle v0.3 by an identity, Rekor v2 and a timestamp": (partial(_keyless, "bundle-email"), 2),
    "Notation JWS": (partial(_notation, "notation-jws-ec"), 2),
    "Notation COSE": (partial(_notation, "notation-cose-ec"), 2),
    "Notation JWS with a timestamp": (partial(_notation, "stamped application/jose+json"), 2),
    "Notation COSE with a timestamp": (partial(_notation, "stamped application/cose"), 2),
}
"""What is verified, and how many times as much as its bare checks it may cost."""


def _cpu(work: Work) -> float:
    began = time.process_time()
    for _ in range(_BATCH):
        work()
    return (time.process_time() - began) / _BATCH


def cpu_by_format() -> Iterator[Row]:
    """CPU of one verification beside that of its checks, interleaved."""
    for name, (make, wanted) in FORMATS.items():
        piece = make()
        checks = piece.checks

        def bare(checks: Sequence[Work] = checks) -> None:
            for check in checks:
                check()

        pairs = [(_cpu(piece.verify), _cpu(bare)) for _ in range(_ROUNDS)]
        ours, least = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
        counted = f"{least * 1e6:,.0f} µs ({len(checks)} checks)"
        yield Row(name, f"{ours * 1e6:,.0f} µs", counted, f"{ours / least:.2f}x", f"<= {wanted:g}x")


PODS, IMAGES = 1000, 20


async def _burst() -> tuple[int, float, float]:
    """Verifications of a thousand Pods of the same twenty images at once, and MiB after a burst and after five."""
    source = MemorySource(has_api=False)
    signer = pen("release")
    digests = [source.add_image(f"v{number}", f"image {number}") for number in range(IMAGES)]
    for digest in digests:
        payload = simple_signing(digest)
        source.add_legacy(digest, source.layer(payload, signer.sign(payload)))
    verifier = Verifier(source, [cosign("release")])
    demands, sizes = rule(), []
    for _ in range(5):
        until = asyncio.get_running_loop().time() + 600
        asked = [verifier.judge(image(digest=digest), demands, until) for _ in range(PODS) for digest in digests]
        if not all(judgement.verdict is Verdict.VERIFIED for judgement in await asyncio.gather(*asked)):
            raise ValueError("an image of the burst was not verified")
        sizes.append(_resident())
    looked_for = sum(question.startswith("GET sha256-") and question.endswith(".sig") for question in source.asked)
    return looked_for, sizes[0], sizes[-1]


def burst() -> Iterator[Row]:
    """How much a burst of Pods is verified, and whether memory stays."""
    count, first, last = asyncio.run(_burst())
    name = f"{PODS:,} Pods of {IMAGES} images: verifications"
    yield Row(name, str(count), str(IMAGES), f"{count / IMAGES:g}x", "1x")
    yield Row("memory after five such bursts, beside one", f"{last:.0f} MiB", f"{first:.0f} MiB", "", "flat")


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


_WEIGHT = """
import gc, time
gc.disable()  # as `serve` does while it imports
import router.policy, router.registry, router.server.certificates, router.slices
def resident(): return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20
before, began = resident(), time.process_time()
import router.verification.verifier
from router.verification.trust_roots import public_good
public_good()
print((time.process_time() - began) * 1000, resident() - before)
"""
"""All of the verifier, and the trusted root that comes with it, beside what a gate loads in any case."""


def weight() -> Iterator[Row]:
    """What the verifier adds to a start and to memory."""
    command = [sys.executable, "-c", _WEIGHT]
    runs = [
        tuple(map(float, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()))
        for _ in range(7)
    ]
    seconds, mebibytes = (statistics.median(run[side] for run in runs) for side in (0, 1))
    yield Row("the verifier: CPU of a start", f"{seconds:.0f} ms", "", "", "< 100 ms")
    yield Row("the verifier: idle memory", f"{mebibytes:.0f} MiB", "", "", "< 30 MiB")


def run() -> Sequence[Row]:
    """All of it."""
    return [*cpu_by_format(), *burst(), *weight()]
