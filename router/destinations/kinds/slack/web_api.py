"""Slack's Web API: messages about an incident change, and end, where people have seen them.

Sources: Slack, the pages of `chat.postMessage` and `chat.update` with their errors, and "Rate limits".

What a channel is told first is posted (`chat.postMessage`). What follows about the same incident goes by `updates`:

    thread  the first message is brought up to date (`chat.update`), then the message is posted into its thread; what is
            news (`changed`) is shown in the channel, too, since nobody follows a thread of a bot
    edit    the first message is brought up to date, and nothing is posted
    post    it is posted like the first

Rules:
(1) Which message was the first is known by its receipt: the channel as it is configured, its id, and the message's
    `ts`, as Slack has answered. It is kept in the transaction that settles the message (`router.outbox.receipts`).
(2) Order: a later message about an incident is not claimed before the earlier one is settled, so that it does not
    overtake the receipt (`router.outbox.protocol`, rule 11). One that does (the earlier has failed too often), or for
    which there is no receipt, is posted anew, and what follows refers to it. What comes late, by a replay, changes
    nothing of the first message: it is posted into its thread, whatever `updates` says but `post`.
(3) The first message is brought up to date before anything is posted. To do it twice changes nothing, so that an
    attempt that ends between the two repeats no message; and that is how it is noticed that the first message has gone:
    Slack may post a reply to a deleted message into the channel.
(4) Where the first message has gone, or the channel is another, it is posted anew. Where the first can't be changed
    (a workspace may allow that for some time only), its thread is told, whatever the reason.
(5) A receipt is 200 and `"ok": true`. With `"ok": false` the error decides: Slack has trouble of its own, and it is
    tried again; it refuses us or has no such channel for us, and the destination pauses; it refuses the message, which
    goes out in a smaller form, and is set aside if that is refused, too. So does every error that is not known here.
(6) A crash between the answer and its settlement posts a message twice: Slack knows no repetition.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeAlias

import orjson

from router.destinations.dialect import Exchange, Post, Reply, judge_by_status
from router.destinations.document import Document
from router.destinations.kinds.slack import block_kit
from router.destinations.kinds.slack.block_kit import SlackMessage
from router.destinations.outcome import Delivered, Outcome, TryAgain, Undeliverable
from router.events import INCIDENT_TYPES

Updates: TypeAlias = Literal["thread", "edit", "post"]
"""Where later messages about an incident go."""

POST, UPDATE = "chat.postMessage", "chat.update"
REPLY_BYTES = 2**20
"""Bytes of an answer that are read: it repeats the message, with every character beyond ASCII as six."""
_NEWS = f"{INCIDENT_TYPES[0]}changed.v1"
_TAKEN = 200
_CHANNEL_ID, _TS = re.compile(r"[A-Z0-9]{1,40}", re.ASCII), re.compile(r"[0-9]{1,20}\.[0-9]{1,20}", re.ASCII)

_LIMITS_US = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
_FAILS = frozenset(
    {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}
    | {"external_channel_migrating"}
)
_REFUSES_US = frozenset(
    {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope"}
    | {"no_permission", "not_allowed_token_type", "ekm_access_denied", "org_login_required", "access_denied"}
    | {"team_access_not_granted", "two_factor_setup_required", "accesslimited", "enterprise_is_restricted"}
)
_REFUSES_HERE = frozenset(
    {"channel_not_found", "not_in_channel", "is_archived", "is_inactive", "team_not_found", "user_not_found"}
    | {"restricted_action", "restricted_action_read_only_channel", "restricted_action_thread_only_channel"}
    | {"messages_tab_disabled", "cannot_dm_bot", "posting_to_general_channel_denied"}
)
_OF_FORM = frozenset(
    {"msg_too_long", "msg_blocks_too_long", "invalid_blocks", "invalid_blocks_format", "invalid_attachments"}
    | {"too_many_attachments", "attachment_payload_limit_exceeded", "cannot_parse_attachment", "no_text"}
    | {"invalid_arguments"}
)
_GONE = frozenset(
    {"message_not_found", "thread_not_found", "cannot_reply_to_message", "restricted_action_non_threadable_channel"}
    | (_REFUSES_HERE - {"restricted_action_thread_only_channel"})
)
"""What says that no message about the incident can be where the first one was: whether one can be posted elsewhere in
the channel, Slack is asked next."""


class ThreadHead(NamedTuple):
    """The first message about an incident."""

    channel: str
    """The channel's id."""
    ts: str
    """The message's, which is its name."""


