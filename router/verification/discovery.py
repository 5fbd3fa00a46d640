"""Looks for evidence about one digest in its repository: what is there, nothing of what it proves.

Where cosign puts signatures, in the order of cost:

    (1) the tag `ALGORITHM-HEX.sig`: one manifest, then the payloads of its layers at once;
    (2) referrers that may be signatures by the list: artifact type of a bundle or of cosign, an empty one, or none
        (some registries list another type than the manifest has);
    (3) all other referrers: their manifests decide, never the list.

What goes wrong is part of what was found, so that a proof in one place holds whatever happens in the others:

- not there (404): nothing was found where a *tag* or list was asked for. A manifest or blob that is named by another
  and not there is a defect (`missing`): somebody says that there is more.
- beyond a limit: a defect (`too_many`, `too_large`), see `router.verification.evidence`. Limits hold for each place by
  itself, so that what floods one hides nothing in another.
- a list of referrers that can't be read: a defect where it was pushed (the fallback tag), a gap where the registry
  itself made it.
- all else: a gap, and the verdict will be `unverifiable` unless the rest is proof enough.

Cosign's attestation tag `.att` is asked for in place of (1) where an attestation is wanted, and only there: what lies
there is no signature. At most eight questions are in
flight for one image.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from router.errors import (
    InvalidSignatureError,
    MalformedAnswerError,
    NotFoundError,
    TooLargeError,
    UnverifiableError,
)
from router.images import Digest, ImageReference
from router.registry import Descriptor, Manifest
from router.registry.referrers import fallback_tag
from router.verification.evidence import (
    BUNDLE_TYPES,
    ITEM_LIMIT,
    REFERRER_LIMIT,
    SIGNATURE_ARTIFACT_TYPE,
    Evidence,
    Flaw,
    defect,
)
from router.verification.manifests import (
    ArtifactManifest,
    Layer,
    plan_of,
    read_attestation_manifest,
    read_manifest,
    read_signature_manifest,
)

_TYPES_THAT_SAY_NOTHING = frozenset({"", "application/vnd.oci.empty.v1+json"})
_AT_ONCE = 8
_BYTES_INLINE = 64 * 1024
"""Bytes of JSON that may hold up the loop, for about a millisecond; more goes to a thread."""
_T = TypeVar("_T")


class EvidenceSource(Protocol):
    """Where evidence is asked for: a registry client. Deadlines are in the time of the running loop.

    Every method raises UnverifiableError, and nothing else that is expected.
    """

    async def resolve(self, image: ImageReference, deadline: float) -> Digest:
        """The digest that the image's tag means now."""

    async def manifest(self, image: ImageReference, reference: Digest | str, deadline: float) -> Manifest:
        """A manifest of the image's repository, by digest or tag."""

    async def blob(self, image: ImageReference, digest: Digest, deadline: float, limit: int) -> bytes:
        """A blob of the image's repository, of at most `limit` bytes."""

    async def referrers(self, image: ImageReference, digest: Digest, deadline: float) -> tuple[Descriptor, ...]:
        """What refers to this digest, by the API or the fallback tag."""


