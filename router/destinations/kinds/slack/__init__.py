"""Slack, in either of two ways: by an incoming webhook (`webhook`), or by its Web API (`web_api`) with a token.

A webhook can only post: every message about an incident stands for itself. By the Web API later ones go where the first
one is. Either way a message is cut to what Slack takes (`block_kit`), and where it is too large all the same (by the
Web API also where its form is refused) it goes out in a shorter form, and then as plain text. What a webhook refuses
with 400 is asked once: its cause is a word that may mean anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from router.by_reference import Secret
from router.destinations.dialect import Dialect
from router.destinations.kind import HttpKind
from router.destinations.kinds.slack.block_kit import LIMITS, plain_message
from router.destinations.kinds.slack.web_api import Updates, WebApiDialect
from router.destinations.kinds.slack.webhook import IncomingWebhookDialect
from router.destinations.settings import HttpSettings, checked_token, checked_url
from router.rendering.markup import Markup, TextLines, cut_chars, escape
from router.rendering.minimal import MESSAGE_LIMIT, Because, message_of
from router.rendering.values import as_json

API = "https://slack.com/api"
_OF_THE_API = ("channel", "updates", "api")


class SlackSettings(HttpSettings):
    """Slack, by an incoming webhook (`url`) or by the Web API (`token` and `channel`)."""

    own_headers = frozenset({"authorization"})
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
        return IncomingWebhookDialect()
    return WebApiDialect(settings.token.reveal(), settings.channel, settings.updates)


def minimal(cloudevent: Mapping[str, Any], because: Because) -> tuple[bytes, str]:
    """A message of one text."""
    text = cut_chars(escape(TextLines(f"({because}) {message_of(cloudevent)}"), Markup.SLACK), MESSAGE_LIMIT)
    return as_json(plain_message(text)), "application/json"


KIND = HttpKind(
    settings=SlackSettings,
    dialect=dialect_of,
    markup=Markup.SLACK,
    updates="Web API: the message is changed and answered (`updates`)",
    limits=LIMITS,
    minimal=minimal,
)
