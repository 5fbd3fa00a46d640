"""The figure of each budget, from the code that keeps it."""

from __future__ import annotations

from collections.abc import Callable

from router import images, slices
from router.admission import deadlines, places, receiving, review, settings, unreadable, webhook
from router.assembly import attention
from router.events import EVENT_LIMIT
from router.outbound import lookups, retry_after, sessions
from router.registry import failures, referrers, transport
from router.server import limits
from router.telemetry import line_forms, line_queue, pacing, seldom, troubles
from router.trust import downloads, keeping, refreshing
from router.verification import (
    evidence,
    judgement,
    line,
    questions,
    revocation_answers,
    revocations,
    room,
    verdict_cache,
)
from router.verification.notation import envelopes
from router.verification.notation import timestamps as notation_timestamps
from router.verification.pki import certificates as pki_certificates
from router.verification.sigstore import (
    bundle,
    certificate_logs,
    certificates,
    checkpoints,
    dsse,
    log_bodies,
    log_entries,
    material,
    timestamps,
)

KIB, MIB = 2**10, 2**20


def _bytes(count: float) -> str:
    for unit, size in (("MiB", MIB), ("KiB", KIB)):
        if count >= size and count % size == 0:
            return f"{int(count // size)} {unit}"
    return f"{int(count):,} bytes"


def _seconds(seconds: float) -> str:
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"


def _count(number: float) -> str:
    return f"{number:,g}"


def _largest_body() -> float:
    return float(settings.WebhookSettings.model_fields["max_body"].default)


