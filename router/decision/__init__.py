"""From findings and mode to an answer with its reasons (pure)."""

from __future__ import annotations

from router.decision.deciding import Decision, audit_annotations, decide
from router.decision.finding import Failure, Finding

__all__ = ["Decision", "Failure", "Finding", "audit_annotations", "decide"]
