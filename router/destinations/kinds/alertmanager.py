"""Alertmanager, by its API v2: one alert for each incident, told to every replica.

Sources: Alertmanager, `api/v2/openapi.yaml` (postableAlerts) and its documentation ("High Availability": alerts go to
every replica, never through a load balancer; an alert is known by its labels; names of labels match
`[a-zA-Z_][a-zA-Z0-9_]*`, empty values count as none). What 0.25 does is held by tests against that very program: 200 is
the receipt, an alert that has ended already is taken, of an array with a bad alert the others are stored (400), times
are RFC 3339.

Rules:
(1) A document is one alert. `alertname` and the labels of the settings are added here, under the template's own; what
    Alertmanager would refuse for ever is mended: names, values that are no texts, times and a `generatorURL` that are
    none, a document that is no alert.
(2) An alert without `endsAt` is open, for as long as an incident is remembered of which nothing is heard
    (`incidents.forget_after`), or for the seconds that the template says (`lasts`, which is not sent). One that the
    template ends, ends now: an alert that had ended before Alertmanager saw the end would be an older one of its own.
(3) Labels are what an alert is known by, so that another severity is another alert. The receipt is the severity that
    was told: where it is another now, the old alert is ended in the same request, first. What is over is ended under
    every severity, for it may not be known under which it was told (the end of a trouble is `info`, a receipt may be
    lost): Alertmanager notifies nobody of the end of what never fired.
(4) Every replica is told in each attempt, whatever became of the others. One that took it makes a receipt: replicas
    tell each other what they have notified, and one that was away is told with the next message.
    The last message about an open incident is delivered again every `resend_every`: alerts are kept in memory alone.
(5) A message that comes after a later one about its incident (`is_late`) is taken and not sent: Alertmanager has no
    history, and an old state would replace the new one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import Field, PrivateAttr, StringConstraints, model_validator

from router.destinations.credentials import CredentialSettings
from router.destinations.dialect import EXCHANGES, Exchange, Post, UnansweredError, judge_by_status
from router.destinations.document import Document, text_of
from router.destinations.kind import HttpKind
from router.destinations.outcome import Delivered, Outcome, TryAgain
from router.destinations.settings import checked_url
from router.events import BEGAN, ENDED, timestamp
from router.fields import Duration
from router.rendering.markup import cut_chars
from router.rendering.minimal import MESSAGE_LIMIT, Because, message_of, severity_of
from router.rendering.values import as_json, as_text
from router.verdict import Severity

PATH = "/api/v2/alerts"
OURS = frozenset({"alertname", "severity", "cluster", "namespace", "kind", "owner"})
"""Labels that say which alert it is."""
ONCE = 3600
"""Seconds that what nobody ends is open."""
LONGEST = 366 * 86_400.0
"""Seconds."""
ANNOTATION_LIMIT, SHORT = 20_000, 500
"""Characters of an annotation; the second where the whole was too large."""
_OVER = frozenset({"resolved", "expired"})
_LEVELS = tuple(one.value for one in Severity)
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_]")
_URI = re.compile(
    r"(?=.{1,4000}\Z)https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
    r"(?:[/?](?:[!-$&-~]|%[0-9A-Fa-f]{2})*)?"
)
_Label = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,99}$")]
_Value = Annotated[str, StringConstraints(min_length=1, max_length=500)]

Alert = Mapping[str, object]


class AlertmanagerSettings(CredentialSettings):
    """Alertmanager, by its API v2."""

    own_headers = frozenset({"authorization"})
    kind: Literal["alertmanager"]
    """Alertmanager."""
    urls: Annotated[tuple[str, ...], Field(min_length=1, max_length=EXCHANGES)]
    """Every replica, without a load balancer between: `/api/v2/alerts` is added to each."""
    alertname: _Value = "GatecrierIncident"
    """The label `alertname` of alerts whose template gives none: those of incidents."""
    labels: Annotated[dict[_Label, _Value], Field(max_length=30)] = Field(default_factory=dict)
    """Labels besides `alertname`, `severity`, `cluster`, `namespace`, `kind` and `owner`."""
    resend_every: Annotated[Duration, Field(ge=10)] = 60.0
    """How often the alert of an open incident is posted again: Alertmanager keeps alerts in memory alone."""
    _forget_after: float = PrivateAttr(default=604_800.0)

    @model_validator(mode="after")
    def _can_be_told(self) -> Self:
        if taken := sorted(OURS & self.labels.keys()):
            raise ValueError(f"the label {taken[0]!r} is set by Gatecrier; `alertname` is a key of its own")
        for url in self.replicas:
            checked_url(url, plain_http=self.plain_http, name=self.name)
        return self

    def bind(self, forget_after: float) -> None:
        """For so long is an alert open."""
        self._forget_after = forget_after

    @property
    def replicas(self) -> tuple[str, ...]:
        """The whole URL of each replica."""
        return tuple(one.rstrip("/").removesuffix(PATH) + PATH for one in self.urls)

    @property
    def endpoint(self) -> str:
        """The whole URL of the first replica."""
        return self.replicas[0]

    @property
    def resends(self) -> float:
        """As an operator says."""
        return self.resend_every

    @property
    def lasts(self) -> float:
        """Seconds that an alert is open that nobody ends."""
        return self._forget_after


class AlertmanagerDialect:
    """How Alertmanager wants to be told."""

    receipt_bytes = 0

    def __init__(self, settings: AlertmanagerSettings) -> None:
        self._replicas = settings.replicas
        self._labels = {"alertname": settings.alertname, **settings.labels}
        self._lasts = settings.lasts
        self._headers = {"Content-Type": "application/json", **settings.authorization}

    def exchange(self, documents: Sequence[Document], now: float) -> Exchange:
        """Tell every replica: rules (3) to (5)."""
        (document,) = documents
        if document.is_late:
            return Delivered()
        alert = self._alert(document.body, now)
        labels = alert["labels"]
        severity = str(labels.get("severity", "")) if isinstance(labels, dict) else ""
        is_over = alert["endsAt"] == timestamp(now) and severity in _LEVELS
        others = dict.fromkeys([document.receipt, *(_LEVELS if is_over else ())])
        ended = [_ended(alert, other, now) for other in others if other and other != severity]
        body = orjson.dumps([*ended, alert])
        outcomes = list[Outcome]()
        for replica in self._replicas:
            post = Post(body, self._headers, url=replica, is_followed=replica != self._replicas[-1])
            try:
                outcomes.append(judge_by_status((yield post)))
            except UnansweredError as error:
                outcomes.append(error.outcome)
        best = min(outcomes, key=_hope)
        return Delivered(receipt=severity) if isinstance(best, Delivered) else best

    def shorter(self, document: Document) -> Document | None:
        """With short annotations; None where there is nothing to cut."""
        made = alert_of(document.body)
        short = {**made, "annotations": _texts(made.get("annotations"), SHORT)}
        body = orjson.dumps(short)
        return replace(document, body=body) if len(body) < len(orjson.dumps(made)) else None

    def _alert(self, body: bytes, now: float) -> dict[str, object]:
        made = alert_of(body)
        lasts, ends, starts, link = (made.get(key) for key in ("lasts", "endsAt", "startsAt", "generatorURL"))
        is_span = isinstance(lasts, int | float) and 0 < lasts <= LONGEST
        span = float(lasts) if is_span and isinstance(lasts, int | float) else self._lasts
        alert: dict[str, object] = {
            "labels": {**self._labels, **_texts(made.get("labels"), ANNOTATION_LIMIT)},
            "annotations": _texts(made.get("annotations"), ANNOTATION_LIMIT),
            "startsAt": timestamp(min(_moment(starts) or now, now)),
            "endsAt": timestamp(now if ends is not None else now + span),
        }
        is_link = isinstance(link, str) and _URI.fullmatch(link)
        return {**alert, "generatorURL": link} if is_link else alert


def alert_of(body: bytes) -> dict[str, object]:
    """The alert that a template made; where it is none, one with its text."""
    try:
        made = orjson.loads(body)
        orjson.dumps(made)
    except (ValueError, TypeError):  # no JSON, or nested more deeply than it can be written again
        made = text_of(body)
    if isinstance(made, dict) and isinstance(made.get("labels"), dict):
        return made
    return {"labels": {}, "annotations": {"summary": made if isinstance(made, str) else text_of(body)}}


def _texts(members: object, limit: int) -> dict[str, str]:
    """Labels or annotations as Alertmanager takes them."""
    found = {}
    for name, value in members.items() if isinstance(members, dict) else ():
        fit = _NOT_IN_NAMES.sub("_", name)
        text = cut_chars(as_text(value), limit)
        if fit:
            found[f"_{fit}" if fit[0].isdigit() else fit] = text
    return found


def _ended(alert: Alert, severity: str, now: float) -> dict[str, object]:
    labels = alert["labels"]
    named = dict(labels) if isinstance(labels, dict) else {}
    return {**alert, "labels": {**named, "severity": severity}, "endsAt": timestamp(now)}


def _moment(value: object) -> float | None:
    try:
        if not isinstance(value, str):
            return None
        moment = datetime.fromisoformat(value)
        named = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return named.astimezone(UTC).timestamp()  # by way of a year that there is, or none
    except (ValueError, OverflowError):
        return None


def _hope(outcome: Outcome) -> int:
    match outcome:
        case Delivered():
            return 0
        case TryAgain(pauses=pauses):
            return 2 if pauses else 1
        case _:
            return 3


def minimal(cloudevent: Mapping[str, Any], because: Because) -> tuple[bytes, str]:
    """The labels that say which alert it is, the sentence, and whether it is over."""
    data = cloudevent.get("data") or {}
    incident, notice, decision = (data.get(key) or {} for key in ("incident", "notice", "decision"))
    owner = incident.get("owner") or (data.get("workload") or {}).get("top_owner") or {}
    request = data.get("request") or {}
    labels = {
        "severity": severity_of(cloudevent) or "medium",
        "cluster": (incident or data).get("cluster", ""),
        "namespace": (incident or request).get("namespace", ""),
        "kind": "Gatecrier" if notice else owner.get("kind", ""),
        "owner": cloudevent.get("subject", "") if notice else owner.get("name", ""),
        **({} if incident else {"alertname": "GatecrierTrouble" if notice else "GatecrierDecision"}),
    }
    text = cut_chars(message_of(cloudevent), MESSAGE_LIMIT)
    alert: dict[str, object] = {"labels": labels, "annotations": {"summary": text, "shortened": str(because)}}
    is_over = incident.get("state") in _OVER or notice.get("event_type") == ENDED
    if is_over:
        alert["endsAt"] = str(cloudevent.get("time", ""))
    elif decision or not (incident or notice.get("event_type") == BEGAN):
        alert["lasts"] = ONCE
    return as_json(alert), "application/json"


def ending(document: Document) -> Document | None:
    """Ends the alert."""
    made = alert_of(document.body)
    if made.get("endsAt") is not None:
        return None
    return replace(document, body=orjson.dumps({**made, "endsAt": "now"}), value=None, minimal=None)


KIND = HttpKind(
    settings=AlertmanagerSettings,
    dialect=AlertmanagerDialect,
    deduplicates="labels: the same alert",
    updates="the same alert; ended when it is over",
    limits={"characters of an annotation": ANNOTATION_LIMIT},
    minimal=minimal,
    ending=ending,
)
