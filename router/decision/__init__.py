"""From findings and mode to an answer with its reasons (pure)."""

from __future__ import annotations

from router.decision.deciding import Decision, audit_annotations, decide, last_word, of_unreadable, unanswered
from router.decision.finding import Exempted, Failure, Finding, Place

__all__ = [
    "Decision",
    "Exempted",
    "Failure",
    "Finding",
    "Place",
    "audit_annotations",
    "decide",
    "last_word",
    "of_unreadable",
    "unanswered",
]
