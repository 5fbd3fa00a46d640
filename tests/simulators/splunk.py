"""Splunk's HTTP Event Collector, as far as its documentation says: what it refuses, takes and acknowledges.

Sources: "Format events for HTTP Event Collector", "About HTTP Event Collector Indexer Acknowledgment", and a published
lookup of the codes in its replies. An acknowledgement is told once, and then forgotten; an id that is not known is told
as one that is not there yet. What stands before an event that is refused may be indexed.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.simulators.sinks import Receipt, answer

EVENT, ACK = "/services/collector/event", "/services/collector/ack"
MEMBERS = {"time", "host", "source", "sourcetype", "index", "event", "fields"}
STATUS = {0: "200 OK", 2: "401 Unauthorized", 4: "403 Forbidden", 9: "503 Service Unavailable"}
TEXTS = {0: "Success", 4: "Invalid token", 6: "Invalid data format", 7: "Incorrect index", 9: "Server is busy"}


class Refusal(Exception):  # noqa: N818 - no error of ours: it is what Splunk answers
    """Splunk's code."""


@dataclass
class Splunk:
    """One collector with one token."""

    token: str
    has_acknowledgement: bool = False
    indexes: set[str] = field(default_factory=lambda: {"main"})
    indexed: list[dict[str, object]] = field(default_factory=list)
    """Every event, in order; one that was sent twice is there twice."""
    is_slow: bool = False
    """Whether nothing is acknowledged."""
    refuses: int = 0
    """The code with which it refuses every event; 0 for none."""
    _requests: int = 0
    _open: dict[tuple[str, int], bool] = field(default_factory=dict)

    def behave(self, receipt: Receipt) -> bytes:
        """What it answers to a request."""
        try:
            self._authorise(receipt.headers)
            channel = self._channel(receipt.headers)
            return self._acknowledge(receipt, channel) if receipt.path == ACK else self._take(receipt, channel)
        except Refusal as refused:
            return said(*refused.args)

    def acknowledge_all(self) -> None:
        """Whatever it has taken is indexed."""
        self._open = dict.fromkeys(self._open, True)

    def _authorise(self, headers: Mapping[str, str]) -> None:
        if headers.get("authorization") is None:
            raise Refusal(2)
        if headers["authorization"] != f"Splunk {self.token}":
            raise Refusal(4)

    def _channel(self, headers: Mapping[str, str]) -> str:
        channel = headers.get("x-splunk-request-channel")
        if channel is None:
            if self.has_acknowledgement:
                raise Refusal(10)
            return ""
        try:
            return str(uuid.UUID(channel))
        except ValueError:
            raise Refusal(11) from None

    def _take(self, receipt: Receipt, channel: str) -> bytes:
        assert receipt.path == EVENT
        if not receipt.body.strip():
            raise Refusal(5)
        for number, event in enumerate(objects(receipt.body)):
            if code := self._refused(event):
                raise Refusal(code, number)
            assert isinstance(event, dict)
            self.indexed.append(event)
        if not self.has_acknowledgement:
            return said(0)
        self._requests += 1
        self._open[channel, self._requests] = not self.is_slow
        return answer("200 OK", json.dumps({"text": "Success", "code": 0, "ackId": self._requests}).encode())

    def _acknowledge(self, receipt: Receipt, channel: str) -> bytes:
        if not self.has_acknowledgement:
            raise Refusal(14)
        asked = json.loads(receipt.body)["acks"]
        told = {str(one): self._open.get((channel, one), False) for one in asked}
        for one in [one for one in asked if told[str(one)]]:
            del self._open[channel, one]
        return answer("200 OK", json.dumps({"acks": told}).encode())

    def _refused(self, event: object) -> int:  # noqa: PLR0911 - one per code
        if self.refuses:
            return self.refuses
        if not isinstance(event, dict) or not event.keys() <= MEMBERS:
            return 6
        if "event" not in event:
            return 12
        if event["event"] in ("", None, {}) or (isinstance(event["event"], str) and not event["event"].strip()):
            return 13
        if not isinstance(event["event"], str | dict) or not isinstance(event.get("time", 0), int | float):
            return 6
        if not all(isinstance(event.get(name, "x"), str) for name in ("host", "source", "sourcetype", "index")):
            return 6
        fields = event.get("fields", {})
        if not isinstance(fields, dict) or any(isinstance(one, dict) for one in fields.values()):
            return 15
        return 0 if event.get("index", "main") in self.indexes else 7


def objects(body: bytes) -> Iterator[object]:
    """JSON values, one after the other, with or without blanks between."""
    text, decoder = body.decode(), json.JSONDecoder()
    while text := text.lstrip():
        try:
            value, end = decoder.raw_decode(text)
        except ValueError:
            raise Refusal(6) from None
        yield value
        text = text[end:]


def said(code: int, number: int | None = None) -> bytes:
    """A reply with this code."""
    more = {} if number is None else {"invalid-event-number": number}
    body = json.dumps({"text": TEXTS.get(code, "Refused"), "code": code, **more}).encode()
    return answer(STATUS.get(code, "400 Bad Request"), body)
