"""Everything we raise on purpose, one tree, one sentence per class.

    GatecrierError
    ├── ConfigurationError            the configuration can't be used; holds every problem found in one run
    ├── InvalidReferenceError         a text is no image reference or digest
    ├── ReviewError                   a body is no AdmissionReview v1 that we can answer
    ├── TemplateError                 a payload template can't be loaded or rendered
    ├── TrustRefreshError             a trusted root can't be taken from its repository
    ├── ClusterError                  the cluster's API did not do what it was asked
    ├── MisusedError                  a command line asks for what there is not
    ├── OutboxError                   the outbox can't take, find or change what it was asked to
    ├── ReplicaError                  another replica can't be asked, or has answered that it can't
    └── NotVerifiedError              an image is not proven; `verdict` says in which sense
        ├── UnsignedError             no signature there
        ├── UntrustedSignatureError   signed, but not by those whom the rule asks for
        ├── InvalidSignatureError     a signature that is broken or about another digest
        └── UnverifiableError         we could not look ("could not check" is a kind of "not verified")
            ├── NotFoundError         the registry says that it is not there
            ├── UnauthorisedError     the registry wants other credentials
            ├── RateLimitedError      the registry wants fewer requests
            ├── UnreachableError      no connection, or 5xx
            ├── TimedOutError         no answer within the deadline
            ├── OverloadedError       we had no turn for it, or no resources
            ├── MalformedAnswerError  an answer that the specification does not allow, or with another digest
            │   └── RefusedQuestionError  a 4xx that is about the question itself
            ├── TooLargeError         an answer beyond our limits
            ├── TrustEndedError       those who may sign are not trusted any more
            └── ForbiddenAddressError the name leads to an address that we never connect to

`reason` codes are public (`router.reasons`): they label metrics and stand in events and documentation.
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

from router.reasons import Absence, Distrust, EvidenceFlaw, Obstacle, Reason
from router.verdict import Verdict

UnreadableCause: TypeAlias = Literal["no_json", "no_review", "no_uid", "unread"]
"""Why a body can't be answered as a review: it is no JSON object, no AdmissionReview v1, or without a uid. Or why it is
answered without being judged: only its beginning was read."""

RefreshCause: TypeAlias = Literal["unreachable", "refused", "unkept", "internal_error"]
"""Why a trusted root was not renewed: nobody answered as a repository does; what came is not vouched for, is out of
date, an older one or no trusted root; it can't be kept on our disk; or by a mistake of ours, which the log has."""


ClusterCause: TypeAlias = Literal[
    "unconfigured",
    "unreachable",
    "timeout",
    "unauthorised",
    "forbidden",
    "not_found",
    "conflict",
    "gone",
    "rate_limited",
    "too_large",
    "malformed",
    "refused",
]
"""Why the cluster's API did not do what it was asked: we do not know how to ask; nobody answers, or with 5xx; not in
time; 401; 403; 404; 409, it exists or has changed meanwhile; 410, what was asked for is too old; 429; an answer beyond
our limits; one that is none of Kubernetes; any other 4xx."""


class GatecrierError(Exception):
    """Whatever this program raises on purpose."""


class ConfigurationError(GatecrierError):
    """The configuration can't be used; the text holds every problem with its place and remedy."""


class InvalidReferenceError(GatecrierError):
    """A text is no image reference (distribution/reference grammar) or no digest."""


class ReviewError(GatecrierError):
    """A body is no AdmissionReview v1 that we can answer; `cause` is a code for it."""

    def __init__(self, message: str, *, cause: UnreadableCause) -> None:
        super().__init__(message)
        self.cause: UnreadableCause = cause


class TemplateError(GatecrierError):
    """A payload template can't be loaded or rendered; the text names template, line and remedy."""


class TrustRefreshError(GatecrierError):
    """A trusted root can't be taken from its repository; `cause` says in which sense."""

    def __init__(self, message: str, *, cause: RefreshCause) -> None:
        super().__init__(message)
        self.cause: RefreshCause = cause


