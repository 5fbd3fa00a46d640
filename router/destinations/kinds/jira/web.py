"""What is asked of Jira's REST API to make one ticket of one trouble.

Sources: Jira Cloud, REST API v3 (`issue`, `search/jql`, `comment`, `transitions`); Jira Data Center, REST API v2
(`search`).

Rules:
(1) Jira knows no repetition, and a create that it refuses burns a number all the same: the ticket is looked for before
    one is made, by its receipt, else by a label that follows from what it is about.
(2) What is over makes no ticket. What begins again after a ticket is done opens it again (`reopen`), within
    `REOPENED_WITHIN`, or makes another.
(3) A transition comes before the comment: to make it twice changes nothing, and an attempt that ends between the two
    repeats no comment. One that is not offered is passed over: the comment says what has happened.
(4) A message that comes late (`is_late`) is a comment, and moves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from typing import NamedTuple

import orjson
from msgspec import structs

from router.destinations.dialect import Exchange, Post, Reply, judge_by_status
from router.destinations.document import Document
from router.destinations.kinds.jira.issue_text import IssueText, in_adf, in_wiki, issue_text, label_of, shorter
from router.destinations.outcome import Delivered, Outcome, TryAgain

REOPENED_WITHIN = "30d"
"""As JQL writes a duration."""
REPLY_BYTES = 256 * 1024
"""Bytes of an answer that are read."""
COMMENT = "comment"
"""What `resolve` says where nothing is moved."""
_NOT_FOUND = 404
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}-[0-9]{1,18}", re.ASCII)
_ID = re.compile(r"[0-9]{1,18}", re.ASCII)


class Ticket(NamedTuple):
    """One that is there."""

    key: str
    is_done: bool


class Way(NamedTuple):
    """How a destination wants its tickets."""

    endpoint: str
    authorization: str
    is_cloud: bool
    project: str
    fields: Mapping[str, object]
    """Of a new ticket, but for those that say what it is about."""
    labels: Sequence[str]
    priorities: Mapping[str, str]
    resolve: str
    reopen: bool | str


class JiraDialect:
    """How Jira wants to be told."""

    receipt_bytes = REPLY_BYTES

    def __init__(self, way: Way) -> None:
        self._way = way
        kind = "application/json"
        self._headers = {"Content-Type": kind, "Accept": kind, "Authorization": way.authorization}

    def exchange(self, documents: Sequence[Document], now: float) -> Exchange:  # noqa: ARG002 - no signature, no time
        """Look for the ticket; make it, or move it and comment on it."""
        (document,) = documents
        issue = issue_text(document)
        found = yield from self._found(document.receipt, issue)
        if found is not None and not isinstance(found, Ticket):
            return found
        if found is None or (found.is_done and not issue.is_over and self._way.reopen is False):
            return Delivered() if issue.is_over else (yield from self._created(issue))
        if not document.is_late and found.is_done is not issue.is_over:
            moved = yield from self._moved(found, issue)
            if isinstance(moved, TryAgain):
                return moved
        answer = yield self._post(f"issue/{found.key}/comment", {"body": self._text(issue)})
        return _taken(answer)

    def shorter(self, document: Document) -> Document | None:
        """With a short text; None where there is nothing to cut."""
        return shorter(document)

    def _found(self, receipt: str, issue: IssueText) -> Generator[Post, Reply, Outcome | Ticket | None]:
        if _KEY.fullmatch(receipt):
            url = f"{self._way.endpoint}/issue/{receipt}?fields=status"
            known = yield Post(b"", self._headers, url=url, verb="GET")
            if known.status != _NOT_FOUND:
                outcome = _taken(known)
                return _ticket(_object(known)) or TryAgain("malformed_reply") if _is_taken(outcome) else outcome
        search = self._post("search/jql" if self._way.is_cloud else "search", self._search(issue.key))
        answer = yield structs.replace(search, if_nothing='{"issues":[]}')
        outcome = _taken(answer)
        if not _is_taken(outcome):
            return outcome
        issues = _object(answer).get("issues")
        if not isinstance(issues, list):
            return TryAgain("malformed_reply")
        tickets = [one for one in map(_ticket, issues) if one is not None]
        return min(tickets, key=lambda one: one.is_done, default=None)

    def _search(self, key: str) -> dict[str, object]:
        done = f"resolutiondate >= -{REOPENED_WITHIN} OR (resolutiondate is EMPTY AND updated >= -{REOPENED_WITHIN})"
        state = "statusCategory != Done" if self._way.reopen is False else f"(statusCategory != Done OR {done})"
        jql = f'project = "{self._way.project}" AND labels = "{label_of(key)}" AND {state} ORDER BY created DESC'
        return {"jql": jql, "fields": ["status"], "maxResults": 10}

    def _created(self, issue: IssueText) -> Exchange:
        priority = self._way.priorities.get(issue.severity)
        fields = {
            **self._way.fields,
            "summary": issue.summary,
            "description": self._text(issue),
            "labels": [*self._way.labels, label_of(issue.key)],
            **({} if priority is None else {"priority": {"name": priority}}),
        }
        answer = yield self._post("issue", {"fields": fields})
        outcome, key = _taken(answer), str(_object(answer).get("key", ""))
        return Delivered(receipt=key) if _is_taken(outcome) and _KEY.fullmatch(key) else outcome

    def _moved(self, ticket: Ticket, issue: IssueText) -> Exchange:
        """Make the transition, where one is wanted and offered."""
        wanted = self._way.resolve if issue.is_over else self._way.reopen
        if issue.is_over and wanted == COMMENT:
            return Delivered()
        path = f"issue/{ticket.key}/transitions"
        offered = yield Post(b"", self._headers, path, verb="GET")
        outcome = _taken(offered)
        number = _transition(_object(offered).get("transitions"), wanted if isinstance(wanted, str) else None)
        if not _is_taken(outcome) or number is None:
            return outcome
        return judge_by_status((yield self._post(path, {"transition": {"id": number}})))

    def _post(self, path: str, body: Mapping[str, object]) -> Post:
        return Post(orjson.dumps(body), self._headers, path)

    def _text(self, issue: IssueText) -> object:
        return in_adf(issue) if self._way.is_cloud else in_wiki(issue)


def _taken(reply: Reply) -> Outcome:
    """A receipt is 2xx with an object: what else says so has not come from Jira."""
    outcome = judge_by_status(reply)
    is_half = isinstance(outcome, Delivered) and not _is_object(reply)
    return TryAgain("malformed_reply") if is_half else outcome


def _is_taken(outcome: Outcome) -> bool:
    return isinstance(outcome, Delivered)


def _is_object(reply: Reply) -> bool:
    try:
        return isinstance(orjson.loads(reply.text), dict)
    except ValueError:
        return False


def _object(reply: Reply) -> Mapping[str, object]:
    found = orjson.loads(reply.text) if _is_object(reply) else {}
    return found if isinstance(found, dict) else {}


def _ticket(issue: object) -> Ticket | None:
    match issue:
        case {"key": str(key), "fields": {"status": {"statusCategory": {"key": str(category)}}}} if _KEY.fullmatch(key):
            return Ticket(key, category == "done")
        case _:
            return None


def _transition(offered: object, name: str | None) -> str | None:
    """The id of the one of this name; of None, of the first that leads to a status not done."""
    for one in offered if isinstance(offered, list) else ():
        match one:
            case {"id": str(number), "name": str(found), "to": {"statusCategory": {"key": str(category)}}} if (
                _ID.fullmatch(number)
            ):
                if found == name or (name is None and category != "done"):
                    return number
    return None
