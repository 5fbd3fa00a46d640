"""Jira Cloud and Data Center, as far as tickets of one project go: search, create, comment, transitions.

Sources: REST API v3 and v2. It refuses what the documentation says that Jira refuses: a summary of more than 255
characters or of several lines, a description of more than 32,767, labels with blanks, texts that are no ADF (v3) or no
text (v2). A ticket can be kept from the search, as Jira's index lags behind.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.sinks import Receipt, answer

NOT_FOUND = answer("404 Not Found", b'{"errorMessages":["Issue does not exist"]}')
TRANSITIONS = {"11": ("Close", "done"), "21": ("Done", "done"), "31": ("Back to work", "indeterminate")}
"""Name and category of where it leads, by id."""


@dataclass
class Ticket:
    """One that is there."""

    key: str
    fields: Mapping[str, Any]
    comments: list[Any] = field(default_factory=list)
    category: str = "new"
    is_old: bool = False
    """Whether it was done more than 30 days ago."""


@dataclass
class Jira:
    """One project."""

    is_cloud: bool = True
    tickets: list[Ticket] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Method-like path of every request."""
    lags: bool = False
    """Whether the search finds nothing yet."""
    answers: dict[str, bytes] = field(default_factory=dict)
    """What requests to paths that end so are answered instead."""
    authorizations: set[str] = field(default_factory=set)

    def behave(self, receipt: Receipt) -> bytes:
        """What it answers to a request."""
        base = f"/rest/api/{3 if self.is_cloud else 2}/"
        assert receipt.path.startswith(base), receipt.path
        path = receipt.path.removeprefix(base)
        self.asked.append(path)
        self.authorizations.add(receipt.headers["authorization"])
        for end, says in self.answers.items():
            if path.endswith(end):
                return says
        body = json.loads(receipt.body or b"null")
        if path == ("search/jql" if self.is_cloud else "search"):
            return _said("200 OK", {"issues": self._searched(body)})
        if path == "issue":
            return self._created(body["fields"])
        return self._about(*re.split("[/?]", path)[1:], body=body)

    def _searched(self, body: Mapping[str, Any]) -> list[object]:
        label = re.search('labels = "([^"]+)"', body["jql"])
        assert label is not None
        with_done = "resolutiondate >= -30d" in body["jql"]
        found = [
            one
            for one in reversed(self.tickets)
            if label[1] in one.fields["labels"] and (one.category != "done" or (with_done and not one.is_old))
        ]
        return [] if self.lags else [_shown(one) for one in found]

    def _created(self, fields: Mapping[str, Any]) -> bytes:
        wrong = {
            "summary": len(fields["summary"]) > 255 or "\n" in fields["summary"] or not fields["summary"],
            "description": not self._is_text(fields["description"]),
            "labels": any(re.search(r"\s", one) for one in fields["labels"]),
        }
        if any(wrong.values()):
            return _said("400 Bad Request", {"errors": wrong})
        self.tickets.append(Ticket(f"SEC-{len(self.tickets) + 1}", fields))
        return _said("201 Created", {"id": "10000", "key": self.tickets[-1].key})

    def _about(self, key: str, what: str, *, body: Mapping[str, Any] | None) -> bytes:
        one = next((one for one in self.tickets if one.key == key), None)
        if one is None:
            return NOT_FOUND
        if what == "comment" and body is not None:
            if not self._is_text(body["body"]):
                return _said("400 Bad Request", {"errors": {"comment": "no text"}})
            one.comments.append(body["body"])
            return _said("201 Created", {"id": "1"})
        if what == "transitions" and body is not None:
            one.category = TRANSITIONS[body["transition"]["id"]][1]
            return answer("204 No Content")
        if what == "transitions":
            offered = [
                {"id": number, "name": name, "to": {"statusCategory": {"key": category}}}
                for number, (name, category) in TRANSITIONS.items()
            ]
            return _said("200 OK", {"transitions": offered})
        return _said("200 OK", _shown(one))

    def _is_text(self, text: object) -> bool:
        if not self.is_cloud:
            return isinstance(text, str) and 0 < len(text) <= 32_767
        match text:
            case {"type": "doc", "version": 1, "content": [*blocks]} if blocks:
                texts = [node["text"] for block in blocks for node in block["content"]]
                return all(texts) and len(json.dumps(text)) <= 131_072 and sum(map(len, texts)) <= 32_767
            case _:
                return False


def _shown(one: Ticket) -> dict[str, object]:
    return {"key": one.key, "fields": {"status": {"statusCategory": {"key": one.category}}}}


def _said(status: str, what: object) -> bytes:
    return answer(status, json.dumps(what).encode())
