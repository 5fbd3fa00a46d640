"""What became of an attempt to deliver: a closed set, for a document or for each of a batch. Pure.

`reason` is a public code: it labels metrics and stands in `deliveries list`. It is one of `REASONS`, or `http_` and the
status where nothing more is known. It never holds anything that a receiver said, and no address. What a receiver said
stands beside it, as `words`: cut, of one line, without our secrets (`words.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, TypeAlias

REASONS: Final[Mapping[str, str]] = {
    "connection_failed": "no connection, or it ended before the reply began",
    "forbidden_address": "the name leads to an address that egress.allow does not name, or that is never connected to",
    "internal_error": "a mistake of ours: `rendering_failed` or `delivery_failed` in the log has it",
    "io_error": "the file could not be written",
    "message_refused": "the receiver refuses this (Slack's Web API: `error`; OTLP: some of it; SMTP: 5yz to the mail)",
    "malformed_reply": "what came back is not a reply, half a reply, or no receipt",
    "no_token": "the authorization server that grants access tokens fails, or answers with none",
    "proxy_failed": "the proxy could not or would not connect us",
    "rate_limited": "the receiver wants fewer requests (429)",
    "receiver_failed": "the receiver says that it has trouble (Slack's Web API: `error`; SMTP: 4yz)",
    "recipient_refused": "the receiver refuses somebody whom the message is for, for good; all others have it",
    "redirected": "the receiver points elsewhere, where nothing is sent; tried again for an hour",
    "refused_here": "the receiver refuses us at this address: channel, app, webhook or index is gone, or not ours",
    "timeout": "no reply within `timeout`",
    "tls_failed": "no TLS connection: certificate, name or protocol",
    "unacknowledged": "the receiver has it, and does not say that it keeps it (Splunk: `acknowledge`)",
    "unauthorised": "our credentials are refused (401, 403; 407 by the proxy; 4xx by the authorization server)",
}
"""Every code but `http_<status>`, and what it means."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver has given its receipt."""

    status: int | None = field(default=None, compare=False)
    """Of the answer that was judged, where there was one over HTTP: told to people, and decides nothing."""
    receipt: str = ""
    """What the receiver calls the message, for the next one about the same incident (`Document.receipt`); in the
    dialect's own form. Empty where it says nothing, or what was kept before stays."""
    label: ClassVar = "delivered"


@dataclass(frozen=True, slots=True)
class TryAgain:
    """It may succeed later."""

    reason: str
    after: float | None = None
    """Seconds that the receiver asked us to wait."""
    pauses: bool = False
    """Whether nothing can be delivered there until somebody mends it (credentials are refused)."""
    within: float = math.inf
    """Seconds since an event's first attempt after which it is set aside, where `give_up_after` is longer."""
    words: str = ""
    """The receiver's own."""
    status: int | None = field(default=None, compare=False)
    """As in `Delivered`."""
    label: ClassVar = "try_again"


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """The receiver will never take this."""

    reason: str
    words: str = ""
    """The receiver's own."""
    status: int | None = field(default=None, compare=False)
    """As in `Delivered`."""
    is_of_form: bool = field(default=False, compare=False)
    """Whether it may take the same in a smaller or plainer form."""
    label: ClassVar = "undeliverable"


@dataclass(frozen=True, slots=True)
class PendingReceipt:
    """The receiver has it, and gives its receipt later: the next attempt asks for that. No failure."""

    after: float
    """Seconds until then."""
    status: int | None = field(default=None, compare=False)
    """As in `Delivered`."""
    reason: ClassVar = "unacknowledged"
    words: ClassVar = ""
    label: ClassVar = "pending"


Outcome: TypeAlias = Delivered | TryAgain | Undeliverable | PendingReceipt
"""`label` is how metrics call it."""


@dataclass(frozen=True, slots=True)
class EachOutcome:
    """One outcome for each document of a batch, in order. One that is refused here for its form is tried alone."""

    outcomes: tuple[Outcome, ...]


AttemptOutcome: TypeAlias = Outcome | EachOutcome
"""What became of an attempt: all of its documents share one outcome, or each has its own."""


def gist(answer: AttemptOutcome) -> Outcome:
    """What an answer says about the receiver: who takes one of many, or judges it, is there."""
    if not isinstance(answer, EachOutcome):
        return answer
    ranks = (Delivered, PendingReceipt, Undeliverable, TryAgain)
    return min(answer.outcomes, key=lambda one: ranks.index(type(one)))
