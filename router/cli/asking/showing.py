"""How what was found out about an image is shown to people, and which exit code it means."""

from __future__ import annotations

from router.cli.exit_codes import NO, UNKNOWN, YES
from router.cli.pages import Page
from router.decision import Finding
from router.decision.wording import next_step
from router.verdict import Verdict

_COLOURS = {YES: "good", NO: "bad", UNKNOWN: "unknown"}


def code(verdict: Verdict) -> int:
    """The exit code for an image with this verdict."""
    if verdict.is_pass:
        return YES
    return UNKNOWN if verdict is Verdict.UNVERIFIABLE else NO


def colour(exit_code: int) -> str:
    """What an answer with this code is coloured with."""
    return _COLOURS[exit_code]


def show_verdict(page: Page, finding: Finding, indent: int) -> None:
    """Verdict, digest and rule."""
    page.line(
        f"{finding.verdict} ({finding.reason}): {finding.judgement.detail}", indent, colour(code(finding.verdict))
    )
    if finding.digest is not None:
        page.line(f"digest {finding.digest}", indent)
    if finding.rule is not None:
        wants = f" wants {finding.wanted}" if finding.wanted else ""
        page.line(f'rule "{finding.rule.pattern}", verifier "{finding.rule.verifier}"{wants}', indent)


def show_remedy(page: Page, finding: Finding, indent: int) -> None:
    """What to do about an image that does not pass."""
    if not finding.verdict.is_pass:
        page.line(f"what to do: {next_step(finding)}", indent)
