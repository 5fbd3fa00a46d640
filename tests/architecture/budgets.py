"""The figure of each budget, from the code that keeps it."""

from __future__ import annotations

from collections.abc import Callable

from router import images
from router.admission import deadlines, receiving, review, settings, slices, webhook, workloads
from router.events import EVENT_LIMIT
from router.registry import failures, lookups, transport
from router.verification import judgement, line, turns

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
    ("", "images that are judged; what is beyond is denied", lambda: _count(workloads.PLACES_LIMIT)),
    ("", "characters of a name that can be a reference", lambda: _count(images.TEXT_LIMIT)),
    ("", "characters of a namespace, a kind, a group", lambda: _count(review.NAME_LIMIT)),
    ("", "images being verified at once", lambda: _count(turns.UNDER_WAY_PER_REQUEST)),
    ("", "its event", lambda: _bytes(EVENT_LIMIT + 64)),
    ("all reviews", "bodies up to 1 MiB held at once", lambda: _bytes(receiving.ROOM)),
    ("", "of it for bodies up to 64 KiB only", lambda: _bytes(receiving.KEPT_FOR_TINY)),
    ("", "larger bodies read at once, in turns of the peers", lambda: _count(receiving.SLOTS)),
    ("", "memory of images that are being judged", lambda: _bytes(webhook.JUDGING_ROOM)),
    ("", "memory of images that wait for that, and of small requests beside", lambda: _bytes(webhook.WAITING_ROOM)),
    ("", "images being verified at once", lambda: _count(turns.UNDER_WAY)),
    ("", "images waiting for their turn", lambda: _count(turns.WAITING)),
    ("a dry run", "turns that one of its turns costs", lambda: _count(line.DRY_RUN_COST)),
    ("a registry", "images being verified there at once", lambda: _count(turns.UNDER_WAY_PER_REGISTRY)),
    ("", "connections to one host", lambda: _count(transport.CONNECTIONS_PER_HOST)),
    ("", "establishing a connection", lambda: _seconds(failures.CONNECT_SECONDS)),
    ("", "looking its name up", lambda: _seconds(lookups.LOOKUP_SECONDS)),
    ("", "of the time allowed, before its silence may be tolerated", lambda: f"{judgement.LONG_ASKED:.0%}"),
)
"""Whose budget (empty: as above), what of, and how much."""


def budget_list() -> str:
    """Every budget with its figure."""
    rows = ["| of | what | at most |", "|---|---|---|"]
    rows += [f"| {whose} | {what} | {figure()} |" for whose, what, figure in BUDGETS]
    return "\n".join(rows)
