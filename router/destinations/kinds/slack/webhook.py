"""Slack's incoming webhooks: what they take, and what their answers mean.

Sources: Slack, "Sending messages using incoming webhooks" (success is 200 and the body `ok`), "Changes to errors for
incoming webhooks" (400 is about the message; 403 `action_prohibited`, 404 `channel_not_found` and 410
`channel_is_archived` are about us and our channel, whatever the message), "Rate limits" (about one message a second).
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from router.destinations.dialect import OneRequest, Post, Reply, judge_by_status
from router.destinations.document import Document
from router.destinations.kinds.slack import block_kit
from router.destinations.outcome import Delivered, Outcome, TryAgain

_TAKEN = 200
_REFUSES_US_HERE = frozenset({403, 404, 410})
_HEADERS = {"Content-Type": "application/json; charset=utf-8"}


class IncomingWebhookDialect(OneRequest):
    """How Slack's incoming webhooks want to be told."""

    receipt_bytes = 64

    def compose(self, documents: Sequence[Document], now: float) -> Post:  # noqa: ARG002 - no signature, no time
        """One message per request, within Slack's limits."""
        return Post(orjson.dumps(block_kit.message_of(documents[0])), _HEADERS)

    def shorter(self, document: Document) -> Document | None:
        """With texts of an eighth of their limits; None where there is nothing to cut."""
        return block_kit.shorter(document)

    def judge(self, reply: Reply) -> Outcome:
        """200 with the body `ok` is a receipt; 403, 404 and 410 are about the webhook, not about a message."""
        outcome = judge_by_status(reply)
        match outcome:
            case Delivered() if reply.status != _TAKEN or reply.text.strip() != "ok":
                return TryAgain("malformed_reply")
            case _ if reply.status in _REFUSES_US_HERE:
                return TryAgain("refused_here", pauses=True)
            case _:
                return outcome
