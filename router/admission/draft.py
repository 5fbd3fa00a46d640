"""What is about to be told about a request: a decision with its findings, and what follows from them alone. Pure.

Whatever does not differ between two requests that are decided alike is made once and kept here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from router.decision import Decision, Finding, audit_annotations
from router.events import DecisionParts
from router.verdict import Override, RequestOutcome, Verdict


@dataclass(frozen=True)
class Draft:
    """A decision and its findings; others must not change what it gives."""

    decision: Decision
    findings: Sequence[Finding]

    @property
    def is_admission(self) -> bool:
        """Whether the request is let in."""
        return self.decision.outcome is RequestOutcome.ADMITTED

    @property
    def has_grant(self) -> bool:
        """Whether it lets in what controllers make of the object: it is told and stored with that."""
        glass = self.decision.glass
        return self.is_admission and glass is not None and glass.is_new

    @cached_property
    def is_only_watched(self) -> bool:
        """Whether no rule of its images enforces: then nothing refuses it, whatever its namespace says."""
        return bool(self.findings) and not any(finding.is_enforced for finding in self.findings)

    @cached_property
    def overrides(self) -> Sequence[Override]:
        """By what it lets in images that fail; nothing where it lets in none."""
        glass = self.decision.glass
        found = [Override.EXEMPTION] if any(one.exempted is not None for one in self.findings) else []
        found += [] if glass is None else [Override.BREAK_GLASS if glass.is_new else Override.GRANT]
        return found if self.is_admission else ()

    @cached_property
    def is_failing(self) -> bool:
        """Whether an image of it fails, blocked or not."""
        return any(finding.is_failing for finding in self.findings)

    @cached_property
    def parts(self) -> DecisionParts:
        """What every event about it has in common."""
        return DecisionParts.of(self.decision, self.findings)

    @cached_property
    def audit(self) -> Mapping[str, str]:
        """What the API server's audit log keeps, but for the event's id."""
        return audit_annotations(self.decision, self.findings)

    @cached_property
    def verdicts(self) -> Sequence[Verdict]:
        """One for each place of an image."""
        return [finding.verdict for finding in self.findings]
