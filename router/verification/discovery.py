"""Looks in the places where signatures of one image may lie: what is there, nothing of what it proves.

Rules:
(1) What is dear (beyond 32 KiB by its own claim) or aside (see `router.verification.places`) waits until every place
    was looked at, and then comes nearest first, the smaller of two first: what floods one place hides nothing in
    another.
(2) A referrer is looked at once, whoever lists it; it counts if any list calls it near.
(3) A list that can't be read is a defect where it was pushed (the fallback tag), a gap where the registry itself made
    it.
(4) What is aside makes no defect: what others push for others need not be there, small, few or readable for us.
(5) Layers that say the same are one, and any claim that it is cheap counts: what waits by a dear one is then looked at
    at once.

Cosign's attestation tag `.att` is asked for only by who wants an attestation: what lies there is no signature.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from router.errors import InvalidSignatureError, MalformedAnswerError, TooLargeError
from router.images import Digest
from router.reasons import EvidenceFlaw
from router.registry import Descriptor, ReferrerList
from router.registry.referrers import INDEX_LIMIT, fallback_tag, parse_index
from router.verification.evidence import (
    ASIDE_LIMIT,
    ITEM_LIMIT,
    REFERRER_LIMIT,
    SIGNATURE_LIMIT,
    AttestationLayer,
    Beside,
    Evidence,
    EvidenceFamily,
    NotationEnvelope,
    SigstoreBundle,
    SimpleSigning,
    defect,
)
from router.verification.manifests import (
    ArtifactKind,
    ArtifactManifest,
    Layer,
    read_attestation_manifest,
    read_manifest,
    read_signature_manifest,
    says_other,
)
from router.verification.places import Nearness, nearness_of
from router.verification.questions import TOO_MANY, Questions
from router.verification.sought import Sought, SoughtPlace

_CHEAP = 32 * 1024


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Something that waits until every place was looked at."""

    nearness: Nearness
    size: int
    look: Callable[[], Coroutine[None, None, None]]