class Search:
    """One search for evidence; keeps the list of referrers from one place to the next."""

    def __init__(self, source: EvidenceSource, image: ImageReference, digest: Digest, deadline: float) -> None:
        self._source = source
        self._image = image
        self._digest = digest
        self._deadline = deadline
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._likely: list[Descriptor] = []
        self._unlikely: list[Descriptor] = []

    async def legacy(self) -> Evidence:
        """What stands behind the `.sig` tag (1)."""
        return await self._tagged("sig", read_signature_manifest)

    async def attestations(self) -> Evidence:
        """What stands behind the `.att` tag."""
        return await self._tagged("att", read_attestation_manifest)

    async def _tagged(self, ending: str, reader: Callable[[bytes], ArtifactManifest]) -> Evidence:
        tag = f"{self._digest.algorithm}-{self._digest.hex}.{ending}"
        found = await self._asked(lambda: self._source.manifest(self._image, tag, self._deadline), absent=Evidence())
        if isinstance(found, Evidence):
            return found
        manifest = await _read(reader, found.body)
        return manifest if isinstance(manifest, Evidence) else await self._contents([manifest])

    async def likely_referrers(self) -> Evidence:
        """What refers to the image and may be a signature by the list (2)."""
        listed = await self._list()
        return listed + await self._referrers(self._likely, is_likely=True)

    async def unlikely_referrers(self) -> Evidence:
        """What else refers to the image (3); after `likely_referrers`."""
        return await self._referrers(self._unlikely, is_likely=False)

    async def _list(self) -> Evidence:
        try:
            found = await self._source.referrers(self._image, self._digest, self._deadline)
        except NotFoundError:
            return Evidence()
        except TooLargeError:
            return defect(Flaw.TOO_MANY, f"more than {REFERRER_LIMIT} referrers, or more than are looked at")
        except MalformedAnswerError as error:
            return await self._malformed_list(error)
        except UnverifiableError as error:
            return Evidence(gaps=(error,))
        distinct = {entry.digest: entry for entry in found}
        for entry in list(distinct.values())[:REFERRER_LIMIT]:
            (self._likely if _may_be_signature(entry) else self._unlikely).append(entry)
        if len(distinct) > REFERRER_LIMIT:
            return defect(Flaw.TOO_MANY, f"more than {REFERRER_LIMIT} referrers")
        return Evidence()

    async def _malformed_list(self, error: MalformedAnswerError) -> Evidence:
        tag = fallback_tag(self._digest)
        found = await self._asked(
            lambda: self._source.manifest(self._image, tag, self._deadline), absent=Evidence(gaps=(error,))
        )
        if isinstance(found, Manifest):  # the registry gave what was pushed, and what was pushed can't be read
            return defect(Flaw.MALFORMED, "the list of referrers behind the fallback tag can't be read")
        return found

    async def _referrers(self, listed: Sequence[Descriptor], *, is_likely: bool) -> Evidence:
        answers = await _all([self._referrer(entry, is_likely=is_likely) for entry in listed])
        failed = [answer for answer in answers if isinstance(answer, Evidence)]
        manifests = [answer for answer in answers if isinstance(answer, ArtifactManifest)]
        return sum(failed, Evidence()) + await self._contents(manifests)

    async def _referrer(self, listed: Descriptor, *, is_likely: bool) -> ArtifactManifest | Evidence:
        absent = defect(Flaw.MISSING, "a manifest that the list of referrers names is not there")
        found = await self._asked(
            lambda: self._source.manifest(self._image, listed.digest, self._deadline), absent=absent
        )
        answer = found if isinstance(found, Evidence) else await _read(read_manifest, found.body)
        if isinstance(answer, Evidence) and not is_likely:
            return Evidence(gaps=answer.gaps)  # what others push for others need not be readable for us
        return answer

    async def _contents(self, manifests: Sequence[ArtifactManifest]) -> Evidence:
        """What the manifests of one place hold: each blob fetched once, the smallest first where not all may be."""
        plan = plan_of(manifests)
        fetched = await _all([self._blob(layer) for layer in plan.blobs])
        bodies = dict(zip((layer.digest for layer in plan.blobs), fetched, strict=True))
        lost = [body for body in fetched if isinstance(body, Evidence)]
        return sum(lost, plan.evidence(bodies))

    async def _blob(self, layer: Layer) -> bytes | Evidence:
        absent = defect(Flaw.MISSING, "a payload that a signature manifest names is not there")
        return await self._asked(
            lambda: self._source.blob(self._image, layer.digest, self._deadline, layer.size), absent=absent
        )

    async def _asked(self, question: Callable[[], Awaitable[_T]], absent: Evidence) -> _T | Evidence:
        """The answer, or what a missing one means."""
        try:
            async with self._slots:
                return await question()
        except NotFoundError:
            return absent
        except TooLargeError:
            return defect(Flaw.TOO_LARGE, "a part of the evidence is larger than its limit, or than is said of it")
        except UnverifiableError as error:
            return Evidence(gaps=(error,))


def _may_be_signature(listed: Descriptor) -> bool:
    kind = listed.artifact_type
    return kind in _TYPES_THAT_SAY_NOTHING or kind.startswith(BUNDLE_TYPES) or kind == SIGNATURE_ARTIFACT_TYPE


async def _read(reader: Callable[[bytes], ArtifactManifest], body: bytes) -> ArtifactManifest | Evidence:
    if len(body) > ITEM_LIMIT:
        return defect(Flaw.TOO_LARGE, f"a signature manifest has more than {ITEM_LIMIT} bytes")
    try:
        return reader(body) if len(body) <= _BYTES_INLINE else await asyncio.to_thread(reader, body)
    except InvalidSignatureError as error:
        return Evidence(defects=(error,))


async def _all(questions: Sequence[Awaitable[_T]]) -> Sequence[_T]:
    if len(questions) == 1:  # the usual case needs no task
        return [await questions[0]]
    return await asyncio.gather(*questions)
