"""The closed vocabulary of a decision: verdict, outcome, mode and severity are four different words.

*Per image* there is a verdict, what is known about its signatures. *Per request* there is an outcome, what the
API server was told. The mode says whether a failing verdict may block at all. The severity is for the people who
are told. Values are the strings that stand in events, metrics and configuration; they never change meaning.
"""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """What is known about one image."""

    VERIFIED = "verified"
    """Enough of the signers that the rule asks for have signed this digest."""
    UNSIGNED = "unsigned"
    """There is no signature of this digest in its repository."""
    UNTRUSTED = "untrusted"
    """There are signatures, but not by those whom the rule asks for."""
    INVALID = "invalid"
    """There is a signature that is broken, or about another digest."""
    UNVERIFIABLE = "unverifiable"
    """We could not look: registry down, 401, 429, timeout, malformed answer."""
    DENIED = "denied"
    """A static rule refuses this image, or no rule names it."""
    EXEMPT = "exempt"
    """A static rule lets this image pass."""
    INHERITED = "inherited"
    """The owner of this object was judged before, with the same image."""

    @property
    def is_pass(self) -> bool:
        """Whether an image with this verdict gives no reason to refuse."""
        return self in _PASSING


_PASSING = frozenset({Verdict.VERIFIED, Verdict.EXEMPT, Verdict.INHERITED})
IS_PASS = {verdict.value: verdict.is_pass for verdict in Verdict}
"""`Verdict.is_pass` by what stands in an event, for those who read many."""


class Mode(StrEnum):
    """Whether a failing verdict blocks."""

    ENFORCE = "enforce"
    DETECT = "detect"


class RequestOutcome(StrEnum):
    """What the API server was told."""

    ADMITTED = "admitted"
    REJECTED = "rejected"
    UNANSWERED = "unanswered"
    """The request could not be read (HTTP 400): the API server goes by the webhook's failurePolicy."""


class Skip(StrEnum):
    """Why there is nothing to judge in a request, or nothing to tell of it: it is only counted."""

    DELETION = "deletion"
    CONNECT = "connect"
    SUBRESOURCE = "subresource"
    """One that runs no image."""
    BEING_DELETED = "being_deleted"
    UNCHANGED = "unchanged"
    """An update that brings no image."""
    NO_IMAGES = "no_images"
    DRY_RUN = "dry_run"
    """It was judged and answered; nothing is told."""


class Override(StrEnum):
    """By what a request was let in whose images may fail."""

    EXEMPTION = "exemption"
    """At least one of them is exempt."""
    BREAK_GLASS = "break_glass"
    """It has broken the glass itself."""
    GRANT = "grant"
    """It comes of an object for which the glass was broken before."""


class Severity(StrEnum):
    """How urgent an event is for those who are told."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    INFO = "info"