class Discovery:
    """Tells what is found as it comes. It ends when whoever waits for it is cancelled."""

    def __init__(
        self, questions: Questions, digest: Digest, sought: Sought, tell: Callable[[SoughtPlace, Evidence], None]
    ) -> None:
        """Look nowhere yet; `tell` gets each piece of evidence once, when it is there."""
        self._questions = questions
        self._digest = digest
        self._sought = sought
        self._tell = tell
        self._signatures: set[tuple[Digest, str, Beside]] = set()
        self._looked_at: set[tuple[Digest, str, Beside]] = set()
        self._counted = Counter[SoughtPlace]()
        """Signatures of each place: a flood in one takes nothing from another."""
        self._referrers: set[Digest] = set()
        self._near = 0
        self._contents: set[Evidence] = set()
        self._asides = 0
        self._waiting: list[_Waiting] = []

    async def look_in(self, *places: SoughtPlace) -> None:
        """Look in these places, all at the same time; what is dear or aside there waits for `look_at_the_rest`."""
        await _all([self._place(place) for place in places])

    async def look_at_the_rest(self) -> None:
        """Look at what had to wait (1): first what is dear, then what is aside."""
        for is_aside in (False, True):
            while chosen := [one for one in self._waiting if one.nearness.is_aside == is_aside]:
                self._waiting = [one for one in self._waiting if one.nearness.is_aside != is_aside]
                chosen.sort(key=lambda one: (one.nearness, one.size))
                await _all([one.look() for one in chosen])

    async def _place(self, place: SoughtPlace) -> None:
        match place:
            case SoughtPlace.SIG_TAG:
                await self._tagged(place, "sig", read_signature_manifest)
            case SoughtPlace.ATT_TAG:
                await self._tagged(place, "att", read_attestation_manifest)
            case SoughtPlace.REFERRERS_API:
                await self._listed(place, await self._questions.referrers(self._digest))
            case SoughtPlace.FALLBACK_TAG:
                await self._listed(place, await self._fallback_list())
            case _:
                assert_never(place)

    async def _tagged(self, place: SoughtPlace, ending: str, reader: Callable[[bytes], ArtifactManifest]) -> None:
        tag = f"{self._digest.algorithm}-{self._digest.hex}.{ending}"
        manifest = _read(await self._questions.tag(tag, ITEM_LIMIT), reader)
        if isinstance(manifest, Evidence):
            self._tell(place, manifest)
        else:
            await self._layers(place, manifest)

    async def _fallback_list(self) -> ReferrerList | Evidence:
        found = await self._questions.tag(fallback_tag(self._digest), INDEX_LIMIT)
        if isinstance(found, Evidence):
            return found
        try:
            return parse_index(found, "the index behind the fallback tag")
        except TooLargeError:
            return TOO_MANY
        except MalformedAnswerError:  # the registry gave what was pushed (3)
            return defect(EvidenceFlaw.MALFORMED, "the list of referrers behind the fallback tag can't be read")

    async def _listed(self, place: SoughtPlace, listing: ReferrerList | Evidence) -> None:
        if isinstance(listing, Evidence):
            self._tell(place, listing)
            return
        if listing.is_cut:
            self._tell(place, TOO_MANY)
        if listing.unreadable:
            self._tell(
                place,
                defect(
                    EvidenceFlaw.MALFORMED,
                    "the list of referrers has an entry that can't be read, or without a digest we know",
                ),
            )
        ranked = [(nearness_of(entry, self._sought), entry) for entry in listing.entries]
        ranked.sort(key=lambda one: (one[0], one[1].size))
        now = [
            self._referrer(place, entry, nearness)
            for nearness, entry in ranked
            if not self._must_wait(nearness, entry.size, partial(self._referrer, place, entry, nearness))
        ]
        await _all(now)

    def _must_wait(self, nearness: Nearness, size: int, look: Callable[[], Coroutine[None, None, None]]) -> bool:
        """Whether this is for later; then it is kept (1)."""
        if not nearness.is_aside and size <= _CHEAP:
            return False
        self._waiting.append(_Waiting(nearness, size, look))
        return True

    async def _referrer(self, place: SoughtPlace, listed: Descriptor, nearness: Nearness) -> None:
        if listed.digest in self._referrers:  # (2)
            return
        if nearness.is_aside:
            if not self._has_room_aside():
                self._tell(place, Evidence(attestations=int(nearness is Nearness.ATTESTATION)))
                return
        elif self._near >= REFERRER_LIMIT:
            self._tell(place, TOO_MANY)
            return
        if listed.size <= ITEM_LIMIT:  # a claim beyond it is refused, and another one may be made
            self._referrers.add(listed.digest)
            self._near += not nearness.is_aside
        read = partial(read_manifest, family=self._sought.family)
        manifest = _read(await self._questions.manifest(listed.digest, listed.size), read)
        if isinstance(manifest, Evidence):
            self._tell(place, Evidence(gaps=manifest.gaps) if nearness.is_aside else manifest)  # (4)
        elif manifest.kind is ArtifactKind.SIMPLE_SIGNING:
            await self._layers(place, manifest)
        elif manifest.kind is not ArtifactKind.FOREIGN:
            await self._single(place, manifest)

    async def _layers(self, place: SoughtPlace, manifest: ArtifactManifest) -> None:
        """One signature or attestation in each layer."""
        layers = sorted(manifest.layers, key=lambda layer: layer.size)
        is_attestation = manifest.kind is ArtifactKind.ATTESTATIONS
        useful = [layer for layer in layers if (layer.is_envelope if is_attestation else layer.is_worth_fetching)]
        useless = [] if is_attestation else [layer for layer in layers if not layer.is_worth_fetching]
        self._tell(place, Evidence(tuple(_signing(layer, b"") for layer in useless), defects=manifest.defects))
        wanted: dict[Digest, list[Layer]] = {}
        for layer in useful:
            if layer.said in (self._looked_at if layer.size <= _CHEAP else self._signatures):  # (5)
                continue
            is_new = layer.said not in self._signatures
            if is_new and self._counted[place] >= SIGNATURE_LIMIT:
                self._tell(place, TOO_MANY)
                break
            if is_new and layer.size <= ITEM_LIMIT:
                self._signatures.add(layer.said)
                self._counted[place] += 1
            wanted.setdefault(layer.digest, []).append(layer)
        now = [
            self._payload(place, entries)
            for entries in wanted.values()
            if not self._must_wait(Nearness.SIGNATURE, entries[0].size, partial(self._payload, place, entries))
        ]
        await _all(now)

    async def _payload(self, place: SoughtPlace, layers: Sequence[Layer]) -> None:
        """Layers that name one blob, the smallest claim first."""
        layers = [layer for layer in layers if layer.said not in self._looked_at]
        if not layers:
            return
        if layers[0].size <= ITEM_LIMIT:
            self._looked_at.update(layer.said for layer in layers)
        body = await self._questions.blob(layers[0].digest, layers[0].size)
        if isinstance(body, Evidence):
            self._tell(place, body)
            return
        if place is SoughtPlace.ATT_TAG:
            envelopes = (AttestationLayer(layer.digest, body, layer.beside) for layer in layers)
            self._tell(place, Evidence(attestation_layers=tuple(envelopes)))
        else:
            self._tell(place, Evidence(tuple(_signing(layer, body) for layer in layers)))

    async def _single(self, place: SoughtPlace, manifest: ArtifactManifest) -> None:
        """A bundle, or an envelope of Notation."""
        (layer,) = manifest.layers
        is_other = says_other(manifest.predicate, self._sought.predicate_type)
        nearness = Nearness.ATTESTATION if is_other else Nearness.FORMAT
        if not self._must_wait(nearness, layer.size, partial(self._content, place, layer, nearness)):
            await self._content(place, layer, nearness)

    async def _content(self, place: SoughtPlace, layer: Layer, nearness: Nearness) -> None:
        if nearness.is_aside and not self._has_room_aside():
            self._tell(place, Evidence(attestations=1))
            return
        body = await self._questions.blob(layer.digest, layer.size)
        if isinstance(body, Evidence):
            self._tell(place, Evidence(attestations=1, gaps=body.gaps) if nearness.is_aside else body)  # (4)
        elif (piece := self._piece(layer, body)) not in self._contents:  # the same, whoever names it, and as what
            self._contents.add(piece)
            self._tell(place, piece)

    def _piece(self, layer: Layer, body: bytes) -> Evidence:
        match self._sought.family:
            case EvidenceFamily.COSIGN:
                return Evidence(bundles=(SigstoreBundle(layer.digest, body),))
            case EvidenceFamily.NOTATION:
                return Evidence(notations=(NotationEnvelope(layer.media_type, layer.digest, body),))
            case family:
                assert_never(family)

    def _has_room_aside(self) -> bool:
        self._asides += 1
        return self._asides <= 2 * ASIDE_LIMIT  # a manifest and a blob for each


async def _all(looks: Sequence[Coroutine[None, None, None]]) -> None:
    """All of these at the same time; what is alone needs no task of its own."""
    if len(looks) == 1:
        await looks[0]
    else:
        await asyncio.gather(*looks)


def _signing(layer: Layer, body: bytes) -> SimpleSigning:
    return SimpleSigning(layer.media_type, layer.digest, layer.signature, body, layer.beside)


def _read(body: bytes | Evidence, reader: Callable[[bytes], ArtifactManifest]) -> ArtifactManifest | Evidence:
    if isinstance(body, Evidence):
        return body
    try:
        return reader(body)
    except InvalidSignatureError as error:
        return Evidence(defects=(error,))
