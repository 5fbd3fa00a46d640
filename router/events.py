"""The event that tells of one admission decision: its shape, its identity and its encoding (pure).

Rules:
(1) One event per request, and the same request is the same event: `id` is derived from cluster and request uid.
(2) An event is a CloudEvent 1.0 in structured JSON (CloudEvents, "JSON Event Format", clause 3), held as the plain
    mappings that the TypedDicts below describe; their JSON Schema is published in `config/schema/`.
(3) `data.sequence` is given by the outbox when it stores the event. Until then a body is encoded without it, as the
    last member that `with_sequence` completes, so that no body is ever parsed only to be numbered.
(4) No secret, environment value or Pod body enters an event; texts that others wrote are cut to `TEXT_LIMIT`.
(5) Bytes are always UTF-8: what UTF-8 can not hold (lone surrogates) becomes U+FFFD.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Final, Literal, NotRequired

import orjson
from pydantic import ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from router.decision import Decision, Finding

EVENT_TYPE: Final = "dev.gatecrier.admission.decision.v1"
CONTENT_TYPE = "application/cloudevents+json"
TEXT_LIMIT = 8192
"""Characters of an image name as written: the API server lets 5,000 pass, and one string must not fill the outbox."""

_IDENTITY = uuid.UUID("5d0f6a0e-5b7c-5c1e-9a53-6761746563ff")
_STRICT = ConfigDict(extra="forbid", use_attribute_docstrings=True)


@with_config(_STRICT)
class DecisionData(TypedDict):
    """What the API server was told, and what it would have been told."""

    outcome: Literal["admitted", "rejected", "unanswered"]
    """What the API server was told. An admitted request may still fail later: it is not "created". `unanswered`:
    the request could not be read, and the API server went by the webhook's failurePolicy."""
    mode: Literal["enforce", "detect"]
    """Whether enforcement was in force for this request."""
    would_reject: bool
    """True whenever enforcement rejects, whether or not it was in force."""
    severity: Literal["critical", "high", "medium", "info"]
    """How urgent this is."""
    message: str
    """What the person at the terminal is told, a line per failing image."""
    break_glass: str | None
    """The justification of whoever overrode a refusal; null where nobody did."""


@with_config(_STRICT)
class UserData(TypedDict):
    """Who asked."""

    name: str
    """User name as the API server authenticated it."""
    groups: list[str]
    """The user's groups."""


@with_config(_STRICT)
class RequestData(TypedDict):
    """What was asked."""

    uid: str
    """The call's own id; new for every call of the API server."""
    operation: str
    """CREATE, UPDATE, DELETE or CONNECT."""
    api_version: str
    """Group and version of the object, such as `apps/v1`."""
    kind: str
    """Kind of the object."""
    subresource: str
    """Subresource, or empty."""
    namespace: str
    """Namespace, or empty for cluster-scoped objects."""
    name: str
    """Name of the object; may be empty before the API server generated it."""
    generate_name: str
    """Prefix of a generated name, or empty."""
    user: UserData
    """Who asked."""
    dry_run: bool
    """Always false: a dry run makes no event."""


@with_config(_STRICT)
class OwnerData(TypedDict):
    """The controller that owns the object."""

    api_version: str
    """Group and version."""
    kind: str
    """Kind."""
    name: str
    """Name."""
    uid: str
    """The owner's uid: what joins the Pods of one rollout."""


@with_config(_STRICT)
class WorkloadData(TypedDict):
    """The object that would run the images."""

    api_version: str
    """Group and version."""
    kind: str
    """Kind."""
    name: str
    """Name, or the prefix of a generated one."""
    owner: OwnerData | None
    """Its controller, where it has one."""


@with_config(_STRICT)
class SignerData(TypedDict):
    """Whose signature was proven."""

    name: str
    """Name of the key in the configuration."""
    identity: str | None
    """Subject of the certificate, for keyless signatures."""
    issuer: str | None
    """Who vouched for that subject, for keyless signatures."""
    fingerprint: str | None
    """`sha256:` and the hexadecimal SHA-256 of the key's SubjectPublicKeyInfo."""


@with_config(_STRICT)
class ImageData(TypedDict):
    """One place of an image, and what was found out about it."""

    container: str
    """Name of the container or volume."""
    container_kind: str
    """container, init_container, ephemeral_container or image_volume."""
    image: str
    """The image as written."""
    reference: str | None
    """The normalised reference; null where the text is none."""
    digest: str | None
    """The digest that was judged; null where none was resolved."""
    rule: str | None
    """Pattern of the rule that applied; null where none matched."""
    verifier: str | None
    """Name of the rule's verifier."""
    verdict: Literal["verified", "unsigned", "untrusted", "invalid", "unverifiable", "denied", "exempt", "inherited"]
    """What is known about the image."""
    reason: str
    """A code for the cause, for machines."""
    detail: str
    """The cause in words."""
    signers: list[SignerData]
    """Whose signatures were proven."""
    cached: bool
    """Whether the verdict was remembered."""
    milliseconds: float
    """How long this image's verdict took."""


@with_config(_STRICT)
class TimingsData(TypedDict):
    """How long we took."""

    gate_milliseconds: float
    """From the request's arrival to the decision."""


