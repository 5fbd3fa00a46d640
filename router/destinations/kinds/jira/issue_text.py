"""What a document says of a ticket, and its text as either Jira writes texts. Pure.

A document is `key` (what it is about: the same is the same ticket), `severity`, `summary` (one line), `text`, `links`
({name: URL}) and `is_over`. What is none is the text of a ticket of its own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import orjson

from router.destinations.document import Document, said_by, text_of
from router.rendering.markup import cut_chars
from router.rendering.values import as_text

SUMMARY_LIMIT, TEXT_LIMIT, SHORT = 255, 15_000, 1000
"""Characters; the last of a text where the whole was too large."""
UNSAID = "Gatecrier"
_WIKI = re.compile(r"\{(?=noformat)|\[(?=~)", re.IGNORECASE)
_URL = re.compile(r"https?://[\x21-\x7e]{1,2000}")
_LINKS_LIMIT = 20


@dataclass(frozen=True, slots=True)
class IssueText:
    """What a document says."""

    key: str
    severity: str
    summary: str
    text: str
    links: Mapping[str, str]
    is_over: bool


def issue_text(document: Document) -> IssueText:
    """What it says, within Jira's limits."""
    made = said_by(document.body)
    if not isinstance(made, dict) or not made.get("summary"):
        text = made if isinstance(made, str) else text_of(document.body)
        made = {"summary": text, "text": text}
    links = made.get("links")
    summary = cut_chars(" ".join(as_text(made["summary"]).split()) or UNSAID, SUMMARY_LIMIT)
    text = cut_chars(as_text(made.get("text") or ""), TEXT_LIMIT)
    return IssueText(
        as_text(made.get("key") or document.event_id),
        as_text(made.get("severity") or ""),
        summary,
        text if text.strip() else summary,
        {
            name: url
            for name, url in list(links.items() if isinstance(links, dict) else ())[:_LINKS_LIMIT]
            if isinstance(url, str) and _URL.fullmatch(url)
        },
        made.get("is_over") is True,
    )


def shorter(document: Document) -> Document | None:
    """With a short text; None where there is nothing to cut."""
    issue = issue_text(document)
    if len(issue.text) <= SHORT:
        return None
    return replace(document, body=orjson.dumps(asdict(replace(issue, text=cut_chars(issue.text, SHORT)))))


def ending(document: Document) -> Document | None:
    """Says that it is over; None where it says so itself."""
    issue = issue_text(document)
    if issue.is_over:
        return None
    return replace(document, body=orjson.dumps(asdict(replace(issue, is_over=True))), value=None, minimal=None)


def label_of(key: str) -> str:
    """The label by which a ticket is found again that is about this."""
    return f"gatecrier-{hashlib.sha256(key.encode(errors='replace')).hexdigest()[:32]}"


def in_adf(issue: IssueText) -> dict[str, object]:
    """The text as a document of Jira Cloud: a block of code, which is read as no markup, and the links."""
    content: list[dict[str, object]] = [{"type": "codeBlock", "content": [{"type": "text", "text": issue.text}]}]
    for name, url in issue.links.items():
        mark = {"type": "link", "attrs": {"href": url}}
        content.append({"type": "paragraph", "content": [{"type": "text", "text": name or url, "marks": [mark]}]})
    return {"type": "doc", "version": 1, "content": content}


def in_wiki(issue: IssueText) -> str:
    """The text in the wiki markup of Jira Data Center."""
    text = _WIKI.sub(lambda found: f"\\u{ord(found[0][0]):04x}", issue.text)
    links = "".join(f"\n[{re.sub(r'[^A-Za-z0-9 _.-]', ' ', name)}|{url}]" for name, url in issue.links.items())
    return f"{{noformat}}\n{text}\n{{noformat}}{links}"
