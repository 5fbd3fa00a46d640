"""The shape of events: CloudEvents 1.0 in structured JSON (CloudEvents, "JSON Event Format", clause 3). Pure.

Events are held as the plain mappings that the TypedDicts below describe; their JSON Schema is published in
`config/schema/`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Final, Literal, NotRequired

from pydantic import Field, TypeAdapter, with_config
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from router.events.overrides import STRICT, ExemptionData, GrantData
from router.events.scan import ScanData

DECISION_TYPE: Final = "dev.gatecrier.admission.decision.v1"
UNREADABLE_TYPE: Final = "dev.gatecrier.admission.unreadable.v1"
SCAN_TYPE: Final = "dev.gatecrier.scan.finding.v1"
INCIDENT_TYPES: Final = ("dev.gatecrier.incident.",)
"""What the types of messages about incidents begin with; the state and the version follow."""
CONTENT_TYPE = "application/cloudevents+json"


@with_config(STRICT)
class DecisionData(TypedDict):
    """What the API server was told, and what it would have been told."""

    outcome: Literal["admitted", "rejected", "unanswered"]
    """What the API server was told. An admitted request may still fail later: it is not "created". `unanswered`:
    the API server had gone before, or got an HTTP error, and went by the webhook's failurePolicy."""
    mode: Literal["enforce", "detect"]
    """Whether enforcement was in force for this request."""
    would_reject: bool
    """True whenever enforcement rejects, whether or not it was in force."""
    severity: Literal["critical", "high", "medium", "info"]
    """How urgent this is."""
    message: str
    """What the person at the terminal is told, a line per failing image."""
    break_glass: str | None
    """The justification of whoever had this let in, whatever its images are; null where nobody did."""
    grant: NotRequired[GrantData]
    """Where `break_glass` says why: by whom and for how long."""
    failure: NotRequired[Literal["unreadable", "undelivered", "event_not_stored", "internal_error"]]
    """Why it can't be admitted whatever its images are: the object can't be read, which is its own doing and stays so;
    a receipt was missing, the event could not be stored, or we failed. Absent where that is not so."""
    is_attempt: NotRequired[bool]
    """True where it was told before it was sure, since a receipt was waited for (`must_deliver`). If the API server was
    then told something else, an event that `corrects` this one follows to whoever was told."""


@with_config(STRICT)
class UserData(TypedDict):
    """Who asked."""

    name: str
    """User name as the API server authenticated it."""
    groups: list[str]
    """The user's groups."""


@with_config(STRICT)
class RequestData(TypedDict):
    """What was asked."""

    uid: str
    """The call's own id; new for every call of the API server."""
    operation: str
    """CREATE, UPDATE, DELETE or CONNECT; SCAN where nothing was asked, and a scan has found what runs."""
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


@with_config(STRICT)
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


@with_config(STRICT)
class TopOwnerData(TypedDict):
    """Whose object it is in the end, as far as the request alone tells."""

    api_version: str
    """Group and version."""
    kind: str
    """Kind."""
    name: str
    """Name; the prefix of a generated one for a Pod of its own."""
    by: Literal["self", "owner", "template_hash", "name"]
    """How that was found: it is the object itself, its controller, the Deployment whose template's hash is in the name
    of its ReplicaSet, or the CronJob whose name its Job has. Whether it is believed, incidents say."""


@with_config(STRICT)
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
    uid: NotRequired[str]
    """The object's uid; empty where it has none yet."""
    top_owner: NotRequired[TopOwnerData]
    """Whose it is in the end: what joins Deployment, ReplicaSet and Pods of one rollout."""


@with_config(STRICT)
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


@with_config(STRICT)
class ImageData(TypedDict):
    """One place of an image, and what was found out about it."""

    container: str
    """Name of the container or volume."""
    container_kind: str
    """container, init_container, ephemeral_container, image_volume or csi_volume."""
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
    is_new: NotRequired[bool]
    """Whether it was among those that decided: in an update of a Pod only images that were not there before do."""
    is_enforced: NotRequired[bool]
    """False where its rule is in `detect`, so that it is refused in no namespace; else it is not there."""
    wanted: NotRequired[str]
    """What the rule asks for, in words; empty where no rule matched."""
    judged_by: NotRequired[str]
    """Id of what it was judged by: what the rule demands, and whom its verifier trusts. Equal ids: equal rules; empty
    where nothing was held against evidence."""
    exemption: NotRequired[ExemptionData]
    """Where it fails and an exemption lets it in: verdict `exempt`, reason `exemption`."""


@with_config(STRICT)
class OmittedData(TypedDict):
    """Images that are counted only; failing ones are left out last."""

    count: int
    """How many."""
    verdicts: dict[str, int]
    """How many of each verdict."""


@with_config(STRICT)
class UnreadableData(TypedDict):
    """Bodies of one cause that came within a minute."""

    cause: Literal["no_json", "no_review", "no_uid", "unread"]
    """No JSON object; no AdmissionReview v1; no uid in it; only its beginning was read, and it was let in."""
    count: int
    """How many."""
    first_peer: str
    """Address that sent the first."""
    first_sha256: str
    """SHA-256 of the first, or of what was read of it, in hexadecimal."""


@with_config(STRICT)
class TimingsData(TypedDict):
    """How long we took."""

    gate_milliseconds: float
    """From the request's arrival to the decision."""


@with_config(STRICT)
class EventData(TypedDict):
    """One admission decision."""

    decision: DecisionData
    """What was decided."""
    request: RequestData
    """What was asked."""
    workload: WorkloadData
    """Which object would run the images."""
    images: list[ImageData]
    """Every image of the request, in the object's order; see `images_omitted`."""
    images_omitted: NotRequired[OmittedData]
    """What was left out of `images`, because the event would have been too large."""
    corrects: NotRequired[str]
    """Id of an event that said something else about the same request before: what this one says is what holds. Who
    never got that one needs to do nothing about it."""
    unreadable: NotRequired[UnreadableData]
    """For bodies that were no review: what came, together."""
    scan: NotRequired[ScanData]
    """For findings of a scan: where it runs."""
    cluster: str
    """Name of the cluster, as configured."""
    replica: str
    """Which of our replicas decided."""
    timings: NotRequired[TimingsData]
    """How long it took."""
    sequence: NotRequired[int]
    """Number of the event in its replica's outbox: 1, 2, 3 ... without a gap, so that a missing event shows."""


@with_config(STRICT)
class CloudEvent(TypedDict):
    """The envelope: CloudEvents 1.0."""

    specversion: Literal["1.0"]
    """Version of CloudEvents."""
    type: Literal[
        "dev.gatecrier.admission.decision.v1", "dev.gatecrier.admission.unreadable.v1", "dev.gatecrier.scan.finding.v1"
    ]
    """What kind of event this is; the version changes when a field changes its meaning."""
    id: Annotated[str, Field(min_length=1)]
    """Derived from cluster and request uid: the same for every copy and repetition. `unanswered` has one of its own, as
    has an event that corrects another."""
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


@lru_cache(maxsize=1)
def event_schema() -> dict[str, object]:
    """The JSON Schema (2020-12) of the whole event."""
    schema: dict[str, object] = TypeAdapter(CloudEvent).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