BUDGETS: tuple[tuple[str, str, Callable[[], str]], ...] = (
    ("a review", "its body (`webhook.max_body`)", lambda: _bytes(_largest_body())),
    ("", "bytes a second that a body must come at", lambda: _bytes(receiving.RATE)),
    ("", "how far behind that it may be", lambda: _seconds(receiving.GRACE)),
    ("", "work on it before others get a turn", lambda: _seconds(slices.SLICE)),
    ("", "kept back of its timeout: a fifth, at least", lambda: _seconds(deadlines.LEAST_KEPT)),
    ("", "and at most", lambda: _seconds(deadlines.LARGEST_KEPT)),
    ("", "images that are judged; what is beyond is denied", lambda: _count(places.PLACES_LIMIT)),
    ("", "characters of a name that can be a reference", lambda: _count(images.TEXT_LIMIT)),
    ("", "characters of a namespace, a kind, a group", lambda: _count(review.NAME_LIMIT)),
    ("", "images being verified at once", lambda: _count(room.UNDER_WAY_PER_REQUEST)),
    ("", "its event", lambda: _bytes(EVENT_LIMIT + 64)),
    ("all reviews", "bodies up to 1 MiB held at once", lambda: _bytes(receiving.ROOM)),
    ("", "of it for bodies up to 64 KiB only", lambda: _bytes(receiving.KEPT_FOR_TINY)),
    ("", "larger bodies read at once, in turns of the peers", lambda: _count(receiving.SLOTS)),
    ("", "memory of images that are being judged", lambda: _bytes(webhook.JUDGING_ROOM)),
    ("", "memory of images that wait for that, and of small requests beside", lambda: _bytes(webhook.WAITING_ROOM)),
    ("", "images being verified at once", lambda: _count(room.UNDER_WAY)),
    ("", "images waiting for their turn", lambda: _count(room.WAITING)),
    ("", "memory of remembered proofs", lambda: _bytes(verdict_cache.PROOF_BYTES)),
    ("", "memory of remembered refusals, apart", lambda: _bytes(verdict_cache.REFUSAL_BYTES)),
    ("an image", "work on its evidence before others get a turn", lambda: _seconds(slices.SLICE)),
    ("a bundle", "its list of signatures", lambda: _bytes(dsse.SIGNATURES_LIMIT)),
    ("", "values, where somebody who is trusted may have signed it", lambda: _count(bundle.VALUES_LIMIT)),
    ("a signature", "a certificate beside it", lambda: _bytes(pki_certificates.CERTIFICATE_LIMIT)),
    ("", "intermediates to an authority that is trusted", lambda: _count(certificates.INTERMEDIATES_LIMIT)),
    ("", "promises of certificate logs", lambda: _count(certificate_logs.SCT_LIMIT)),
    ("", "log entries", lambda: _count(log_entries.ENTRIES_LIMIT)),
    ("", "the body of an entry", lambda: _bytes(log_bodies.BODY_LIMIT)),
    ("", "a checkpoint", lambda: _bytes(checkpoints.CHECKPOINT_LIMIT)),
    ("", "timestamps", lambda: _count(timestamps.TIMESTAMPS_LIMIT)),
    ("", "a timestamp", lambda: _bytes(timestamps.TIMESTAMP_LIMIT)),
    ("", "an annotation of a layer with such material", lambda: _bytes(material.ANNOTATION_LIMIT)),
    ("a signature of Notation", "its envelope", lambda: _bytes(envelopes.ENVELOPE_LIMIT)),
    ("", "one of its certificates, or its timestamp", lambda: _bytes(envelopes.PART_LIMIT)),
    ("", "certificates of its chain", lambda: _count(envelopes.CHAIN_LIMIT)),
    ("", "levels of its CBOR", lambda: _count(envelopes.DEPTH_LIMIT)),
    ("", "certificates that come with its timestamp", lambda: _count(notation_timestamps.CERTIFICATES_LIMIT)),
    ("a revocation", "one exchange", lambda: _seconds(revocations.PATIENCE)),
    ("", "an OCSP answer", lambda: _bytes(revocation_answers.OCSP_LIMIT)),
    ("", "a list", lambda: _bytes(revocation_answers.LIST_LIMIT)),
    ("", "answers about certificates that are remembered", lambda: _count(revocations.STANDINGS)),
    ("", "lists that are remembered", lambda: _count(revocations.LISTS)),
    ("a repository of a trusted root", "a refresh", lambda: _seconds(refreshing.PATIENCE)),
    ("", "a file", lambda: _bytes(downloads.LARGEST)),
    ("", "getting a file", lambda: _seconds(downloads.PATIENCE_OF_ONE)),
    ("", "versions of root metadata behind the one that all begins with", lambda: _count(keeping.ROTATIONS)),
    ("", "what is kept of it", lambda: _bytes(keeping.LIMIT)),
    ("a dry run", "turns that one of its turns costs", lambda: _count(line.DRY_RUN_COST)),
    ("a connection", "its TLS handshake", lambda: _seconds(limits.WEBHOOK.handshake)),
    ("", "a request's head, from its first byte", lambda: _seconds(limits.WEBHOOK.head)),
    ("", "bytes of a head", lambda: _bytes(limits.WEBHOOK.largest_head)),
    ("", "silence, after the handshake or between requests", lambda: _seconds(limits.WEBHOOK.silent)),
    ("", "taking an answer", lambda: _seconds(limits.WEBHOOK.answer)),
    ("all connections", "at once; one more closes the longest silent one", lambda: _count(limits.WEBHOOK.most)),
    ("bodies that are no review", "events, of each cause", lambda: f"1 in {_seconds(unreadable.EVERY)}"),
    ("the log", "lines that wait for a reader", lambda: _bytes(line_queue.ORDINARY_LIMIT)),
    ("", "events more that could not be stored", lambda: _bytes(line_queue.EVENT_LIMIT)),
    ("", "a line", lambda: _bytes(line_forms.LINE_LIMIT)),
    ("", "lines of a kind that others can cause at will", lambda: f"1 in {_seconds(seldom.MINUTE)}"),
    ("trouble with Gatecrier itself", "subjects of one cause", lambda: _count(troubles.SUBJECTS)),
    ("", "events of one subject", lambda: f"1 in {_seconds(pacing.EVERY)}"),
    ("", "events of all of them in that time", lambda: _count(pacing.MOST)),
    ("", "events that wait for an outbox that takes none", lambda: _count(attention.WAITING)),
    ("an image", "a payload, a bundle, or a manifest that leads to one", lambda: _bytes(evidence.ITEM_LIMIT)),
    ("", "all of them together", lambda: _bytes(evidence.TOTAL_LIMIT)),
    ("", "more of them where an attestation is asked for", lambda: _bytes(evidence.ATTESTATIONS_LIMIT)),
    ("", "a list of referrers", lambda: _bytes(referrers.INDEX_LIMIT)),
    ("", "referrers that may be signatures", lambda: _count(evidence.REFERRER_LIMIT)),
    ("", "attestations and other referrers that are looked at", lambda: _count(evidence.ASIDE_LIMIT)),
    ("", "signatures in simple signing in one place", lambda: _count(evidence.SIGNATURE_LIMIT)),
    ("", "questions about its evidence in flight", lambda: _count(questions.AT_ONCE)),
    ("a registry", "images being verified there at once", lambda: _count(room.UNDER_WAY_PER_REGISTRY)),
    ("", "exchanges with one host that it leads to", lambda: _count(transport.CONNECTIONS_PER_HOST)),
    ("", "establishing a connection", lambda: _seconds(failures.CONNECT_SECONDS)),
    ("", "looking its name up", lambda: _seconds(lookups.LOOKUP_SECONDS)),
    ("", "a line of an answer's head, a receiver's too", lambda: _bytes(sessions.HEAD_LINE_LIMIT)),
    ("", "headers of an answer, a receiver's too", lambda: _count(sessions.HEADERS_LIMIT)),
    ("", "waiting that `Retry-After` may ask for, a receiver's too", lambda: _seconds(retry_after.RETRY_AFTER_LIMIT)),
    ("", "of the time allowed, before its silence may be tolerated", lambda: f"{judgement.LONG_ASKED:.0%}"),
)
"""Whose budget (empty: as above), what of, and how much."""


def budget_list() -> str:
    """Every budget with its figure."""
    rows = ["| of | what | at most |", "|---|---|---|"]
    rows += [f"| {whose} | {what} | {figure()} |" for whose, what, figure in BUDGETS]
    return "\n".join(rows)
