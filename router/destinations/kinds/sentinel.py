"""Microsoft Sentinel: records by the Logs Ingestion API of Azure Monitor, into a stream of a data collection rule.

Sources: Azure Monitor, "Logs Ingestion API" (POST of an array of objects, `api-version=2023-01-01`, gzip; the endpoint
of the rule, DCR, or of a DCE), "Service limits" (1 MB in a call, 64 KB in a field, beyond which it is cut; 12,000 calls
a minute in a DCR, `Retry-After` with 429); the SDK `azure-monitor-ingestion` (204; scopes of the clouds) and
`azure-identity` (hosts of the clouds; a federated token in place of the secret). Sentinel knows no repetition. Not
confirmed: whether a column that the stream does not have is always dropped without a word.

Rules:
(1) What a template makes is a record; what is no object becomes `Message` of one. `TimeGenerated` is a time, in the
    place of what is none that of the attempt: a record without it is refused, and with it the whole call.
(2) A text of more than 64 KB is cut by Azure without a word, and so is anything else in its JSON: it is cut here, and
    marked.
(3) 204 is the receipt, and any other 2xx. 404 speaks of the rule and of the stream, and 403 of the role on them
    ("Monitoring Metrics Publisher", which takes half an hour to be known): both pause the destination.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import Field, StringConstraints, model_validator

from router.by_reference import RelativePath, Secret
from router.destinations.dialect import OneRequest, Post, Reply
from router.destinations.document import Document, text_of
from router.destinations.grants import ClientCredentials
from router.destinations.kind import HttpKind
from router.destinations.outcome import AttemptOutcome, TryAgain
from router.destinations.settings import BatchSettings, checked_base_url, revealed
from router.errors import TemplateError
from router.events import timestamp
from router.fields import Size
from router.rendering.filters import rfc3339
from router.rendering.markup import cut_bytes, cut_chars
from router.rendering.minimal import MESSAGE_LIMIT, Because, cluster_of, message_of, severity_of
from router.rendering.values import as_json

API_VERSION = "2023-01-01"
FIELD_BYTES = 64_000
"""Of the JSON of a column."""
CALL_BYTES = 900 * 1024
_NOT_FOUND = 404
_CLOUDS = {
    "public": ("https://login.microsoftonline.com", "https://monitor.azure.com/.default"),
    "china": ("https://login.chinacloudapi.cn", "https://monitor.azure.cn/.default"),
    "government": ("https://login.microsoftonline.us", "https://monitor.azure.us/.default"),
}
_GUID = "00000000-0000-0000-0000-000000000000"
_Id = Annotated[str, StringConstraints(pattern="^[0-9A-Za-z.-]{1,100}$")]


class SentinelSettings(BatchSettings):
    """Microsoft Sentinel, by the Logs Ingestion API."""

    own_headers = frozenset({"authorization"})
    kind: Literal["sentinel"]
    """Microsoft Sentinel, by the Logs Ingestion API."""
    url: str
    """Where logs are taken: the endpoint of the data collection rule, or of its data collection endpoint."""
    rule: Annotated[
        str, StringConstraints(pattern="^dcr-[0-9A-Za-z-]{1,100}$"), Field(examples=["dcr-0123456789abcdef"])
    ]
    """The rule's immutable id, `dcr-...`."""
    stream: Annotated[str, StringConstraints(pattern="^[A-Za-z][0-9A-Za-z_-]{0,127}$"), Field(examples=["Custom-X_CL"])]
    """The rule's stream, such as `Custom-Gatecrier_CL`."""
    tenant: Annotated[_Id, Field(examples=[_GUID])]
    """The directory (tenant) of the application."""
    client_id: Annotated[_Id, Field(examples=[_GUID])]
    """The application."""
    client_secret: Secret | None = None
    """What it proves itself by; or `federated_token`."""
    federated_token: RelativePath | None = None
    """A file with the token of workload identity, which is read whenever it is needed."""
    cloud: Literal["public", "china", "government"] = "public"
    """Whose servers grant access."""
    authority: str | None = None
    """Where access tokens are granted, where that is not the cloud's own, such as `https://login.microsoftonline.com`."""
    batch_bytes: Annotated[Size, Field(le=CALL_BYTES)] = CALL_BYTES
    """How many bytes of records one request may carry."""
    compression: Literal["none", "gzip"] = "gzip"
    """How the body of a request is compressed; limits count what it is before."""

    @model_validator(mode="after")
    def _has_endpoints(self) -> Self:
        if (self.client_secret is None) == (self.federated_token is None):
            raise ValueError("name exactly one of `client_secret` and `federated_token`")
        for url in (self.url, self.credentials.url):
            checked_base_url(url, plain_http=self.plain_http, name=self.name)
        return self

    @property
    def endpoint(self) -> str:
        """The whole URL."""
        path = f"/dataCollectionRules/{self.rule}/streams/{self.stream}?api-version={API_VERSION}"
        return self.url.rstrip("/") + path

    @property
    def credentials(self) -> ClientCredentials:
        """What access is granted for."""
        authority, scope = _CLOUDS[self.cloud]
        url = f"{(self.authority or authority).rstrip('/')}/{self.tenant}/oauth2/v2.0/token"
        secret, token = revealed(self.client_secret), self.federated_token
        return ClientCredentials(url, self.client_id, scope, secret, None if token is None else Path(token))