@dataclass(frozen=True, slots=True)
class SlackAnswer:
    """What Slack has answered."""

    outcome: Outcome
    error: str = ""
    """Its name for what is wrong."""
    head: ThreadHead | None = None
    """The message that was posted or changed."""

    @property
    def is_of_form(self) -> bool:
        """Whether a smaller or plainer message would surely fare otherwise."""
        return isinstance(self.outcome, Undeliverable) and (not self.error or self.error in _OF_FORM)


class WebApiDialect:
    """How Slack's Web API wants to be told.

    Args:
        token: Who we are.
        channel: Id or name of the channel.
        updates: Where later messages about an incident go.
    """

    receipt_bytes = REPLY_BYTES

    def __init__(self, token: str, channel: str, updates: Updates) -> None:
        self._headers = {"Content-Type": "application/json; charset=utf-8", "Authorization": f"Bearer {token}"}
        self._channel = channel
        self._updates = updates

    def shorter(self, document: Document) -> Document | None:
        """With texts of an eighth of their limits; None where there is nothing to cut."""
        return block_kit.shorter(document)

    def exchange(self, documents: Sequence[Document], now: float) -> Exchange:  # noqa: ARG002 - no signature, no time
        """Change the first message, or post, or both: rules (1) to (4)."""
        (document,) = documents
        message = block_kit.message_of(document)
        head = None if self._updates == "post" else self._head(document.receipt)
        if head is not None and not document.is_late:
            changed = answered((yield self._changing(head, message)))
            if changed.error in _GONE:
                head = None
            elif isinstance(changed.outcome, Delivered) and self._updates == "edit":
                return Delivered(receipt=document.receipt)
            elif isinstance(changed.outcome, TryAgain) or changed.is_of_form:
                return changed.outcome
        if head is not None:
            is_news = document.type == _NEWS and not document.is_late
            replied = answered((yield self._replying(head, message, is_news=is_news)))
            if isinstance(replied.outcome, Delivered):
                return Delivered(receipt=document.receipt)
            if replied.error not in _GONE:
                return replied.outcome
        posted = answered((yield self._request(POST, {**message, "channel": self._channel})))
        if isinstance(posted.outcome, Delivered) and posted.head is not None:
            return Delivered(receipt=" ".join((self._channel, *posted.head)))
        return posted.outcome

    def _head(self, receipt: str) -> ThreadHead | None:
        channel, _, rest = receipt.partition(" ")
        parts = rest.split(" ")
        return _head(*parts) if channel == self._channel and len(parts) == len(ThreadHead._fields) else None

    def _changing(self, head: ThreadHead, message: SlackMessage) -> Post:
        whole = {"blocks": [], "attachments": [], **message}  # what is left out would stay as it was
        return self._request(UPDATE, {**whole, "channel": head.channel, "ts": head.ts})

    def _replying(self, head: ThreadHead, message: SlackMessage, *, is_news: bool) -> Post:
        place = {"channel": head.channel, "thread_ts": head.ts, "reply_broadcast": is_news}
        return self._request(POST, {**message, **place})

    def _request(self, method: str, message: Mapping[str, object]) -> Post:
        return Post(orjson.dumps({"parse": "none", **message}), self._headers, method)


def answered(reply: Reply) -> SlackAnswer:
    """What a reply means, rule (5)."""
    outcome = judge_by_status(reply)
    if isinstance(outcome, Undeliverable):
        return SlackAnswer(replace(outcome, is_of_form=True))
    if not isinstance(outcome, Delivered):
        return SlackAnswer(outcome)
    said = _parsed(reply.text) if reply.status == _TAKEN else {}
    match said:
        case {"ok": True}:
            return SlackAnswer(outcome, head=_head(said.get("channel"), said.get("ts")))
        case {"ok": False, "error": str(error)}:
            return SlackAnswer(_refusal(error, reply.asked_to_wait()), error)
        case _:
            return SlackAnswer(TryAgain("malformed_reply"))


def _parsed(text: str) -> Mapping[str, object]:
    try:
        found = orjson.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _head(channel: object, ts: object) -> ThreadHead | None:
    is_one = isinstance(channel, str) and isinstance(ts, str) and _CHANNEL_ID.fullmatch(channel) and _TS.fullmatch(ts)
    return ThreadHead(str(channel), str(ts)) if is_one else None


def _refusal(error: str, after: float | None) -> Outcome:
    if error in _LIMITS_US:
        return TryAgain("rate_limited", after=after)
    if error in _FAILS:
        return TryAgain("receiver_failed", after=after)
    if error in _REFUSES_US:
        return TryAgain("unauthorised", pauses=True)
    if error in _REFUSES_HERE:
        return TryAgain("refused_here", pauses=True)
    return Undeliverable("message_refused", is_of_form=True)
