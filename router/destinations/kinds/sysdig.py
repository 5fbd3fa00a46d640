"""Sysdig Secure: the events endpoint that takes `{"events": [...], "labels": {...}}`.

The endpoint is not part of Sysdig's published API; what is known of it comes from public examples. Limits, success
codes and deduplication are unconfirmed: 2xx is taken as accepted, one event is sent per request, and no `policy_id`
is sent, since events with one that is not known are said to be dropped silently.

Source of the hosts: the region tables of Sysdig's Helm charts (`_regions.tpl`). They follow no pattern.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import ValidationInfo, model_validator

from router.by_reference import Secret
from router.destinations.dialect import OneRequest, Post
from router.destinations.document import Document
from router.destinations.kind import HttpKind
from router.destinations.settings import HttpSettings, checked_token, checked_url
from router.rendering.filters import map_severity
from router.rendering.markup import cut_chars
from router.rendering.minimal import MESSAGE_LIMIT, Because, message_of, severity_of
from router.rendering.values import as_json

PATH = "/api/v1/eventsDispatch/ingest"
REGIONS = {
    "us1": "secure.sysdig.com",
    "us2": "us2.app.sysdig.com",
    "us3": "app.us3.sysdig.com",
    "us4": "app.us4.sysdig.com",
    "eu1": "eu1.app.sysdig.com",
    "eu2": "app.eu2.sysdig.com",
    "au1": "app.au1.sysdig.com",
    "in1": "app.in1.sysdig.com",
    "me2": "app.me2.sysdig.com",
    "jp1": "app.jp1.sysdig.com",
}
Region = Literal["us1", "us2", "us3", "us4", "eu1", "eu2", "au1", "in1", "me2", "jp1"]


class SysdigSettings(HttpSettings):
    """Sysdig Secure."""

    own_headers = frozenset({"authorization"})
    kind: Literal["sysdig"]
    """Sysdig Secure."""
    region: Region | None = None
    """Where the account lives; or give `url`."""
    url: str | None = None
    """The whole endpoint, for on-premises and regions that are not listed."""
    token: Secret
    """A Sysdig Secure API token."""

    @model_validator(mode="after")
    def _has_endpoint(self, _: ValidationInfo) -> Self:
        if (self.region is None) == (self.url is None):
            raise ValueError("name exactly one of `region` and `url`")
        checked_url(self.endpoint, plain_http=self.plain_http, name=self.name)
        checked_token(self.token.reveal())
        return self

    @property
    def endpoint(self) -> str:
        """The whole URL."""
        return self.url or f"https://{REGIONS[self.region or 'us1']}{PATH}"


class SysdigDialect(OneRequest):
    """How Sysdig wants to be told."""

    def __init__(self, settings: SysdigSettings) -> None:
        self._headers = {
            "Content-Type": "application/json; charset=UTF-8",
            "Authorization": f"Bearer {settings.token.reveal()}",
        }

    def compose(self, documents: Sequence[Document], now: float) -> Post:  # noqa: ARG002 - no signature, no time
        """One event per request."""
        return Post(documents[0].body, self._headers)


def minimal(cloudevent: Mapping[str, Any], because: Because) -> tuple[bytes, str]:
    """One event; all of `output_fields` and `labels` are texts."""
    data = cloudevent.get("data") or {}
    message = cut_chars(message_of(cloudevent), MESSAGE_LIMIT)
    event = {
        "timestamp": str(cloudevent.get("time", "")),
        "rule": "Check image signature",
        "priority": map_severity(severity_of(cloudevent), "sysdig"),
        "output": message,
        "source": "gatecrier",
        "tags": ["image-signature", "template-failed" if because is Because.TEMPLATE_FAILED else "shortened"],
        "output_fields": {
            "gatecrier.event.id": str(cloudevent.get("id", "")),
            "k8s.ns.name": str((data.get("request") or data.get("incident") or {}).get("namespace", "")),
        },
    }
    labels = {"cluster": str(data.get("cluster", "")), "message": message}
    return as_json({"events": [event], "labels": labels}), "application/json"


KIND = HttpKind(settings=SysdigSettings, dialect=SysdigDialect, minimal=minimal)