class SentinelDialect(OneRequest):
    """How the API wants to be told."""

    def __init__(self, _settings: SentinelSettings) -> None:
        self._headers = {"Content-Type": "application/json"}

    def compose(self, documents: Sequence[Document], now: float) -> Post:
        """An array of records."""
        return Post(b"[%b]" % b",".join(_record(one.body, now) for one in documents), self._headers)

    def judge(self, reply: Reply) -> AttemptOutcome:
        """By the status, but for what is not there for us (rule 3)."""
        return TryAgain("refused_here", pauses=True) if reply.status == _NOT_FOUND else super().judge(reply)


def _record(body: bytes, now: float) -> bytes:
    try:
        made = orjson.loads(body)
        return orjson.dumps(_mended(made, now) if isinstance(made, dict) else _with_text(body, now))
    except (ValueError, TypeError, RecursionError):  # no JSON, or nested more deeply than it can be written again
        return orjson.dumps(_with_text(body, now))


def _mended(made: Mapping[str, object], now: float) -> dict[str, object]:
    record = {name: _cut(value) for name, value in made.items()}
    return record | {"TimeGenerated": _time(made.get("TimeGenerated"), now)}


def _with_text(body: bytes, now: float) -> dict[str, object]:
    return {"TimeGenerated": timestamp(now), "Message": cut_bytes(text_of(body), FIELD_BYTES // 2)}


def _time(value: object, now: float) -> str:
    try:
        return rfc3339(value) if isinstance(value, str) else timestamp(now)
    except TemplateError:
        return timestamp(now)


def _cut(value: object) -> object:
    """The value where Azure keeps all of it; the beginning of its text, or of its JSON, where it would not."""
    if isinstance(value, bool | int | float | None) or len(encoded := orjson.dumps(value)) <= FIELD_BYTES:
        return value
    return cut_bytes(value if isinstance(value, str) else encoded.decode(), FIELD_BYTES // 2)


def minimal(cloudevent: Mapping[str, Any], because: Because) -> tuple[bytes, str]:
    """A record with the sentence."""
    record = {
        "TimeGenerated": str(cloudevent.get("time", "")),
        "Message": cut_chars(message_of(cloudevent), MESSAGE_LIMIT),
        "Severity": severity_of(cloudevent),
        "Cluster": cluster_of(cloudevent),
        "EventId": str(cloudevent.get("id", "")),
        "EventType": str(cloudevent.get("type", "")),
        "Shortened": str(because),
    }
    return as_json(record), "application/json"


KIND = HttpKind(
    settings=SentinelSettings,
    dialect=SentinelDialect,
    credentials=lambda settings: settings.credentials,
    limits={"bytes of a column": FIELD_BYTES},
    minimal=minimal,
)