@with_config(_STRICT)
class EventData(TypedDict):
    """One admission decision."""

    decision: DecisionData
    """What was decided."""
    request: RequestData
    """What was asked."""
    workload: WorkloadData
    """Which object would run the images."""
    images: list[ImageData]
    """Every image of the request."""
    cluster: str
    """Name of the cluster, as configured."""
    replica: str
    """Which of our replicas decided."""
    timings: NotRequired[TimingsData]
    """How long it took."""
    sequence: NotRequired[int]
    """Number of the event in its replica's outbox: 1, 2, 3 ... without a gap, so that a missing event shows."""


@with_config(_STRICT)
class CloudEvent(TypedDict):
    """The envelope: CloudEvents 1.0."""

    specversion: Literal["1.0"]
    """Version of CloudEvents."""
    type: Literal["dev.gatecrier.admission.decision.v1"]
    """What kind of event this is; the version changes when a field changes its meaning."""
    id: Annotated[str, Field(min_length=1)]
    """Derived from cluster and request uid: the same for every copy and repetition."""
    source: str
    """The cluster."""
    subject: str
    """NAMESPACE/KIND/NAME of the workload."""
    time: str
    """When it was decided: RFC 3339, UTC, milliseconds."""
    datacontenttype: Literal["application/json"]
    """Media type of `data`."""
    data: EventData
    """The decision."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where events come from."""

    cluster: str
    replica: str


def event_id(cluster: str, request_uid: str) -> str:
    """The id of the event about this request of this cluster: a name-based UUID (RFC 9562, clause 5.5, version 5).

    Made by hand because it is made for every request, and `uuid.uuid5` takes three times as long.
    """
    name = f"{cluster}/{request_uid}".encode(errors="replace")
    made = hashlib.sha1(_IDENTITY.bytes + name, usedforsecurity=False).hexdigest()
    variant = "89ab"[int(made[16], 16) & 3]
    return f"{made[:8]}-{made[8:12]}-5{made[13:16]}-{variant}{made[17:20]}-{made[20:32]}"


def timestamp(epoch: float) -> str:
    """Seconds since 1970 as RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def decision_event(  # noqa: PLR0913 - an event has these independent parts
    origin: Origin,
    request: RequestData,
    workload: WorkloadData,
    decision: Decision,
    findings: Sequence[Finding],
    *,
    at: float,
    gate_milliseconds: float,
) -> CloudEvent:
    """The event about one decision; `at` is in seconds since 1970."""
    return {
        "specversion": "1.0",
        "type": EVENT_TYPE,
        "id": event_id(origin.cluster, request["uid"]),
        "source": f"/clusters/{origin.cluster}",
        "subject": f"{request['namespace']}/{workload['kind']}/{workload['name']}",
        "time": timestamp(at),
        "datacontenttype": "application/json",
        "data": {
            "decision": {
                "outcome": decision.outcome.value,
                "mode": decision.mode.value,
                "would_reject": decision.would_reject,
                "severity": decision.severity.value,
                "message": decision.message,
                "break_glass": None,
            },
            "request": request,
            "workload": workload,
            "images": [_image(finding) for finding in findings],
            "cluster": origin.cluster,
            "replica": origin.replica,
            "timings": {"gate_milliseconds": round(gate_milliseconds, 3)},
        },
    }


def _image(finding: Finding) -> ImageData:
    return {
        "container": finding.container[:TEXT_LIMIT],
        "container_kind": finding.container_kind,
        "image": finding.image[:TEXT_LIMIT],
        "reference": finding.reference and finding.reference[:TEXT_LIMIT],
        "digest": finding.digest,
        "rule": finding.rule,
        "verifier": finding.verifier,
        "verdict": finding.verdict.value,
        "reason": finding.reason,
        "detail": finding.detail,
        "signers": [
            {
                "name": signer.name,
                "identity": signer.identity,
                "issuer": signer.issuer,
                "fingerprint": signer.fingerprint,
            }
            for signer in finding.signers
        ],
        "cached": finding.cached,
        "milliseconds": round(finding.milliseconds, 3),
    }


def as_json(value: object) -> bytes:
    """Compact JSON in UTF-8; lone surrogates, which UTF-8 can't hold, become U+FFFD."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return orjson.dumps(_representable(value))


def _representable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {_representable(key): _representable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_representable(item) for item in value]
    return value


def encode(event: CloudEvent) -> bytes:
    """The event as JSON without its sequence number, which `with_sequence` puts in."""
    return as_json(event)


def with_sequence(body: bytes, sequence: int) -> bytes:
    """An encoded event with its number in the outbox as the last member of `data`."""
    return b'%b,"sequence":%d}}' % (body[:-2], sequence)


def decode(body: bytes) -> CloudEvent:
    """The event that `encode` or `with_sequence` made."""
    event: CloudEvent = orjson.loads(body)
    return event


@lru_cache(maxsize=1)
def event_schema() -> dict[str, object]:
    """The JSON Schema (2020-12) of the whole event."""
    schema: dict[str, object] = TypeAdapter(CloudEvent).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
