"""How an HTTP service is talked to: what is sent, and what its answer means. Pure; no I/O.

A dialect says what is sent and what becomes of it, step by step (`Exchange`); `over_http` does the rest. Most services
are told by one request (`OneRequest`). What this module decides for all (facts of HTTP, not of a service):

(1) 2xx is a receipt.
(2) 408, 425, 429 and every 5xx are worth another try: they speak of the receiver's state (what proxies and clouds
    invented beyond 504 included), not of the event. `Retry-After` is honoured as seconds or as a date (RFC 9110,
    clause 10.2.3).
(3) 401 and 403 refuse *us*: the event is kept and the destination pauses until somebody mends the credentials. So does
    407, by which a proxy refuses us (clause 15.5.8).
(4) Redirections, 404, 405, 410 and 421 speak of the address (clauses 15.4, 15.5.5, 15.5.6, 15.5.11 and 15.5.20), as an
    ingress gives them for a minute while what stands behind it is exchanged: they are worth another try for
    `MOVED_FOR`, and then the event is set aside.
(5) Every other 4xx refuses the event for good: it would be refused again. 413 refuses its form alone: `over_http`
    sends it in smaller ones first.
(6) A status that HTTP does not have, or that ends no exchange (1xx), is a malformed reply.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

from router.destinations.document import Document
from router.destinations.encodings import Encoding
from router.destinations.outcome import AttemptOutcome, Delivered, Outcome, TryAgain, Undeliverable
from router.errors import GatecrierError
from router.outbound.retry_after import seconds_asked

UNAUTHORISED, PROXY_REFUSES_US, TOO_LARGE = 401, 407, 413
RATE_LIMITED = "rate_limited"
MOVED_FOR = 3600.0
"""Seconds that an event is tried at an address that is not there."""
WORTH_ANOTHER_TRY = frozenset({408, 425, 429, *range(500, 600)})
"""Statuses that speak of the receiver's state (rule 2)."""
_REFUSES_US = frozenset({UNAUTHORISED, 403, PROXY_REFUSES_US})
_REDIRECTIONS = frozenset(range(300, 400))
_NOT_HERE = frozenset({404, 405, 410, 421, *_REDIRECTIONS})
_TAKEN = Delivered()


Seal: TypeAlias = Callable[[bytes], Mapping[str, str]]
"""Headers that are made of a body as it is sent, such as its signature."""


class Post(msgspec.Struct, frozen=True):
    """What is sent."""

    body: bytes
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    method: str = ""
    """Which method of the service it asks for: the last part of the path, behind the URL of the destination; empty
    where that is the whole."""
    query: Mapping[str, str] = msgspec.field(default_factory=dict)
    """What is added to the query of the URL."""
    url: str = ""
    """The whole URL, where the service is told at more than one; empty where it is the destination's."""
    verb: Literal["POST", "PUT", "PATCH", "GET"] = "POST"
    """GET where the service is only asked."""
    encoding: Encoding = "json"
    """Of the body: how secrets are escaped that are filled in."""
    if_nothing: str = ""
    """Where the service is asked before it is told: what it answers while it knows nothing of this, for whoever wants
    to see what it would be told then, and asks nobody; empty where this tells it."""
    is_followed: bool = False
    """Whether others are asked after this whatever becomes of it: it leaves them half of the time."""
    seal: Seal | None = None
    """Makes headers of the body when it is what is sent."""


class Reply(msgspec.Struct, frozen=True):
    """What came back."""

    status: int
    text: str
    """The beginning of the body."""
    retry_after: str | None
    now: float
    """Seconds since 1970."""

    def asked_to_wait(self) -> float | None:
        """Seconds that the receiver wants us to wait, within our limit; None where it said nothing we understand."""
        return seconds_asked(self.retry_after, self.now)


class UnansweredError(GatecrierError):
    """Nothing came back from what an exchange has sent.

    Args:
        outcome: What becomes of the attempt, if that is all.
    """

    def __init__(self, outcome: TryAgain) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


EXCHANGES = 6
"""Requests that an attempt may be."""
Exchange: TypeAlias = Generator[Post, Reply, AttemptOutcome]
"""One attempt: it yields what is to be sent, is given what came back, and returns what became of the attempt, for all
documents or for each; it may return at once, and yields `EXCHANGES` times at most. Where nothing came back,
`UnansweredError` is raised in it, which ends it and the attempt, unless it catches that to go on."""


class Dialect(Protocol):
    """A service."""

    @property
    def receipt_bytes(self) -> int:
        """How much of the body of a 2xx `judge` must see, in bytes; 0 where the status says all."""

    def exchange(self, documents: Sequence[Document], now: float) -> Exchange:
        """One attempt with these documents, at this time (seconds since 1970)."""

    def shorter(self, document: Document) -> Document | None:
        """The document with less in it, for a receiver that found it too large; None where it has no shorter form."""


class OneRequest(ABC):
    """A service that is told by one request; unless its dialect says more, the status says all, and one size fits."""

    receipt_bytes = 0
    worth_another_try = WORTH_ANOTHER_TRY
    """Statuses that may pass, of those that speak of the receiver's state."""

    @abstractmethod
    def compose(self, documents: Sequence[Document], now: float) -> Post:
        """The request that carries these documents, at this time (seconds since 1970)."""

    def exchange(self, documents: Sequence[Document], now: float) -> Exchange:
        """One request."""
        return self.judge((yield self.compose(documents, now)))

    def shorter(self, document: Document) -> Document | None:  # noqa: ARG002 - there is none, whatever it is
        """None."""
        return None

    def judge(self, reply: Reply) -> AttemptOutcome:
        """Everything is said by the status."""
        return judge_by_status(reply, self.worth_another_try)


def is_success(status: int) -> bool:
    """Whether a status is a receipt (RFC 9110, clause 15.3)."""
    return 200 <= status < 300  # noqa: PLR2004 - successful


def judge_by_status(reply: Reply, worth_another_try: frozenset[int] = WORTH_ANOTHER_TRY) -> Outcome:
    """What a reply means to a service that says everything by its status.

    Args:
        reply: What came back.
        worth_another_try: Of the statuses of rule (2), those that may pass; the others are refusals for good.
    """
    status = reply.status
    if is_success(status):
        return _TAKEN
    if status in worth_another_try:
        reason = RATE_LIMITED if status == 429 else f"http_{status}"  # noqa: PLR2004 - Too Many Requests
        return TryAgain(reason, after=reply.asked_to_wait())
    if status in _REFUSES_US:
        return TryAgain("unauthorised", pauses=True)
    if status in _NOT_HERE:
        reason = "redirected" if status in _REDIRECTIONS else f"http_{status}"
        return TryAgain(reason, after=reply.asked_to_wait(), within=MOVED_FOR)
    if 400 <= status < 600:  # noqa: PLR2004 - RFC 9110, clause 15.5: client error; or a service that means it for good
        return Undeliverable(f"http_{status}", is_of_form=status == TOO_LARGE)
    return TryAgain("malformed_reply")
