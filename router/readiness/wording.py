"""What people read about readiness: what is not known and how to find out, what would break and what to do. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from router.decision.wording import remedy
from router.errors import InvalidReferenceError
from router.fields import duration_text
from router.images import parse_reference
from router.readiness.judging import Missing
from router.readiness.settings import ReadinessSettings
from router.readiness.sighting import NOT_JUDGED, UNREADABLE, SightedImage
from router.reasons import REASONS, Reason
from router.verdict import Verdict

_MISSING: Mapping[Missing, tuple[str, str]] = {
    Missing.NOTHING_SEEN: (
        "no request of this namespace was ever seen",
        "check its name, and that the webhook's namespaceSelector takes it; deploy something in it",
    ),
    Missing.WATCHED_TOO_SHORT: (
        "it was not watched for the whole window of {window} without a gap of more than {gap}",
        "wait until the window is over, or judge by a shorter one: --since",
    ),
    Missing.TOO_FEW_REQUESTS: (
        "fewer requests than readiness.least_requests ({least_requests}) were seen within the window",
        "deploy something in it; what runs already: kubectl rollout restart deployment -n {namespace}",
    ),
    Missing.NOT_SCANNED: (
        "Pods that run since before anybody watched were not looked at",
        "gatecrier scan; without the cluster's API: kubectl get pods -n {namespace} -o yaml | gatecrier check -",
    ),
    Missing.PODS_UNKNOWN: (
        "the last scan could not tell of some Pods whether they would be refused",
        "gatecrier scan --namespace {namespace}",
    ),
    Missing.UNREACHABLE: (
        "images could not be looked at within the last 24 hours",
        "let Gatecrier reach their registry; what is deployed then is looked at again",
    ),
    Missing.FORGOTTEN: (
        "more would have been refused than is kept of one namespace, or was seen of what --what-if judges",
        "mend what is listed, and look at the events: gatecrier events search 'request.namespace = \"{namespace}\"'",
    ),
}
_EXEMPT = (
    "Or let it in until then: exemptions: [{{pattern: {pattern}, namespaces: [{namespace}], until: DATE, reason: WHY}}]"
)
_NEVER_EXEMPT = frozenset({Verdict.UNVERIFIABLE.value, Verdict.INVALID.value})
_UNREADABLE = (
    "Its images can't be read, so that it is refused wherever it is enforced: correct the object, and apply it again; "
    "what is wrong with it stands in its events: gatecrier events search 'request.namespace = \"{namespace}\"'"
)
_FAILED = "See its events: gatecrier events search 'request.namespace = \"{namespace}\"'"


def missing_words(missing: Missing, settings: ReadinessSettings, namespace: str) -> tuple[str, str]:
    """What is not known, and what to do about it."""
    values = {
        "namespace": namespace,
        "window": duration_text(settings.window),
        "gap": duration_text(settings.gap),
        "least_requests": settings.least_requests,
    }
    meaning, step = _MISSING[missing]
    return meaning.format(**values), step.format(**values)


def next_steps(image: SightedImage, namespace: str) -> Sequence[str]:
    """What to do about something that would be refused: the first step mends it, the others let it in."""
    sighting = image.seen.sighting
    if sighting.reason == NOT_JUDGED:
        return (_FAILED.format(namespace=namespace),)
    if sighting.reason == UNREADABLE:
        return (_UNREADABLE.format(namespace=namespace),)
    reason = reason_of(sighting.verdict, sighting.reason)
    mending = () if reason is None else (remedy(reason, sighting.reference or sighting.image, sighting.digest),)
    if sighting.verdict in _NEVER_EXEMPT or (pattern := _pattern(sighting.reference)) is None:
        return mending
    return (*mending, _EXEMPT.format(pattern=pattern, namespace=namespace))


def _pattern(reference: str | None) -> str | None:
    """The name of an image without tag and digest; None where there is none."""
    try:
        return None if reference is None else parse_reference(reference).name
    except InvalidReferenceError:  # it was shortened
        return None


def reason_of(verdict: str, code: str) -> Reason | None:
    """The code's own; None where this release knows no such."""
    known = {name.value: codes for name, codes in REASONS.items()}
    return next((one for one in known.get(verdict, ()) if one == code), None)
