"""Slack's Web API on loopback, as far as messages go: `chat.postMessage` and `chat.update`, and their errors.

Sources: the pages of both methods. What a test wants Slack to refuse it puts into `errors`; by itself Slack refuses a
wrong token, a channel that there is not, a message that is too long, and to change what is not there.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.sinks import HANG, Receipt, Sink, answer

TOKEN = "xoxb-4711-secret"
CHANNELS = {"C024BE91L": "C024BE91L", "#soc": "C024BE91L", "#pager": "C0PAGER"}
TEXT_LIMIT, BLOCKS_LIMIT = 40_000, 50


@dataclass
class Message:
    """One that is there."""

    channel: str
    ts: str
    body: Mapping[str, Any]
    thread: str | None = None
    """The `ts` of the message that it is an answer to."""
    is_broadcast: bool = False
    edits: int = 0


@dataclass
class Slack:
    """A workspace."""

    sink: Sink = field(default_factory=Sink)
    messages: list[Message] = field(default_factory=list)
    calls: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    """(method, what it was asked) of every request, in order."""
    errors: deque[str | bytes | None] = field(default_factory=deque)
    """What the next requests are answered with instead, one each; an empty text lets one through."""
    replies: deque[bytes | None] = field(default_factory=deque)
    """What the next requests that succeed are answered with instead: what they asked for is done all the same."""
    _made: int = 0

    def __post_init__(self) -> None:
        self.sink.behave = self._behave

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Slack]:
        """Listen."""
        async with self.sink.running():
            yield self

    @property
    def api(self) -> str:
        """Where it is."""
        return self.sink.url("/api")

    @property
    def heads(self) -> list[Message]:
        """What stands in channels by itself."""
        return [one for one in self.messages if one.thread is None]

    def thread(self, head: Message) -> list[Message]:
        """The answers to a message."""
        return [one for one in self.messages if one.thread == head.ts]

    def delete(self, message: Message) -> None:
        """Somebody deletes it."""
        self.messages.remove(message)

    def _behave(self, receipt: Receipt) -> bytes | None:
        method, asked = receipt.path.removeprefix("/api/"), json.loads(receipt.body)
        self.calls.append((method, asked))
        told = self.errors.popleft() if self.errors else ""
        if told is HANG or isinstance(told, bytes):
            return told
        error = told or self._error(method, receipt, asked)
        if error:
            return _said({"ok": False, "error": error})
        made = self._posted(asked) if method == "chat.postMessage" else self._changed(asked)
        done = _said({"ok": True, "channel": made.channel, "ts": made.ts, "message": {"text": asked["text"]}})
        return self.replies.popleft() if self.replies else done

    def _error(self, method: str, receipt: Receipt, asked: Mapping[str, Any]) -> str:
        """What is wrong with a request; empty where nothing is."""
        channels, is_change = {*CHANNELS, *CHANNELS.values()}, method == "chat.update"
        wrong = {
            "invalid_auth": receipt.headers.get("authorization") != f"Bearer {TOKEN}",
            "invalid_post_type": not receipt.headers["content-type"].startswith("application/json"),
            "unknown_method": method not in {"chat.postMessage", "chat.update"},
            "channel_not_found": asked.get("channel") not in (CHANNELS.values() if is_change else channels),
            "message_not_found": is_change and self._found(asked) is None,
            "no_text": not any(asked.get(key) for key in ("text", "blocks", "attachments")),
            "msg_too_long": len(asked.get("text", "")) > TEXT_LIMIT,
            "invalid_blocks": len(asked.get("blocks", [])) > BLOCKS_LIMIT,
        }
        return next((error for error, is_so in wrong.items() if is_so), "")

    def _found(self, asked: Mapping[str, Any]) -> Message | None:
        place = asked["channel"], asked.get("ts")
        return next((one for one in self.messages if (one.channel, one.ts) == place), None)

    def _posted(self, asked: Mapping[str, Any]) -> Message:
        self._made += 1
        channel = CHANNELS.get(asked["channel"], asked["channel"])
        parent = {"channel": channel, "ts": asked.get("thread_ts")}
        thread = asked.get("thread_ts") if self._found(parent) else None  # Slack posts it into the channel otherwise
        one = Message(channel, f"1790000000.{self._made:06}", asked, thread, bool(asked.get("reply_broadcast")))
        self.messages.append(one)
        return one

    def _changed(self, asked: Mapping[str, Any]) -> Message:
        one = self._found(asked)
        assert one is not None, "it was looked for before"
        one.body, one.edits = asked, one.edits + 1
        return one


def _said(what: Mapping[str, object]) -> bytes:
    return answer("200 OK", json.dumps(what).encode(), Content_Type="application/json; charset=utf-8")
