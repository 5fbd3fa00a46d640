"""Jira: one ticket for each owner's trouble, commented on as it goes on, closed and opened again if asked to (`web`).

Texts are documents in ADF in Cloud and wiki markup in Data Center (`issue_text`). Their limits are those that
Alertmanager's notifier keeps: 255 characters of a summary, 32,767 of a description. Not confirmed: what of a document
in ADF counts for that limit, so that texts are cut well before it.

What others wrote stands in blocks of code ({noformat} in wiki markup): names as they are, nothing linked or mentioned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import Field, StringConstraints, model_validator

from router.by_reference import Secret
from router.destinations.kind import HttpKind
from router.destinations.kinds.jira.issue_text import ending
from router.destinations.kinds.jira.web import COMMENT, JiraDialect, Way
from router.destinations.settings import HttpSettings, checked_token, checked_url
from router.events import BEGAN, ENDED
from router.outbound.basic import basic_authorization
from router.rendering.markup import Markup, TextLines, cut_chars, escape
from router.rendering.minimal import MESSAGE_LIMIT, Because, message_of, severity_of
from router.rendering.values import as_json

_Severity: TypeAlias = Literal["critical", "high", "medium", "low", "info"]
PRIORITIES: Final[Mapping[_Severity, str]] = {
    "critical": "Highest",
    "high": "High",
    "medium": "Medium",
    "low": "Low",
    "info": "Lowest",
}
"""Jira's own names."""
_OVER = frozenset({"resolved", "expired"})
_OURS = frozenset({"project", "issuetype", "summary", "description", "labels", "priority"})
_Name = Annotated[str, StringConstraints(min_length=1, max_length=255)]
_Field = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,99}$")]
_Label = Annotated[str, StringConstraints(pattern=r"^\S{1,255}$")]
_Value = str | int | list[str] | dict[str, str]


class JiraSettings(HttpSettings):
    """Jira, Cloud or Data Center."""

    own_headers = frozenset({"authorization", "accept"})
    kind: Literal["jira"]
    """Jira."""
    url: str
    """Where it is, such as `https://shop.atlassian.net`: `/rest/api/...` is added."""
    email: Annotated[str, StringConstraints(pattern=r"^[^:\s]{1,255}$")] | None = None
    """Whose the token is: Basic authentication. Needed for Cloud; without it the token is sent as Bearer."""
    token: Secret
    """An API token (Cloud) or a personal access token (Data Center), by reference."""
    deployment: Literal["cloud", "data_center"] = "cloud"
    """Which Jira it is: they differ in search and in texts."""
    project: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,99}$")]
    """The project's key."""
    issue_type: _Name = "Task"
    """The type of tickets."""
    labels: Annotated[tuple[_Label, ...], Field(max_length=20)] = ("gatecrier",)
    """Labels of tickets; one more is ours, by which a ticket is found again."""
    priorities: dict[_Severity, _Name] = Field(default_factory=lambda: dict(PRIORITIES))
    """What Jira calls our severities; a severity that is not named gives no priority."""
    resolve: _Name = COMMENT
    """What becomes of a ticket whose trouble is over: `comment`, or the name of a transition that is made besides."""
    reopen: bool | _Name = True
    """What becomes of a ticket that is done when its trouble begins again within 30 days: `true` takes the first
    transition offered that leads to a status not done, a name that one; `false` makes another ticket."""
    fields: Annotated[dict[_Field, _Value], Field(max_length=50)] = Field(default_factory=dict)
    """Fields of new tickets besides, such as `customfield_10042`."""
    concurrency: Annotated[int, Field(ge=1, le=8)] = 1
    """How many messages may be under way at once."""

    @model_validator(mode="after")
    def _can_be_told(self) -> Self:
        if self.deployment == "cloud" and self.email is None:
            raise ValueError("Jira Cloud needs `email`, whose the token is; or say `deployment: data_center`")
        if taken := sorted(_OURS & self.fields.keys()):
            raise ValueError(f"the field {taken[0]!r} is set by Gatecrier")
        checked_url(self.endpoint, plain_http=self.plain_http, name=self.name)
        if self.token.is_read:
            checked_token(self.token.reveal())
        return self

    @property
    def endpoint(self) -> str:
        """The URL below which the API is."""
        return f"{self.url.rstrip('/')}/rest/api/{3 if self.deployment == 'cloud' else 2}"


def dialect_of(settings: JiraSettings) -> JiraDialect:
    """How Jira is told by these settings."""
    token = settings.token.reveal()
    return JiraDialect(
        Way(
            endpoint=settings.endpoint,
            authorization=f"Bearer {token}" if settings.email is None else basic_authorization(settings.email, token),
            is_cloud=settings.deployment == "cloud",
            project=settings.project,
            fields={
                **settings.fields,
                "project": {"key": settings.project},
                "issuetype": {"name": settings.issue_type},
            },
            labels=settings.labels,
            priorities={str(severity): name for severity, name in settings.priorities.items()},
            resolve=settings.resolve,
            reopen=settings.reopen,
        )
    )


def minimal(cloudevent: Mapping[str, Any], because: Because) -> tuple[bytes, str]:
    """The sentence, about the same as what a template would have made."""
    data = cloudevent.get("data") or {}
    incident, notice = data.get("incident") or {}, data.get("notice") or {}
    owner = incident.get("owner") or {}
    is_trouble = notice.get("event_type") in {BEGAN, ENDED}
    of_incident = [incident.get("cluster"), incident.get("namespace"), *map(owner.get, ("api_version", "kind", "name"))]
    of_trouble = [cloudevent.get("source"), cloudevent.get("subject")]
    parts = of_incident if incident else of_trouble if is_trouble else [data.get("corrects") or cloudevent.get("id")]
    text = escape(TextLines(cut_chars(message_of(cloudevent), MESSAGE_LIMIT)), Markup.ADF)
    made = {
        "key": escape("/".join(str(part or "") for part in parts), Markup.ADF),
        "is_over": incident.get("state") in _OVER or notice.get("event_type") == ENDED,
        "severity": severity_of(cloudevent) or "medium",
        "summary": text,
        "text": f"{text} ({because})",
    }
    return as_json(made), "application/json"


KIND = HttpKind(
    settings=JiraSettings,
    dialect=dialect_of,
    markup=Markup.ADF,
    deduplicates="a label of the ticket: a second comment",
    updates="a comment; a transition when it is over, where one is named",
    minimal=minimal,
    ending=ending,
)
