"""Datadog: logs by the intake (v2), as an array of JSON objects.

Sources: Datadog, "Send logs" (v2; 202 is a receipt; 408, 429 and 5xx are worth another try; at most 1,000 logs and 5 MB
in a request, 1 MB in a log, 18 hours back), "Log configuration" (`message`, `status`, `service`, `ddsource`, `ddtags`,
`hostname`, `timestamp`). Datadog knows no repetition: what was sent again is there twice. Not confirmed: whether any
2xx but 202 is ever answered; each is taken as a receipt.

Rules:
(1) What a template makes is a log. Service and source that an operator names stand over what it says, and tags stand
    beside its own. What is no object becomes the message of one; what has another type than Datadog wants is left out.
(2) Datadog cuts a log that is too large and answers 202 all the same, so it is made small here: short texts, numbers
    and the message, cut and marked.
(3) It drops what is too old and answers 202 all the same, so an old log is sent without `timestamp`, as is one whose
    time is none: it is shown when it arrives, and says in its own words when it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import Field, model_validator

from router.by_reference import Secret
from router.destinations.dialect import OneRequest, Post
from router.destinations.document import Document, object_in, text_of
from router.destinations.kind import HttpKind
from router.destinations.settings import BatchSettings, checked_token, checked_url
from router.errors import TemplateError
from router.fields import Size
from router.rendering.filters import epoch_ms, map_severity
from router.rendering.markup import cut_bytes, cut_chars
from router.rendering.minimal import MESSAGE_LIMIT, Because, cluster_of, message_of, severity_of
from router.rendering.values import as_json

Site = Literal[
    "datadoghq.com",
    "us3.datadoghq.com",
    "us5.datadoghq.com",
    "datadoghq.eu",
    "ap1.datadoghq.com",
    "ap2.datadoghq.com",
    "uk1.datadoghq.com",
    "ddog-gov.com",
    "us2.ddog-gov.com",
]
LOG_BYTES = 1_000_000
"""Of a log, beyond which Datadog cuts it."""
KEPT_MESSAGE, KEPT_TEXT, KEPT_MEMBERS = 100_000, 500, 100
"""Bytes of the message, characters of a text, and texts and numbers that are kept of a log that is too large."""
OLDEST = 17 * 3600
"""Seconds that a log may be old when it is sent: an hour less than Datadog takes."""
UNSAID = "Gatecrier"
"""What stands for a missing message."""
_TEXTS = frozenset({"ddsource", "ddtags", "hostname", "service"})
Text = Annotated[str, Field(min_length=1, max_length=200, pattern="^[^,]*$")]
Tag = Annotated[str, Field(pattern=r"^[^,:\s]{1,200}$")]
TagValue = Annotated[str, Field(pattern=r"^[^,\s]{1,200}$")]


class DatadogSettings(BatchSettings):
    """Datadog, by the intake of logs."""

    own_headers = frozenset({"dd-api-key"})
    kind: Literal["datadog"]
    """Datadog, by the intake of logs."""
    site: Site | None = None
    """Where the organisation lives; or give `url`."""
    url: str | None = None
    """The whole endpoint, such as that of a pipeline of one's own."""
    api_key: Secret
    """An API key of the organisation."""
    service: Text = "gatecrier"
    """Datadog's `service`."""
    source: Text = "gatecrier"
    """Datadog's `source` (`ddsource`), by which it chooses a pipeline."""
    tags: Annotated[dict[Tag, TagValue], Field(max_length=50)] = Field(default_factory=dict)
    """Tags of every log, such as `env: prod`."""
    batch_bytes: Annotated[Size, Field(le=4 * 2**20)] = 4 * 2**20
    """How many bytes of logs one request may carry."""

    compression: Literal["none", "gzip"] = "gzip"
    """How the body of a request is compressed; limits count what it is before."""

    @model_validator(mode="after")
    def _has_endpoint(self) -> Self:
        if (self.site is None) == (self.url is None):
            raise ValueError("name exactly one of `site` and `url`")
        checked_url(self.endpoint, plain_http=self.plain_http, name=self.name)
        checked_token(self.api_key.reveal())
        return self

    @property
    def endpoint(self) -> str:
        """The whole URL."""
        return self.url or f"https://http-intake.logs.{self.site}/api/v2/logs"


class DatadogDialect(OneRequest):
    """How Datadog wants to be told of logs."""

    def __init__(self, settings: DatadogSettings) -> None:
        self._headers = {"Content-Type": "application/json", "DD-API-KEY": settings.api_key.reveal()}
        usual = {"service": settings.service, "ddsource": settings.source}
        keys = {"service": "service", "ddsource": "source"}
        self._usual = usual
        self._named = {name: text for name, text in usual.items() if keys[name] in settings.model_fields_set}
        self._tags = [f"{name}:{value}" for name, value in settings.tags.items()]

    def compose(self, documents: Sequence[Document], now: float) -> Post:
        """An array of logs."""
        return Post(b"[%b]" % b",".join(self._log(one.body, now) for one in documents), self._headers)

    def _log(self, body: bytes, now: float) -> bytes:
        made = mended(body, now)
        log = {**self._usual, **made, **self._named}
        if tags := [*self._tags, *filter(None, [made.get("ddtags")])]:
            log["ddtags"] = ",".join(map(str, tags))
        try:
            encoded = orjson.dumps(log)
        except (TypeError, RecursionError):  # nested more deeply than it can be written again
            return orjson.dumps(_small(log))
        return encoded if len(encoded) <= LOG_BYTES else orjson.dumps(_small(log))


def mended(body: bytes, now: float) -> dict[str, object]:
    """The log that a template made, or that carries what it made, so that Datadog keeps it."""
    if (made := object_in(body)) is None:
        made = {"message": text_of(body)}
    log = {name: one for name, one in made.items() if isinstance(one, str) or name not in _TEXTS}
    if "timestamp" in log and not _is_taken(log["timestamp"], now):
        del log["timestamp"]
    message = log.get("message")
    return log if isinstance(message, str) and message.strip() else {**log, "message": UNSAID}


def _is_taken(time: object, now: float) -> bool:
    """Whether it is a time (a text, or milliseconds since 1970) that Datadog takes."""
    try:
        at = time if isinstance(time, int) else epoch_ms(time)
    except TemplateError:
        return False
    return now - at / 1000 <= OLDEST


def _small(log: Mapping[str, object]) -> dict[str, object]:
    """Short texts and numbers, and the message."""
    plain = [(name, one) for name, one in log.items() if isinstance(one, str | int | float) and name != "message"]
    kept = {name: cut_chars(one, KEPT_TEXT) if isinstance(one, str) else one for name, one in plain[:KEPT_MEMBERS]}
    return {**kept, "message": cut_bytes(str(log["message"]), KEPT_MESSAGE), "shortened": "too large for Datadog"}


def minimal(cloudevent: Mapping[str, Any], because: Because) -> tuple[bytes, str]:
    """A log with the sentence."""
    when = cloudevent.get("time")
    log = {
        **({"timestamp": when} if isinstance(when, str) else {}),
        "message": cut_chars(message_of(cloudevent), MESSAGE_LIMIT),
        "status": map_severity(severity_of(cloudevent), "falco"),
        "hostname": cluster_of(cloudevent),
        "id": str(cloudevent.get("id", "")),
        "time": str(when or ""),
        "shortened": str(because),
    }
    return as_json(log), "application/json"


KIND = HttpKind(settings=DatadogSettings, dialect=DatadogDialect, limits={"bytes of a log": LOG_BYTES}, minimal=minimal)
