"""From findings and mode to an answer with its reasons (pure)."""

from __future__ import annotations

from router.decision.deciding import (
    Decision,
    audit_annotations,
    decide,
    last_word,
    of_unread,
    of_unreadable,
    unanswered,
    without_grant,
)
from router.decision.finding import Exempted, Failure, FailureReason, Finding, Place
from router.decision.glass import Glass, Grant, GrantedImage, granted_images
from router.decision.wording import notices as unjudged

__all__ = [
    "Decision",
    "Exempted",
    "Failure",
    "FailureReason",
    "Finding",
    "Glass",
    "Grant",
    "GrantedImage",
    "Place",
    "audit_annotations",
    "decide",
    "granted_images",
    "last_word",
    "of_unread",
    "of_unreadable",
    "unanswered",
    "unjudged",
    "without_grant",
]
