"""Slack, in either of two ways: by an incoming webhook, or by its Web API (`slack_web_api`) with a token.

Sources: Slack, "Sending messages using incoming webhooks" (success is 200 and the body `ok`), "Changes to errors for
incoming webhooks" (400 is about the message; 403 `action_prohibited`, 404 `channel_not_found` and 410
`channel_is_archived` are about us and our channel, whatever the message), "Rate limits" (about one message a second).

A webhook can only post: every message about an incident stands for itself. By the Web API later ones go where the first
one is. Either way a message is cut to what Slack takes (`block_kit`), and where it is refused all the same it goes out
in a shorter form, and then as plain text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal, Self

import orjson
from pydantic import Field, StringConstraints, model_validator

from router.by_reference import Secret
from router.destinations import block_kit
from router.destinations.dialect import Dialect, OneRequest, Post, Reply, judge_by_status
from router.destinations.document import Document
from router.destinations.outcome import Delivered, Outcome, TryAgain, Undeliverable
from router.destinations.settings import HttpSettings, checked_token, checked_url
from router.destinations.slack_web_api import Updates, WebApiDialect

API = "https://slack.com/api"
_TAKEN, _REFUSES_THIS = 200, 400
_REFUSES_US_HERE = frozenset({403, 404, 410})
_HEADERS = {"Content-Type": "application/json; charset=utf-8"}
_OF_THE_API = ("channel", "updates", "api")


class SlackSettings(HttpSettings):
    """Slack, by an incoming webhook (`url`) or by the Web API (`token` and `channel`)."""

    kind: Literal["slack"]
    """Slack."""
    url: Secret | None = None
    """The URL of an incoming webhook, by reference: whoever knows it can post."""
    token: Secret | None = None
    """A bot's token (`xoxb-...`) with the scope `chat:write`, by reference. The bot must be in the channel."""
    channel: Annotated[str, StringConstraints(pattern=r"^[^\s\x00-\x1f]{1,80}$")] | None = None
    """With `token`: the channel's id, such as `C024BE91L`, or its name in quotes, `"#soc"`."""
    updates: Updates = "thread"
    """With `token`: where later messages about an incident go. `thread`: into the thread of the first, which is brought
    up to date; news is shown in the channel, too. `edit`: the first is brought up to date, and nothing else is posted.
    `post`: each is a message of its own."""
    api: str = API
    """With `token`: where the Web API is, for GovSlack (`https://slack-gov.com/api`) and for tests."""
    concurrency: Annotated[int, Field(ge=1, le=8)] = 1
    """How many messages may be under way at once; Slack takes about one a second."""

    @model_validator(mode="after")
    def _has_one_way(self) -> Self:
        if (self.url is None) == (self.token is None):
            raise ValueError("name exactly one of `url` (an incoming webhook) and `token` (the Web API)")
        if self.url is not None and (extra := [name for name in _OF_THE_API if name in self.model_fields_set]):
            raise ValueError(f"`{extra[0]}` goes with `token`, not with `url`: a webhook posts to its own channel")
        if self.token is not None:
            if self.channel is None:
                raise ValueError("a `token` needs a `channel`: an id, or a name in quotes, for `#` begins a comment")
            if self.token.is_read:
                checked_token(self.token.reveal())
        if self.url is None or self.url.is_read:
            checked_url(self.endpoint, plain_http=self.plain_http, name=self.name)
        return self

    @property
    def endpoint(self) -> str:
        """The whole URL, or that below which the methods of the Web API are."""
        return self.api if self.url is None else self.url.reveal()


def dialect_of(settings: SlackSettings) -> Dialect:
    """How Slack is told by these settings."""
    if settings.token is None or settings.channel is None:
        return SlackDialect()
    return WebApiDialect(settings.token.reveal(), settings.channel, settings.updates)


class SlackDialect(OneRequest):
    """How Slack's incoming webhooks want to be told."""

    receipt_bytes = 64

    def compose(self, documents: Sequence[Document], now: float) -> Post:  # noqa: ARG002 - no signature, no time
        """One message per request, within Slack's limits."""
        return Post(orjson.dumps(block_kit.message_of(documents[0].body)), _HEADERS)

    def shorter(self, document: Document) -> Document | None:
        """With texts of an eighth of their limits; None where there is nothing to cut."""
        return block_kit.shorter(document)

    def judge(self, reply: Reply) -> Outcome:
        """200 with the body `ok` is a receipt; 403, 404 and 410 are about the webhook, not about a message."""
        outcome = judge_by_status(reply)
        match outcome:
            case Delivered() if reply.status != _TAKEN or reply.text.strip() != "ok":
                return TryAgain("malformed_reply")
            case Undeliverable() if reply.status == _REFUSES_THIS:
                return replace(outcome, is_of_form=True)
            case _ if reply.status in _REFUSES_US_HERE:
                return TryAgain("refused_here", pauses=True)
            case _:
                return outcome