class ClusterError(GatecrierError):
    """The cluster's API did not do what it was asked; `cause` says in which sense.

    `after` are the seconds that it asks us to wait, where it does.
    """

    def __init__(self, message: str, *, cause: ClusterCause, after: float | None = None) -> None:
        super().__init__(message)
        self.cause: ClusterCause = cause
        self.after = after


class MisusedError(GatecrierError):
    """A command line asks for what there is not, or says it in no way that can be understood."""


class OutboxError(GatecrierError):
    """The outbox can't take, find or change what it was asked to."""


class ReplicaError(GatecrierError):
    """Another replica can't be asked, or has answered that it can't; `status` is of its answer, where it gave one."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class NotVerifiedError(GatecrierError):
    """An image is not proven. The text is the detail that stands in the event."""

    verdict: ClassVar[Verdict]
    default_reason: ClassVar[Reason]

    def __init__(self, detail: str, *, reason: Reason | None = None) -> None:
        super().__init__(detail)
        self.reason: Reason = self.default_reason if reason is None else reason


class UnsignedError(NotVerifiedError):
    """There is no signature of this digest."""

    verdict = Verdict.UNSIGNED
    default_reason = Absence.NO_SIGNATURE


class UntrustedSignatureError(NotVerifiedError):
    """There are sound signatures, but not by those whom the rule asks for."""

    verdict = Verdict.UNTRUSTED
    default_reason = Distrust.UNTRUSTED_SIGNER


class InvalidSignatureError(NotVerifiedError):
    """A signature is broken or about another digest; reason is a `EvidenceFlaw`."""

    verdict = Verdict.INVALID
    default_reason = EvidenceFlaw.MALFORMED


class UnverifiableError(NotVerifiedError):
    """We could not look.

    `is_registrys_doing`: a question about this image was sent, and it is the registry that left it without an answer.
    Only that may ever be tolerated; whatever else goes wrong, somebody else could bring about. A timeout has to be
    judged by how long the question was asked, see `router.verification.judgement`.
    """

    verdict = Verdict.UNVERIFIABLE
    default_reason = Obstacle.INTERNAL_ERROR

    def __init__(self, detail: str, *, reason: Reason | None = None, is_registrys_doing: bool = False) -> None:
        super().__init__(detail, reason=reason)
        self.is_registrys_doing = is_registrys_doing


class NotFoundError(UnverifiableError):
    """The registry says that the image or a part of it is not there."""

    default_reason = Obstacle.NOT_FOUND


class UnauthorisedError(UnverifiableError):
    """The registry, or its token service, refuses our credentials (401, 403)."""

    default_reason = Obstacle.UNAUTHORISED


class RateLimitedError(UnverifiableError):
    """The registry wants fewer requests (429) than the deadline lets us wait for."""

    default_reason = Obstacle.RATE_LIMITED


class UnreachableError(UnverifiableError):
    """No connection, a broken one, or 5xx after every attempt that the deadline allowed."""

    default_reason = Obstacle.UNREACHABLE


class TimedOutError(UnverifiableError):
    """No answer within the deadline."""

    default_reason = Obstacle.TIMEOUT


class OverloadedError(UnverifiableError):
    """There was no turn for it within the deadline, or no socket, port or memory to ask with: our side, not theirs."""

    default_reason = Obstacle.OVERLOADED


class MalformedAnswerError(UnverifiableError):
    """An answer that the specification does not allow, or bytes that are not those of the digest."""

    default_reason = Obstacle.MALFORMED_ANSWER


class RefusedQuestionError(MalformedAnswerError):
    """A 4xx that is about the question itself: neither about who asks nor how often, nor that it is not there."""


class TooLargeError(UnverifiableError):
    """An answer beyond our limits of size or count."""

    default_reason = Obstacle.TOO_LARGE


class TrustEndedError(UnverifiableError):
    """Whatever vouches for those who may sign has run out, and nothing newer has come."""

    default_reason = Obstacle.TRUST_ENDED


class ForbiddenAddressError(UnverifiableError):
    """A name leads to a link-local or metadata address, which we never connect to."""

    default_reason = Obstacle.FORBIDDEN_ADDRESS
